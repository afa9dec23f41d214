//! From a method and a path to a route.

use http::Method;

use super::path::{BadEscape, segments, unescaped};

/// What a request is about, names unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    GetState {
        store: String,
        key: String,
    },
    SaveState {
        store: String,
    },
    DeleteState {
        store: String,
        key: String,
    },
    BulkState {
        store: String,
    },
    Transaction {
        store: String,
    },
    Query {
        store: String,
    },
    GetSecret {
        store: String,
        key: String,
    },
    BulkSecret {
        store: String,
    },
    Publish {
        pubsub: String,
        topic: String,
    },
    BulkPublish {
        pubsub: String,
        topic: String,
    },
    InvokeBinding {
        name: String,
    },
    GetMetadata,
    PutMetadata {
        key: String,
    },
    Healthz,
    HealthzOutbound,
    Shutdown,
    /// A route of Dapr that replug does not have.
    NotYet,
    /// No route of Dapr, or another method than the route's: Dapr takes both for an invocation.
    Unknown,
}

impl Route {
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, BadEscape> {
        let segments = segments(path)?;
        let name = |segment: &&str| unescaped(segment);
        Ok(match (method.as_str(), segments.as_slice()) {
            ("GET", ["v1.0", "state", store, key]) => {
                Self::GetState { store: name(store)?, key: name(key)? }
            }
            ("POST" | "PUT", ["v1.0", "state", store]) => Self::SaveState { store: name(store)? },
            ("DELETE", ["v1.0", "state", store, key]) => {
                Self::DeleteState { store: name(store)?, key: name(key)? }
            }
            ("POST" | "PUT", ["v1.0", "state", store, "bulk"]) => {
                Self::BulkState { store: name(store)? }
            }
            ("POST" | "PUT", ["v1.0", "state", store, "transaction"]) => {
                Self::Transaction { store: name(store)? }
            }
            ("POST" | "PUT", ["v1.0-alpha1", "state", store, "query"]) => {
                Self::Query { store: name(store)? }
            }
            ("GET", ["v1.0", "secrets", store, "bulk"]) => Self::BulkSecret { store: name(store)? },
            ("GET", ["v1.0", "secrets", store, key]) => {
                Self::GetSecret { store: name(store)?, key: name(key)? }
            }
            (
                "POST" | "PUT",
                ["v1.0" | "v1.0-alpha1", "publish", "bulk", pubsub, topic @ .., last],
            ) => Self::BulkPublish { pubsub: name(pubsub)?, topic: joined(topic, last)? },
            ("POST" | "PUT", ["v1.0", "publish", pubsub, topic @ .., last]) => {
                Self::Publish { pubsub: name(pubsub)?, topic: joined(topic, last)? }
            }
            ("POST" | "PUT", ["v1.0", "bindings", binding]) => {
                Self::InvokeBinding { name: name(binding)? }
            }
            ("GET", ["v1.0", "metadata"]) => Self::GetMetadata,
            ("PUT", ["v1.0", "metadata", key]) => Self::PutMetadata { key: name(key)? },
            ("GET", ["v1.0", "healthz"]) => Self::Healthz,
            ("GET", ["v1.0", "healthz", "outbound"]) => Self::HealthzOutbound,
            ("POST", ["v1.0", "shutdown"]) => Self::Shutdown,
            (method, segments) if is_not_yet(method, segments) => Self::NotYet,
            _ => Self::Unknown,
        })
    }

    /// Whether anybody may ask.
    pub(super) fn needs_no_token(&self) -> bool {
        matches!(self, Self::Healthz | Self::HealthzOutbound)
    }
}

/// A name of several segments.
fn joined(segments: &[&str], last: &str) -> Result<String, BadEscape> {
    let mut name = String::new();
    for segment in segments {
        name.push_str(&unescaped(segment)?);
        name.push('/');
    }
    name.push_str(&unescaped(last)?);
    Ok(name)
}

