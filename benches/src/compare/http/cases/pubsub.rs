//! Publishing: content types, CloudEvents, raw payloads, lifetimes, many at once.

use super::usual;
use crate::compare::http::call::Group;

/// Every call of the publishing API.
#[rustfmt::skip] // Tables.
pub(super) fn group() -> Group {
    let mut g = Group::new(usual("publish"));
    single(&mut g);
    many(&mut g);
    g
}

#[rustfmt::skip] // Tables.
fn single(g: &mut Group) {
    let event = r#"{"specversion":"1.0","type":"t","source":"s","id":"1","data":{"a":1}}"#;
    for kind in [
        "application/json", "text/plain", "application/cloudevents+json", "application/octet-stream",
        "application/xml", "", "application/json; charset=utf-8", "application/JSON", "x",
        "application/vnd.api+json", "application/cloudevents-batch+json",
    ] {
        let field = format!("Content-Type: {kind}");
        for body in ["", "{}", "1", "{", "text", event, r#"{"specversion":"1.0"}"#, "[1]", "null", "\u{fc}"] {
            g.send("POST", "/v1.0/publish/bus/topic", &[&field], body);
        }
    }
    g.send("POST", "/v1.0/publish/bus/topic", &[], "none");
    g.send("POST", "/v1.0/publish/bus/topic", &["Content-Type: application/json"], [0xff, 0xfe]);
    for path in [
        "bus/topic?metadata.rawPayload=true", "bus/topic?metadata.rawPayload=x", "bus/topic?metadata.ttlInSeconds=10",
        "bus/topic?metadata.ttlInSeconds=x", "bus/topic?metadata.ttlInSeconds=-1", "bus/topic?metadata.ttlInSeconds=0",
        "bus/topic?metadata.cloudevent.id=5", "bus/topic?metadata.cloudevent.type=", "bus/a/b", "bus/", "bus",
        "bus//", "bus/%20", "bus/a%2Fb", "nobody/topic", "memory/topic", "", "bus/topic/", "bus/topic?x=%zz", "bus/*",
        "bus/topic?metadata.traceparent=x", "BUS/topic", "bus/%zz", "bus/%C3%BC", "/topic", "bus/topic#f",
    ] {
        g.post(&format!("/v1.0/publish/{path}"), "{}");
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
        g.send(method, "/v1.0/publish/bus/topic", &[], "{}");
    }
    for field in ["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "traceid: x", "dapr-app-id: x"] {
        g.send("POST", "/v1.0/publish/bus/topic", &["Content-Type: application/json", field], "{}");
    }
}

#[rustfmt::skip] // Tables.
fn many(g: &mut Group) {
    for root in ["/v1.0/publish/bulk", "/v1.0-alpha1/publish/bulk"] {
        for body in [
            "", "[]", "{}", "null", "{", "[1]", "[{}]", "[null]",
            r#"[{"entryId":"1","event":"a","contentType":"text/plain"}]"#,
            r#"[{"entryId":"1","event":{"a":1},"contentType":"application/json"},{"entryId":"2","event":"b","contentType":"text/plain"}]"#,
            r#"[{"entryId":"1","event":"a","contentType":"text/plain"},{"entryId":"1","event":"b","contentType":"text/plain"}]"#,
            r#"[{"entryId":"","event":"a","contentType":"text/plain"}]"#,
            r#"[{"event":"a","contentType":"text/plain"}]"#,
            r#"[{"entryId":"1","contentType":"text/plain"}]"#,
            r#"[{"entryId":"1","event":"a"}]"#,
            r#"[{"entryId":1,"event":"a","contentType":"text/plain"}]"#,
            r#"[{"entryId":"1","event":1,"contentType":"text/plain"}]"#,
            r#"[{"entryId":"1","event":{"a":1},"contentType":"text/plain"}]"#,
            r#"[{"entryId":"1","event":"a","contentType":"application/json"}]"#,
            r#"[{"entryId":"1","event":"AAEC","contentType":"application/octet-stream"}]"#,
            r#"[{"entryId":"1","event":"!","contentType":"application/octet-stream"}]"#,
            r#"[{"entryId":"1","event":{"specversion":"1.0","id":"1","source":"s","type":"t"},"contentType":"application/cloudevents+json"}]"#,
            r#"[{"entryId":"1","event":{"id":"1"},"contentType":"application/cloudevents+json"}]"#,
            r#"[{"entryId":"1","event":"a","contentType":"text/plain","metadata":{"ttlInSeconds":"10"}}]"#,
            r#"[{"entryId":"1","event":"a","contentType":"text/plain","metadata":{"ttlInSeconds":"x"}}]"#,
            r#"[{"entryId":"1","event":"a","contentType":"text/plain","metadata":5}]"#,
        ] {
            g.post(&format!("{root}/bus/topic"), body);
        }
        let one = r#"[{"entryId":"1","event":"a","contentType":"text/plain"}]"#;
        for path in ["nobody/topic", "memory/topic", "bus/", "bus", "bus/a/b", "bus/topic?metadata.rawPayload=true", "bus/topic?metadata.rawPayload=x", "bus/topic?metadata.ttlInSeconds=x", "bus/topic?metadata.maxBulkPubBytes=1"] {
            g.post(&format!("{root}/{path}"), one);
        }
        for method in ["GET", "PUT", "DELETE"] {
            g.send(method, &format!("{root}/bus/topic"), &["Content-Type: application/json"], one);
        }
        g.send("POST", &format!("{root}/bus/topic"), &[], one);
    }
}
