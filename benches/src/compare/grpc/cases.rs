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
        transport::messages(),
        transport::paths(),
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

/// Components beside the usual ones.
const RESOURCES: &str = r#"apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: narrow}
spec:
  type: pubsub.in-memory
  version: v1
  metadata:
  - {name: allowedTopics, value: "open,kept"}
  - {name: protectedTopics, value: "kept"}
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
        .built_ins(RESOURCES, SECRETS)
        .file("config.yaml", CONFIGURATION)
}

/// Metadata of a request.
fn metadata<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
