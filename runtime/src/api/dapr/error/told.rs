//! What metrics count of an error: its code, and which part of the API it is of.

use std::borrow::Cow;

/// An error as metrics see it; it goes along with what tells the error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}")]
pub(in crate::api) struct Told {
    code: Cow<'static, str>,
    category: &'static str,
}

impl Told {
    /// `of_state` says of a code that several parts have that it is told of state.
    pub(super) fn new(code: Cow<'static, str>, of_state: bool) -> Self {
        let category = if of_state { "state" } else { category(&code) };
        Self { code, category }
    }

    pub(in crate::api) fn code(&self) -> &str {
        &self.code
    }

    pub(in crate::api) fn category(&self) -> &'static str {
        self.category
    }
}

/// Dapr's name of the part that a code is of.
fn category(code: &str) -> &'static str {
    match code {
        "ERR_NOT_SUPPORTED_STATE_OPERATION" => "state",
        "ERR_TOPIC_NAME_EMPTY" | "ERR_PUBLISH_OUTBOX" => "pubsub",
        "ERR_PERMISSION_DENIED" => "secret",
        "ERR_INVOKE_OUTPUT_BINDING" => "binding",
        "ERR_DIRECT_INVOKE" => "service-invocation",
        "ERR_OUTBOUND_HEALTH_NOT_READY" => "health",
        _ => {
            let starts = [
                ("ERR_STATE", "state"),
                ("ERR_PUBSUB", "pubsub"),
                ("ERR_SECRET", "secret"),
                ("ERR_HEALTH", "health"),
            ];
            let of = starts.into_iter().find(|(start, _)| code.starts_with(start));
            of.map_or("common", |(_, category)| category)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_of_the_part_that_dapr_counts_it_for() {
        for (code, category) in [
            ("ERR_STATE_STORE_NOT_FOUND", "state"),
            ("ERR_NOT_SUPPORTED_STATE_OPERATION", "state"),
            ("ERR_PUBSUB_EMPTY", "pubsub"),
            ("ERR_TOPIC_NAME_EMPTY", "pubsub"),
            ("ERR_SECRET_GET", "secret"),
            ("ERR_PERMISSION_DENIED", "secret"),
            ("ERR_INVOKE_OUTPUT_BINDING", "binding"),
            ("ERR_DIRECT_INVOKE", "service-invocation"),
            ("ERR_HEALTH_NOT_READY", "health"),
            ("ERR_OUTBOUND_HEALTH_NOT_READY", "health"),
            ("ERR_MALFORMED_REQUEST", "common"),
            ("ERR_BODY_READ", "common"),
        ] {
            assert_eq!(Told::new(code.into(), false).category(), category, "{code}");
        }
        assert_eq!(Told::new("ERR_MALFORMED_REQUEST".into(), true).category(), "state");
    }
}
