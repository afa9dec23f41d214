//! Dapr's resource files: what counts, what is left out, and what is told of it.

#[path = "resources/configuration.rs"]
mod configuration;
#[path = "resources/files.rs"]
mod files;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use replug_runtime::resources::{Loaded, Names, Problem, Resources, SecretKeyRef, load, read_text};

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn loaded(files: &[(&str, &str)], app_id: &str, namespace: &str) -> Loaded {
    let folder = folder(files);
    load(&[folder.path().to_owned()], app_id, namespace).unwrap()
}

fn names(resources: &Resources) -> Vec<&str> {
    resources.components.iter().map(|component| component.name.as_str()).collect()
}

fn component(name: &str, more: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\n{more}spec:\n  \
         type: state.in-memory\n  version: v1\n"
    )
}

const REDIS: &str = r#"
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: orders
auth:
  secretStore: vault
scopes: [checkout, 7]
spec:
  type: state.redis
  version: v1
  ignoreErrors: true
  initTimeout: 1m30s
  metadata:
  - name: redisHost
    value: localhost:6379
  - name: redisDB
    value: 3
  - name: enableTLS
    value: yes
  - name: ratio
    value: 1.50
  - name: nested
    value: {b: [1, "<"], a: null}
  - name: redisPassword
    secretKeyRef:
      name: redis
      key: password
  - name: user
    envRef: REDIS_USER
  - name: redisDB
    value: "4"
"#;

#[test]
fn a_component_is_read_with_all_that_it_can_say() {
    let loaded = loaded(&[("a.yaml", REDIS)], "checkout", "");
    assert_eq!(loaded.problems, []);
    let component = &loaded.resources.components[0];
    assert_eq!(component.log_name(), "orders (state.redis/v1)");
    assert!(component.ignore_errors);
    assert_eq!(component.init_timeout, Duration::from_secs(90));
    assert_eq!(component.secret_store, "vault");
    assert_eq!(component.scopes, ["checkout", "7"]);
    assert!(component.place.ends_with("a.yaml:2"), "{}", component.place);

    let environment = [("REDIS_USER".to_owned(), "ada".to_owned())].into();
    let names = Names { app_id: "checkout".into(), namespace: String::new(), environment };
    let values = component.values(&names).unwrap();
    assert_eq!(values.warnings, [""; 0]);
    let secret = SecretKeyRef { name: "redis".into(), key: "password".into() };
    let expected = [
        ("redisHost", "localhost:6379", None),
        ("enableTLS", "true", None),
        ("ratio", "1.5", None),
        ("nested", r#"{"a":null,"b":[1,"\u003c"]}"#, None),
        ("redisPassword", "", Some(secret)),
        ("user", "ada", None),
        ("redisDB", "4", None),
    ];
    let expected = expected.map(|(name, value, secret)| (name.to_owned(), value.into(), secret));
    assert_eq!(values.items, expected);
}

#[test]
fn templates_are_replaced_and_a_text_that_stays_keeps_its_uuids() {
    let text = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: a}
spec:
  type: pubsub.in-memory
  metadata:
  - {name: consumerID, value: '{uuid}/{uuid}'}
  - {name: id, value: '{appID}-{namespace}'}
  - {name: other, value: '{uuid}'}
";
    let read = || loaded(&[("a.yaml", text)], "shop", "").resources.components.remove(0);
    let names = Names { app_id: "shop".into(), ..Names::default() };
    let values = read().values(&names).unwrap();
    assert!(values.namespaced && read().specified(&names).unwrap().spec.namespaced);
    let (one, two) = values.items[0].1.split_once('/').unwrap();
    assert_ne!(one, two);
    assert_ne!(one, values.items[2].1);
    assert_eq!((one.len(), &one[14..15]), (36, "4"));
    assert_eq!(values.items[1].1, "shop-default.shop");
    assert!(read().values(&names).unwrap() == values, "the same text has the same values");

    let pod = text.replace("-{namespace}", "");
    let component = loaded(&[("a.yaml", &pod)], "shop", "").resources.components.remove(0);
    assert!(!component.specified(&names).unwrap().spec.namespaced);
    let pod = text.replace("{appID}", "{podName}");
    let component = loaded(&[("a.yaml", &pod)], "shop", "").resources.components.remove(0);
    let error = component.values(&names).err().unwrap();
    assert!(error.to_string().contains("property id refers to {podName}"), "{error}");
}

