//! What differs on purpose, and why.

use crate::compare::marks::Mark;

/// Every part that a status of replug's own brings with it.
const WHOLE: &[&str] = &["status", "body", "Content-Type", "metrics"];

pub(super) const MARKS: &[Mark] = &[
    Mark {
        groups: &["state"],
        calls: &[r#"POST /v1.0/state/sqlite/bulk {"keys":["b1","b1"],"parallelism":1}"#],
        parts: &["body"],
        reason: "daprd answers for a key that is asked for twice once, and with an empty key",
    },
    Mark {
        groups: &["publish"],
        calls: &["POST /v1.0/publish/bus/topic Content-Type: application/cloudevents+json null"],
        parts: &["status", "body", "Content-Type", "Traceparent", "metrics"],
        reason: "daprd panics, and closes the connection",
    },
    Mark {
        groups: &["publish"],
        calls: &["POST /v1.0/publish/bus/topic#f {}"],
        parts: &["metrics"],
        reason: "what a target has after `#` is no part of its path",
    },
    Mark {
        groups: &["routes"],
        calls: &["GET /v1.0/state/memory/%ff", "POST /v1.0/state/memory/%ff"],
        parts: WHOLE,
        reason: "what is no UTF-8 names nothing",
    },
    Mark {
        groups: &["bindings"],
        calls: &["what the application was sent"],
        parts: &["* /../up *", "* /up *"],
        reason: "steps back in a path are taken before it is sent",
    },
    Mark {
        groups: &["secrets"],
        calls: &[
            "GET /v1.0/secrets/vault/number",
            "GET /v1.0/secrets/vault/truth",
            "GET /v1.0/secrets/vault/bulk*",
        ],
        parts: &["body"],
        reason: "daprd shows Go's complaint in place of a secret that is no text",
    },
    Mark {
        groups: &["metadata"],
        calls: &["GET /v1.0/metadata?after=raw"],
        parts: &["body"],
        reason: "the sign for bytes that are no text is written as it is, and not escaped",
    },
    Mark {
        groups: &["metadata"],
        calls: &["PUT /v1.0/metadata/<*"],
        parts: &["status", "body", "Content-Type", "Connection", "Traceparent", "metrics"],
        reason: "a path has no `<` that is not escaped",
    },
    Mark {
        groups: &["heads"],
        calls: &["all metrics"],
        parts: &[
            "dapr_http_server_*path=\"/v1.0/healthz/outbound\"*",
            "dapr_http_server_*_bytes_count{app_id=\"compared\"}",
        ],
        reason: "a request that asks for HTTP/2 is carried out when the client has begun with it",
    },
    Mark {
        groups: &["heads"],
        calls: &[" GET /v1.0/healthz/outbound HTTP/1.1 Host: a"],
        parts: &["status", "body", "Content-Type", "Connection", "metrics"],
        reason: "empty lines before a request are passed over, as HTTP asks for",
    },
    Mark {
        groups: &["heads"],
        calls: &["GET /v1.0/healthz/outbound Host: a X-Y: a  folded"],
        parts: &["status", "body", "Content-Type", "Connection", "metrics"],
        reason: "a field over several lines is refused, as HTTP asks for",
    },
    Mark {
        groups: &["heads"],
        calls: &["GET /v1.0/healthz/outbound HTTP/1.2 Host: a"],
        parts: &["status", "body", "Content-Type", "Connection", "metrics"],
        reason: "there is no HTTP/1.2",
    },
    Mark {
        groups: &["heads"],
        calls: &["GET /v1.0/healthz/outbound Host: a Transfer-Encoding: chunked 0"],
        parts: &["Connection"],
        reason: "who says twice how long a body is, and otherwise, is not heard again",
    },
    Mark {
        groups: &["heads"],
        calls: &[""],
        parts: &["status", "body", "Content-Type", "Connection"],
        reason: "empty lines before a request are passed over, as HTTP asks for",
    },
    Mark {
        groups: &["bodies"],
        calls: &["GET /v1.0/metadata Content-Length: *"],
        parts: &["status", "body", "metrics"],
        reason: "nothing is asked for by the body of a GET",
    },
    Mark {
        groups: &["bodies"],
        calls: &["POST /v1.0/state/memory Content-Length: 16385 *"],
        parts: &["body"],
        reason: "daprd takes a body that is one byte too large for one that is cut off",
    },
];
