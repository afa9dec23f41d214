//! Every field of metadata that the built-in components of Dapr's names have, and what becomes of it:
//! the list in `facts/component-fields.tsv` against the components.
//!
//! Its columns: the component type; the field; the answer; a value; what else has to be set; a note.
//! The answers:
//!
//! - `effect`: the field counts. The value is one that is wrong, and refused by the field's name,
//!   however that is written; `*` where any text is right.
//! - `none`: it has no effect, and any value will do. The features page says why.
//! - `refused`: what the value asks for is not there, and the field is named.

use std::collections::HashSet;
use std::path::Path;

use replug_component::{Error, Metadata};
use replug_runtime::builtin::{Builtin, find};

const FIELDS: &str = include_str!("facts/component-fields.tsv");

/// Dapr's own list, which the project's home has beside it and a copy elsewhere has not.
const DAPRS: &str = "../../shared/wire/dapr-component-fields.tsv";

struct Field {
    kind: &'static str,
    name: &'static str,
    answer: &'static str,
    value: &'static str,
    with: &'static str,
    note: &'static str,
}

fn fields() -> Vec<Field> {
    let lines = FIELDS.lines().skip(1);
    let fields = lines.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [kind, name, answer, value, with, note] = columns[..] else { panic!("{line:?}") };
        Field { kind, name, answer, value, with, note }
    });
    fields.collect()
}

/// What each type needs, to be asked of nobody or in vain.
fn needed(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "state.sqlite" => &[("connectionString", ":memory:")],
        "state.redis" | "bindings.redis" => &[("redisHost", "127.0.0.1:1")],
        "pubsub.redis" => &[("redisHost", "127.0.0.1:1"), ("consumerID", "shop")],
        "state.postgresql" | "state.postgresql.v2" => {
            &[("connectionString", "host=127.0.0.1 port=1 user=nobody connect_timeout=1")]
        }
        "state.etcd" | "state.etcd.v2" => &[("endpoints", "127.0.0.1:1")],
        "pubsub.jetstream" => &[("natsURL", "nats://127.0.0.1:1")],
        "bindings.cron" => &[("schedule", "@daily")],
        "bindings.http" => &[("url", "http://127.0.0.1:1")],
        "bindings.localstorage" => &[("rootPath", "/tmp")],
        "secretstores.local.file" => &[("secretsFile", "/nowhere")],
        "secretstores.local.env" => &[],
        other => panic!("nobody has said what {other} needs"),
    }
}

async fn open(kind: &str, metadata: Metadata) -> Result<(), Error> {
    match find(&kind.parse().unwrap()).expect("it is built in") {
        Builtin::State(_, kind) => kind.open(metadata).await.map(drop),
        Builtin::PubSub(_, kind) => kind.open(metadata).await.map(drop),
        Builtin::Binding(_, kind) => kind.open(metadata).await.map(drop),
        Builtin::Secrets(_, kind) => kind.open(metadata).await.map(drop),
        Builtin::Hello(..) => panic!("{kind} is of another block"),
    }
}

impl Field {
    /// What a component says that has this field by this name, and what it needs else.
    async fn asked_as(&self, name: &str) -> Result<(), Error> {
        let with = self.with.split(' ').filter_map(|pair| pair.split_once('='));
        let pairs = needed(self.kind).iter().copied().chain(with);
        let others = pairs.filter(|(other, _)| !other.eq_ignore_ascii_case(name));
        let pairs = others.chain([(name, self.value)]);
        let metadata = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        open(self.kind, metadata).await
    }

    fn shown(&self) -> String {
        format!("{} of {} as {:?}", self.name, self.kind, self.value)
    }
}

#[tokio::test]
async fn every_field_has_the_effect_that_the_list_says() {
    let mut wrong = Vec::new();
    for field in fields() {
        match (field.answer, field.value) {
            ("effect", "*") => {}
            ("effect" | "refused", _) => {
                for name in [field.name.to_owned(), field.name.to_ascii_uppercase()] {
                    let names_it = |error: &Error| {
                        let text = error.to_string().to_ascii_lowercase();
                        text.contains(&field.name.to_ascii_lowercase())
                    };
                    match field.asked_as(&name).await {
                        Err(error) if names_it(&error) => {}
                        said => wrong.push(format!("{}: {said:?}", field.shown())),
                    }
                }
            }
            ("none", _) => match field.asked_as(field.name).await {
                Err(Error::Invalid(why)) => wrong.push(format!("{}: {why}", field.shown())),
                _ if field.note.is_empty() => wrong.push(format!("{}: why?", field.shown())),
                _ => {}
            },
            (other, _) => panic!("{other} is no answer"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_field_of_dapr_is_missing_from_the_list() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DAPRS);
    let Ok(daprs) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: there is no {DAPRS} here");
        return;
    };
    let first_version = |kind: &'static str| kind.trim_end_matches(".v2");
    let listed: HashSet<_> =
        fields().iter().map(|field| (first_version(field.kind), field.name)).collect();
    let ours: HashSet<&str> = listed.iter().map(|(kind, _)| *kind).collect();
    let missing: Vec<_> = daprs
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split('\t');
            Some((columns.next()?, columns.next()?))
        })
        .filter(|(kind, _)| ours.contains(kind))
        .filter(|field| !listed.contains(field))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_features_page_tells_of_every_field_without_effect() {
    let page = include_str!("../../docs/dapr-features.md");
    let (_, page) = page.split_once("Fields that have no effect").expect("the page has the list");
    let (list, _) = page.split_once("\n## ").expect("another part follows");
    for field in fields() {
        if field.answer != "effect" {
            assert!(list.contains(&format!("`{}`", field.name)), "{}", field.shown());
        }
    }
}