#[test]
fn variables_that_are_not_for_components_stay_empty_with_a_warning() {
    let text = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: a}
spec:
  type: state.in-memory
  metadata:
  - {name: one, envRef: DAPR_API_TOKEN}
  - {name: two, envRef: APP_API_TOKEN}
  - {name: three, envRef: OTHER}
  - {name: four, envRef: LISTED}
";
    let variables = ["DAPR_API_TOKEN", "APP_API_TOKEN", "OTHER", "LISTED"];
    let environment = variables.map(|name| (name.to_owned(), "value".to_owned()));
    let environment = environment.into_iter().chain([("DAPR_ENV_KEYS".into(), "LISTED X".into())]);
    let names = Names { environment: environment.collect(), ..Names::default() };
    let component = loaded(&[("a.yaml", text)], "shop", "").resources.components.remove(0);
    let values = component.values(&names).unwrap();
    let texts: Vec<_> = values.items.iter().map(|(_, value, _)| value.as_str()).collect();
    assert_eq!(texts, ["", "", "", "value"]);
    assert_eq!(
        values.warnings,
        [
            "Component a references an env variable that isn't allowed: DAPR_API_TOKEN",
            "Component a references an env variable that isn't allowed: APP_API_TOKEN",
            "Component a references an env variable that isn't allowed: OTHER (DAPR_ENV_KEYS does \
             not list it)",
        ]
    );
}

#[test]
fn files_count_in_the_order_of_their_names_and_documents_in_theirs() {
    let two = format!("{}---\n{}", component("c", ""), component("a", ""));
    let files = [("2.YML", two.as_str()), ("1.yaml", &component("b", "")), ("notes.txt", "x")];
    let loaded = loaded(&files, "shop", "");
    assert_eq!(names(&loaded.resources), ["b", "c", "a"]);
    let [Problem::NotYaml { file }] = loaded.problems.as_slice() else {
        panic!("{:?}", loaded.problems)
    };
    assert!(file.ends_with("notes.txt"));
}

#[test]
fn a_field_that_is_there_twice_counts_as_it_is_written_last() {
    let text = format!("apiVersion: dapr.io/v9\n{}", component("a", "  name: b\n"));
    let loaded = loaded(&[("a.yaml", &text)], "shop", "");
    assert_eq!(names(&loaded.resources), ["b"]);
    assert!(loaded.problems.is_empty());
}

#[test]
fn what_is_for_another_application_or_namespace_is_left_out() {
    let files = [
        ("1.yaml", &*component("everybody", "")),
        ("2.yaml", &component("mine", "scopes: [shop]\n")),
        ("3.yaml", &component("other", "scopes: [else]\n")),
        ("4.yaml", &component("here", "  namespace: prod\n")),
        ("5.yaml", &component("there", "  namespace: test\n")),
    ];
    assert_eq!(
        names(&loaded(&files, "shop", "prod").resources),
        ["everybody", "mine", "here"],
        "both names of a namespace count"
    );
    assert_eq!(
        names(&loaded(&files, "shop", "").resources),
        ["everybody", "mine", "here", "there"],
        "without a namespace in the environment none counts"
    );
}

#[test]
fn two_components_of_one_name_are_told_in_daprs_words() {
    let files = [
        ("1.yaml", &*component("a", "")),
        ("2.yaml", &component("a", "scopes: [else]\n")),
        ("3.yaml", &component("b", "scopes: [else]\n")),
        ("4.yaml", &component("b", "")),
    ];
    let duplicates = loaded(&files, "shop", "").duplicates;
    assert_eq!(
        duplicates.to_string(),
        "duplicate definition of Component name a (state.in-memory/v1) with existing a \
         (state.in-memory/v1)"
    );
    assert!(duplicates.0[0].place.ends_with("2.yaml:1"));
}

