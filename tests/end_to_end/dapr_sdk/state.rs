//! State: every call that an SDK has, over stores in several languages.

use std::cell::Cell;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::AT_ONCE;
use super::session::Session;
use crate::rig::{Home, Sdk, notebook, python_sample};

/// How often a plugin is killed while an application works.
const KILLS: u32 = 4;
/// How many values an application stores and reads in one step meanwhile.
const ROUNDS: u32 = 25;

#[derive(Debug, Deserialize)]
struct State {
    value: String,
    etag: String,
}

#[derive(Debug, Deserialize)]
struct Found {
    keys: Vec<String>,
    values: HashMap<String, Value>,
    token: String,
}

#[tokio::test]
async fn the_python_sdk_works_on_through_kills_of_the_python_plugin() {
    if !Sdk::Python.is_here() {
        return;
    }
    let plan = format!(
        "[plugins.python-sqlite]\n\
         command = {}\n\
         {AT_ONCE}\
         [components.orders]\n\
         type = \"state.python-sqlite\"\n\
         metadata = {{ database = \"orders.db\" }}\n\
         replay = \"all\"\n",
        python_sample()
    );
    use_with_python(&plan, "python-sqlite").await;
}

#[tokio::test]
async fn the_python_sdk_works_on_through_kills_of_the_rust_sample() {
    if !Sdk::Python.is_here() {
        return;
    }
    let plan = format!(
        "[plugins.notebook]\n\
         command = [{:?}]\n\
         {AT_ONCE}\
         [components.orders]\n\
         type = \"state.notebook\"\n\
         metadata = {{ path = \"orders.journal\" }}\n\
         replay = \"all\"\n",
        notebook()
    );
    use_with_python(&plan, "notebook").await;
}

/// The component `orders`, served by the plugin `settings`. Writes that a kill cuts off are sent
/// again.
pub(super) fn built_in_plan() -> String {
    format!(
        "[plugins.settings]\n\
         builtin = \"state.sqlite\"\n\
         {AT_ONCE}\
         [components.orders]\n\
         type = \"state.sqlite\"\n\
         metadata = {{ connectionString = \"orders.db\" }}\n\
         replay = \"all\"\n"
    )
}

async fn use_with_python(plan: &str, plugin: &str) {
    let mut session = Session::start(Sdk::Python, Home::new(plan), &["orders"], None).await;
    let status = session.replug.status().await;
    assert_eq!(status.component("orders").unwrap().served_by.as_deref(), Some(plugin));
    use_every_call_between_kills(&mut session, plugin).await;
    session.stop().await;
}

/// Every kind of call, most with a kill of the plugin before them: what was acknowledged is there,
/// and no call fails.
pub(super) async fn use_every_call_between_kills(session: &mut Session, plugin: &str) {
    let mut kills = 4;
    let () = session.step("save", json!({ "key": "one", "value": "1" })).await;
    let one: State = session.step_after_kill(plugin, "get", json!({ "key": "one" })).await;
    assert_eq!(one.value, "1");

    let values = json!({ "two": "2", "three": "3" });
    let () = session.step_after_kill(plugin, "save_bulk", json!({ "values": values })).await;
    let three: State = session.step_after_kill(plugin, "get", json!({ "key": "three" })).await;
    assert_eq!(three.value, "3");
    // This SDK has no call for either.
    if session.sdk != Sdk::Rust {
        many_at_once(session, plugin).await;
        kills += 3;
    }

    // The etag of before the kill still holds after it, once.
    let with_etag = |value| json!({ "key": "one", "value": value, "etag": one.etag });
    let () = session.step_after_kill(plugin, "save", with_etag("first")).await;
    let refused = session.application.step::<()>("save", with_etag("second")).await.unwrap_err();
    assert_eq!(refused.code, session.sdk.conflict(), "{}", refused.text);
    let first: State = session.step("get", json!({ "key": "one" })).await;
    assert_eq!(first.value, "first");

    if session.sdk == Sdk::Python {
        query(session, plugin).await;
        kills += 1;
    }

    let with_etag = match session.sdk {
        Sdk::Rust => json!({ "key": "one" }),
        _ => json!({ "key": "one", "etag": first.etag }),
    };
    let () = session.step_after_kill(plugin, "delete", with_etag).await;
    kills += 1;
    let gone: State = session.step("get", json!({ "key": "one" })).await;
    assert_eq!(gone.value, "");
    session.assert_killed(plugin, kills).await;
}

async fn many_at_once(session: &mut Session, plugin: &str) {
    let keys = json!({ "keys": ["one", "two", "three"] });
    let all: HashMap<String, String> = session.step_after_kill(plugin, "get_bulk", keys).await;
    let wanted = [("one", "1"), ("two", "2"), ("three", "3")];
    assert_eq!(all, wanted.map(|(key, value)| (key.into(), value.into())).into());

    let operations = json!({ "set": { "four": "4" }, "delete": ["two"] });
    let () = session.step_after_kill(plugin, "transact", operations).await;
    let two: State = session.step_after_kill(plugin, "get", json!({ "key": "two" })).await;
    let four: State = session.step("get", json!({ "key": "four" })).await;
    assert_eq!((two.value.as_str(), four.value.as_str()), ("", "4"));
}

async fn query(session: &mut Session, plugin: &str) {
    let people = json!({
        "a": json!({ "person": { "org": "A", "id": 3 } }).to_string(),
        "b": json!({ "person": { "org": "B", "id": 1 } }).to_string(),
        "c": json!({ "person": { "org": "A", "id": 2 } }).to_string(),
    });
    let () = session.step("save_bulk", json!({ "values": people })).await;
    let asked = json!({
        "filter": { "OR": [
            { "EQ": { "person.org": "A" } },
            { "IN": { "person.id": [1, 17] } },
        ]},
        "sort": [{ "key": "person.id", "order": "DESC" }],
        "page": { "limit": 2 },
    });
    let found: Found = session.step_after_kill(plugin, "query", json!({ "query": asked })).await;
    assert_eq!(found.keys, ["a", "c"]);
    assert_eq!(found.values["a"], json!({ "person": { "org": "A", "id": 3 } }));
    assert_ne!(found.token, "");
}

/// The application saves and reads without a pause while the plugin is killed as soon as it is
/// back, again and again.
pub(super) async fn work_through_kills(session: &mut Session, plugin: &str) {
    let killed = Cell::new(false);
    let Session { sdk, replug, application, .. } = session;
    let kill = async {
        for _ in 0..KILLS {
            replug.kill_plugin(plugin).await;
        }
        killed.set(true);
    };
    let work = async {
        let mut steps = 0;
        while !killed.get() {
            let rounds = json!({ "rounds": ROUNDS });
            let done = application.step::<()>("work", rounds).await;
            done.unwrap_or_else(|error| panic!("{sdk:?}, step {steps} of work: {error:?}"));
            steps += 1;
        }
    };
    tokio::join!(kill, work);
}
