//! The calls, by what they are about.

mod deliveries;
mod later;
mod others;
mod pubsub;
mod state;
mod streams;
mod transport;

use std::collections::HashMap;

use super::call::Group;
use crate::compare::setup::Setup;

/// Every group.
pub(super) fn all() -> Vec<Group> {
    vec![
        state::memory(),
        state::sqlite(),
        pubsub::group(),
        others::group(),
        transport::group(),
        transport::token(),
        transport::small(),
        transport::closed(),
        transport::bare(),
        streams::group(),
        deliveries::group(),
        later::group(),
        others::shutdown(),
    ]
}

/// Built-ins that need no server.
const RESOURCES: &str = r#"apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: memory}
spec: {type: state.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: sqlite}
spec:
  type: state.sqlite
  version: v1
  metadata: [{name: connectionString, value: "file:{home}/state.db"}]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: bus}
spec: {type: pubsub.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: narrow}
spec:
  type: pubsub.in-memory
  version: v1
  metadata:
  - {name: allowedTopics, value: "open,kept"}
  - {name: protectedTopics, value: "kept"}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: environment}
spec: {type: secretstores.local.env, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: vault}
spec:
  type: secretstores.local.file
  version: v1
  metadata: [{name: secretsFile, value: "{home}/secrets.json"}]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: files}
spec:
  type: bindings.localstorage
  version: v1
  metadata: [{name: rootPath, value: "{home}/files"}]
"#;

const SECRETS: &str =
    r#"{"open": "sesame", "empty": "", "deep": {"one": "1", "two": "2"}, "denied": "no"}"#;

const CONFIGURATION: &str = r"apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: compared}
spec:
  metric: {recordErrorCodes: true}
  secrets:
    scopes:
    - storeName: vault
      deniedSecrets: [denied]
";

/// The built-ins, and what they need.
fn setup(name: &'static str) -> Setup {
    Setup::new(name)
        .without_application()
        .file("resources/components.yaml", RESOURCES)
        .file("secrets.json", SECRETS)
        .file("config.yaml", CONFIGURATION)
}

/// Metadata of a request.
fn metadata<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