#[test]
fn a_document_that_is_broken_is_told_with_its_line_and_the_others_count() {
    for (broken, line, says) in [
        ("apiVersion: [", 10, "while parsing"),
        (
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: x}\nscopes: 5",
            12,
            "`scopes` is a number; write a list of texts",
        ),
        (
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: x}\nspec:\n  type: []",
            13,
            "`spec.type` is a list; write a text",
        ),
        (
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: x}\nspec:\n  metadata:\n  - 5",
            14,
            "`spec.metadata[0]` is a number; write a table",
        ),
        (
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: a/b}",
            9,
            "cannot be `.` or `..`",
        ),
        ("- 1", 9, "the document is a list"),
        ("[a]: 1", 9, "a field's name is a list or a table"),
        ("a: *b", 9, ""),
    ] {
        let text = format!("{}---\n{broken}\n---\n{}", component("a", ""), component("b", ""));
        let loaded = loaded(&[("1.yaml", &text)], "shop", "");
        assert_eq!(names(&loaded.resources), ["a", "b"], "{broken}");
        let [Problem::Broken { line: Some(at), message, .. }] = loaded.problems.as_slice() else {
            panic!("{broken}: {:?}", loaded.problems)
        };
        assert!(message.contains(says) && *at == line, "{broken}: {at}: {message}");
    }
}

#[test]
fn other_kinds_and_versions_are_left_out_and_who_checks_is_told_why() {
    for (text, says) in [
        ("apiVersion: dapr.io/v1\nkind: Component\nmetadata: {name: a}", "which no Component has"),
        (
            "apiVersion: dapr.io/v1alpha1\nkind: Komponent\nmetadata: {name: a}",
            "no kind of resource",
        ),
        ("apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: a}", "does not read"),
        ("apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: a}", "`--config`"),
        ("apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {}", "without `metadata.name`"),
    ] {
        let loaded = loaded(&[("1.yaml", text)], "shop", "");
        assert!(loaded.resources.components.is_empty());
        let [Problem::PassedOver { why, .. }] = loaded.problems.as_slice() else {
            panic!("{text}: {:?}", loaded.problems)
        };
        assert!(why.contains(says), "{text}: {why}");
    }
}

#[test]
fn subscriptions_of_both_versions_come_to_the_same_and_the_last_of_a_name_counts() {
    let text = "
apiVersion: dapr.io/v1alpha1
kind: Subscription
metadata: {name: one}
spec: {pubsubname: bus, topic: t, route: /old}
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: two}
scopes: [shop]
spec:
  pubsubname: bus
  topic: orders
  deadLetterTopic: dead
  metadata: {rawPayload: true}
  bulkSubscribe: {enabled: true, maxMessagesCount: 100}
  routes:
    rules:
    - {match: event.type == 'a', path: /a}
    default: /orders
---
apiVersion: dapr.io/v1alpha1
kind: Subscription
metadata: {name: one}
spec: {pubsubname: bus, topic: t, route: /new}
";
    let subscriptions = loaded(&[("1.yaml", text)], "shop", "").resources.subscriptions;
    let [two, one] = subscriptions.as_slice() else { panic!("{subscriptions:?}") };
    assert_eq!((one.topic.as_str(), one.default_route.as_str()), ("t", "/new"));
    assert_eq!(two.default_route, "/orders");
    assert_eq!(two.rules[0].condition, "event.type == 'a'");
    assert_eq!(two.metadata, [("rawPayload".to_owned(), "true".to_owned())]);
    assert_eq!((two.bulk.enabled, two.bulk.max_messages_count), (true, 100));
    assert_eq!(two.dead_letter_topic, "dead");
}

#[test]
fn a_file_of_aliases_that_multiply_is_refused_and_not_grown() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        text = format!("{text}a{level}: &a{level} [{below}]\n");
    }
    let mut problems = Vec::new();
    assert!(read_text(&text, Path::new("bomb.yaml"), &mut problems).is_empty());
    assert!(problems[0].to_string().contains("aliases included"), "{problems:?}");
    let deep = format!("a: {}", "[".repeat(5000));
    let mut problems = Vec::new();
    assert!(read_text(&deep, Path::new("deep.yaml"), &mut problems).is_empty());
    assert_eq!(problems.len(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let error = load(&[PathBuf::from("/nowhere/at/all")], "shop", "").unwrap_err();
    assert!(error.to_string().starts_with("cannot read /nowhere/at/all"), "{error}");
}