/// Whether Dapr has this route. A building block that replug learns takes its lines from here.
fn is_not_yet(method: &str, segments: &[&str]) -> bool {
    match segments {
        ["v1.0-alpha1" | "v1.0-alpha2", "conversation", _, "converse"] => {
            matches!(method, "POST" | "PUT")
        }
        ["v1.0" | "v1.0-alpha1", "configuration", _]
        | ["v1.0" | "v1.0-alpha1", "configuration", _, "subscribe"]
        | ["v1.0" | "v1.0-alpha1", "configuration", _, _, "unsubscribe"]
        | ["v1.0", "actors", _, _, "state", _] => method == "GET",
        ["v1.0-alpha1", "lock" | "unlock", _] | ["v1.0-alpha1", "subtlecrypto", _, _] => {
            method == "POST"
        }
        ["v1.0-alpha1", "crypto", _, "encrypt" | "decrypt"] => method == "PUT",
        ["v1.0", "actors", _, _, "state"] => matches!(method, "POST" | "PUT"),
        ["v1.0", "actors", _, _, "reminders", _] => {
            matches!(method, "POST" | "PUT" | "DELETE" | "GET")
        }
        ["v1.0", "actors", _, _, "timers", _] => matches!(method, "POST" | "PUT" | "DELETE"),
        ["v1.0" | "v1.0-alpha1", "jobs", _] => matches!(method, "POST" | "GET" | "DELETE"),
        ["v1.0", "invoke", _, "method", ..]
        | ["v1.0", "actors", _, _, "method", _]
        | ["v1.0" | "v1.0-alpha1" | "v1.0-beta1", "workflows", ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(method: &str, path: &str) -> Route {
        Route::of(&method.parse().unwrap(), path).unwrap()
    }

    #[test]
    fn a_key_may_be_called_like_a_route_and_hold_an_escaped_slash() {
        let get = |key: &str| Route::GetState { store: "s".into(), key: key.into() };
        assert_eq!(route("GET", "/v1.0/state/s/bulk"), get("bulk"));
        assert_eq!(route("GET", "/v1.0/state/s/a%2Fb+c"), get("a/b c"));
        assert_eq!(route("GET", "/v1.0/state/s/a/b"), Route::Unknown);
        assert_eq!(route("PUT", "/v1.0/state/s/bulk/"), Route::BulkState { store: "s".into() });
    }

    #[test]
    fn a_wrong_method_is_an_unknown_path() {
        assert_eq!(route("PATCH", "/v1.0/state/s"), Route::Unknown);
        assert_eq!(route("POST", "/v1.0/healthz"), Route::Unknown);
        assert_eq!(route("GET", "/v1.0/publish/p/t"), Route::Unknown);
        assert_eq!(route("POST", "/v1.0/publish/p"), Route::Unknown);
    }

    #[test]
    fn a_topic_may_hold_slashes_and_be_called_like_a_route() {
        let (pubsub, topic) = ("p".to_owned(), "a/b c".to_owned());
        let bulk = Route::BulkPublish { pubsub: pubsub.clone(), topic: topic.clone() };
        assert_eq!(route("POST", "/v1.0/publish/p/a/b+c"), Route::Publish { pubsub, topic });
        assert_eq!(route("PUT", "/v1.0/publish/bulk/p/a%2Fb+c"), bulk);
        assert_eq!(route("POST", "/v1.0-alpha1/publish/bulk/p/a/b%20c"), bulk);
        let (pubsub, topic) = ("bulk".to_owned(), "t".to_owned());
        assert_eq!(route("POST", "/v1.0/publish/bulk/t"), Route::Publish { pubsub, topic });
    }

    #[test]
    fn routes_of_other_building_blocks_are_known() {
        for (method, path) in [
            ("POST", "/v1.0-alpha1/lock/s"),
            ("DELETE", "/v1.0/invoke/app/method/a/b"),
            ("GET", "/v1.0/configuration/s/id/unsubscribe"),
        ] {
            assert_eq!(route(method, path), Route::NotYet, "{method} {path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_has_a_route_or_is_refused(
            method in "(GET|POST|PUT|DELETE|PATCH|[A-Z]{1,9})",
            path in "(/(v1.0|v1.0-alpha1|state|publish|bulk|bindings|secrets|query|[.]{1,2}|%2[fF]|%..|.{0,4})){0,7}",
        ) {
            // What is escaped ill is refused here or not at all.
            let whole = segments(&path).is_ok();
            prop_assert_eq!(Route::of(&method.parse().unwrap(), &path).is_ok(), whole);
        }
    }
}
