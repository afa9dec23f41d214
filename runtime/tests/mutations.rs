//! Resource files that were written well and then spoilt: whatever is done to them, reading ends, names
//! a line of the file for what is wrong, and takes nothing down.

use std::collections::HashMap;
use std::path::Path;

use proptest::prelude::*;
use replug_runtime::resources::{
    ComponentResource, Configuration, Kind, Names, Problem, SubscriptionResource, read_text,
};

const RESOURCES: &str = r#"apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: orders
  namespace: shop
auth: {secretStore: vault}
scopes: [checkout, 7]
spec:
  type: state.redis
  version: v1
  initTimeout: 1m30s
  metadata: &all
  - {name: redisHost, value: "localhost:6379"}
  - name: redisPassword
    secretKeyRef: {name: redis, key: password}
  - name: nested
    value: {b: [1, "<"], a: null, c: 0777, d: !!str 1}
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: all}
spec:
  topic: orders
  pubsubname: bus
  routes:
    rules:
    - match: event.type == "a"
      path: /a
    default: |
      /b
  deadLetterTopic: dead
  bulkSubscribe: {enabled: yes, maxMessagesCount: 100}
"#;

const CONFIGURATION: &str = r"apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: all}
spec:
  metric:
    enabled: true
    latencyDistributionBuckets: [1, 2, 5]
    http: {increasedCardinality: no, pathMatching: [/orders], excludeVerbs: true}
  features: [{name: HotReload, enabled: true}]
  secrets:
    scopes: [{storeName: vault, defaultAccess: deny, allowedSecrets: [a]}]
  api:
    allowed: [{name: state, version: v1.0, protocol: http}]
  logging: {apiLogging: {enabled: true, obfuscateURLs: false}}
";

/// One change: where, how many characters it takes away, and what it puts there.
#[derive(Debug, Clone)]
struct Change(prop::sample::Index, usize, String);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let put = prop_oneof![
        prop::sample::select(vec![
            "",
            ":",
            "- ",
            "\n",
            "\t",
            "{",
            "}",
            "[",
            "]",
            "&a ",
            "*a",
            "*all",
            "<<: *all\n",
            "---\n",
            "...",
            "!!binary ",
            "'",
            "\"",
            "|",
            ">",
            "%",
            "\u{feff}",
            "\0",
            "~",
            "? ",
            "9e999",
            "\r\n",
            "#",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    let change = (any::<prop::sample::Index>(), 0_usize..12, put)
        .prop_map(|(at, taken, put)| Change(at, taken, put));
    prop::collection::vec(change, 0..6)
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for Change(at, taken, put) in changes {
        let from = at.index(letters.len() + 1);
        let to = (from + taken).min(letters.len());
        letters.splice(from..to, put.chars());
    }
    letters.into_iter().collect()
}

/// As many lines as the file has, and one, on which a text that is cut off is found to be so.
fn lines(text: &str) -> std::ops::RangeInclusive<usize> {
    // YAML knows more line ends than one.
    1..=text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() + 1
}

proptest! {
    #[test]
    fn a_spoilt_resource_file_is_told_by_a_line_of_it(changes in changes()) {
        let text = changed(RESOURCES, &changes);
        let mut problems = Vec::new();
        let manifests = read_text(&text, Path::new("a.yaml"), &mut problems);
        for problem in problems {
            match problem {
                Problem::Broken { line, message, .. } => {
                    prop_assert!(lines(&text).contains(&line.unwrap()), "{:?}: {}", line, message);
                    prop_assert!(!message.is_empty());
                }
                Problem::PassedOver { line, .. } => prop_assert!(lines(&text).contains(&line)),
                Problem::NotYaml { .. } | Problem::Unreadable { .. } => {
                    prop_assert!(false, "it is a text of YAML");
                }
            }
        }
        let names = Names {
            app_id: "shop".into(),
            namespace: String::new(),
            environment: HashMap::new(),
        };
        for manifest in manifests {
            let read = match manifest.kind {
                Kind::Component => ComponentResource::read(&manifest).map(|component| {
                    // Templates in what was put there may be wrong; they are told so and no more.
                    let _ = component.values(&names);
                }),
                Kind::Subscription => SubscriptionResource::read(&manifest).map(drop),
                // It is kept as it is.
                Kind::Configuration => Ok(()),
            };
            if let Err(error) = read {
                prop_assert!(lines(&text).contains(&error.line), "{error}");
            }
        }
    }

    #[test]
    fn a_spoilt_configuration_is_told_and_one_that_is_whole_is_read(changes in changes()) {
        let read = |text: &str| Configuration::default().over(text, Path::new("c.yaml"));
        read(CONFIGURATION).unwrap();
        if let Err(error) = read(&changed(CONFIGURATION, &changes)) {
            prop_assert!(error.to_string().contains("c.yaml"), "{error}");
        }
    }
}

#[test]
fn the_files_that_are_spoilt_are_whole_before() {
    let mut problems = Vec::new();
    let manifests = read_text(RESOURCES, Path::new("a.yaml"), &mut problems);
    assert_eq!((manifests.len(), problems), (2, Vec::new()));
    ComponentResource::read(&manifests[0]).unwrap();
    SubscriptionResource::read(&manifests[1]).unwrap();
}
