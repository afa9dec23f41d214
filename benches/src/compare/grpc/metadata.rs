//! What `GetMetadata` answers, part by part, so that one that differs hides no other.

use bytes::Bytes;
use prost::Message as _;
use replug_proto::dapr::runtime::v1 as pb;

use super::shown::stable;

/// The version of the program, which each has of its own.
const VERSION: &str = "daprRuntimeVersion";

/// What a daprd that is no release of Dapr's has there.
const UNRELEASED: &str = "edge";

/// Every part. Lists whose order says nothing are in the order of their names.
pub(super) fn parts(message: &Bytes) -> Vec<(String, String)> {
    let answer = match pb::GetMetadataResponse::decode(message.clone()) {
        Ok(answer) => answer,
        Err(error) => return vec![("answer".to_owned(), format!("not decoded: {error}"))],
    };
    let pb::GetMetadataResponse {
        id,
        active_actors_count,
        registered_components,
        extended_metadata,
        subscriptions,
        http_endpoints,
        app_connection_properties,
        runtime_version,
        mut enabled_features,
        actor_runtime,
        scheduler,
        workflows,
        mcp_servers,
        workflow_access_policies,
        resiliencies,
    } = answer;
    enabled_features.sort();
    let shown = |value: &dyn std::fmt::Debug| stable(&format!("{value:#?}"));
    let mut parts = vec![
        ("answer id".to_owned(), id),
        ("answer active actors".to_owned(), shown(&active_actors_count)),
        ("answer HTTP endpoints".to_owned(), shown(&http_endpoints)),
        ("answer app connection".to_owned(), shown(&app_connection_properties)),
        ("answer has a version".to_owned(), (!runtime_version.is_empty()).to_string()),
        ("answer features".to_owned(), enabled_features.join(" ")),
        ("answer actor runtime".to_owned(), shown(&actor_runtime)),
        ("answer scheduler".to_owned(), shown(&scheduler)),
        ("answer workflows".to_owned(), shown(&workflows)),
        ("answer MCP servers".to_owned(), shown(&mcp_servers)),
        ("answer workflow access policies".to_owned(), shown(&workflow_access_policies)),
        ("answer resiliencies".to_owned(), shown(&resiliencies)),
    ];
    for mut component in registered_components {
        component.capabilities.sort();
        parts.push((format!("answer component {}", component.name), shown(&component)));
    }
    for (name, value) in extended_metadata {
        let told = value == UNRELEASED || value.contains('.');
        let value = if name == VERSION && told { "a version".into() } else { value };
        parts.push((format!("answer extended {name}"), value));
    }
    for it in subscriptions {
        let part = format!("answer subscription {}/{}", it.pubsub_name, it.topic);
        parts.push((part, shown(&it)));
    }
    parts
}
