//! The requests, by what they are about.

mod access;
mod deliveries;
mod later;
mod measuring;
mod others;
mod pubsub;
mod state;
mod wire;

use super::call::Group;
use crate::compare::setup::Setup;

/// Every group.
pub(super) fn all() -> Vec<Group> {
    let mut groups = vec![
        state::group(),
        pubsub::group(),
        others::bindings(),
        others::secrets(),
        others::scopes(),
        others::metadata(),
        wire::routes(),
        wire::heads(),
        wire::bodies(),
        wire::traces(),
        deliveries::messages(),
        deliveries::health(),
        others::shutdown(),
        later::group(),
    ];
    groups.extend(access::groups());
    groups.extend(measuring::groups());
    groups
}

/// Components beside the usual ones.
const RESOURCES: &str = r#"apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: web}
spec:
  type: bindings.http
  version: v1
  metadata: [{name: url, value: "http://127.0.0.1:{app}"}]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: yearly}
spec:
  type: bindings.cron
  version: v1
  metadata: [{name: schedule, value: "@yearly"}, {name: direction, value: input}]
"#;

/// What the secret store of a file has.
const SECRETS: &str = r#"{"plain":"value","empty":"","nested":{"inner":"deep","list":["a","b"]},"a:b":"colon","with space":"s","ünï":"cödé","<tag>":"a<b>&c","number":5,"truth":true}"#;

/// The usual setup, under that name.
fn usual(name: &'static str) -> Setup {
    Setup::new(name).built_ins(RESOURCES, SECRETS)
}
