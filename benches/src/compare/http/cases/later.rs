//! Calls of building blocks that replug does not have yet: made, counted and not compared.

use super::usual;
use crate::compare::comparison::Expected;
use crate::compare::http::call::Group;

/// Method, path, body, and what it is about.
#[rustfmt::skip] // A table.
const CALLS: &[(&str, &str, &str, &str)] = &[
    ("GET", "/v1.0/invoke/compared/method/hello", "", "service invocation"),
    ("POST", "/v1.0/invoke/compared/method/hello", "{}", "service invocation"),
    ("POST", "/v1.0/invoke/nobody/method/hello", "{}", "service invocation"),
    ("GET", "/v1.0/invoke/compared/hello", "", "service invocation"),
    ("GET", "/v1.0/configuration/memory", "", "configuration"),
    ("GET", "/v1.0-alpha1/configuration/nobody", "", "configuration"),
    ("GET", "/v1.0/configuration/nobody/subscribe", "", "configuration"),
    ("GET", "/v1.0/configuration/nobody/1/unsubscribe", "", "configuration"),
    ("POST", "/v1.0-alpha1/lock/nobody", "{}", "distributed lock"),
    ("POST", "/v1.0-alpha1/unlock/nobody", "{}", "distributed lock"),
    ("PUT", "/v1.0-alpha1/crypto/nobody/encrypt", "x", "cryptography"),
    ("PUT", "/v1.0-alpha1/crypto/nobody/decrypt", "x", "cryptography"),
    ("POST", "/v1.0-alpha1/subtlecrypto/nobody/getkey", "{}", "cryptography"),
    ("GET", "/v1.0/actors/kind/1/state/key", "", "actors"),
    ("POST", "/v1.0/actors/kind/1/state", "[]", "actors"),
    ("POST", "/v1.0/actors/kind/1/method/run", "{}", "actors"),
    ("POST", "/v1.0/actors/kind/1/reminders/name", "{}", "actors"),
    ("POST", "/v1.0/actors/kind/1/timers/name", "{}", "actors"),
    ("POST", "/v1.0/jobs/name", "{}", "jobs"),
    ("GET", "/v1.0/jobs/name", "", "jobs"),
    ("DELETE", "/v1.0/jobs/name", "", "jobs"),
    ("POST", "/v1.0/workflows/dapr/name/start", "{}", "workflow"),
    ("GET", "/v1.0/workflows/dapr/1", "", "workflow"),
    ("POST", "/v1.0-alpha1/conversation/nobody/converse", "{}", "conversation"),
];

/// All of them.
pub(super) fn group() -> Group {
    let mut group = Group::new(usual("later"));
    group.heard = Expected::Later("service invocation");
    // daprd still looks for who is not there when nobody waits for the answer any more.
    group.measured = false;
    for (method, path, body, what) in CALLS {
        group.send(method, path, &["Content-Type: application/json"], body).later(what);
    }
    group
}
