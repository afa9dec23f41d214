use proptest::prelude::*;
use replug_component::Metadata;
use serde_json::{Value, json};

use super::*;

struct Case {
    content_type: &'static str,
    data: &'static [u8],
    metadata: Metadata,
    expires: bool,
}

fn case(content_type: &'static str, data: &'static [u8], metadata: &[(&str, &str)]) -> Case {
    let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Case { content_type, data, metadata, expires: true }
}

fn text(case: &Case) -> Result<String, NoJson> {
    let trace = Trace { parent: "00-1-2-01".into(), state: "a=1".into() };
    let wrapped = wrap(&Published {
        app_id: "shop",
        pubsub: "bus",
        topic: "orders",
        content_type: case.content_type,
        data: case.data,
        trace: &trace,
        metadata: &case.metadata,
        expires: case.expires,
    });
    Ok(String::from_utf8(wrapped?.to_vec()).unwrap())
}

fn event(case: &Case) -> Value {
    serde_json::from_str(&text(case).unwrap()).unwrap()
}

#[test]
fn an_envelope_has_daprs_fields_in_daprs_order() {
    let text = text(&case("", b"a < b", &[])).unwrap();
    let event: Value = serde_json::from_str(&text).unwrap();
    let (id, time) = (event["id"].as_str().unwrap(), event["time"].as_str().unwrap());
    let expected = format!(
        "{{\"data\":\"a \\u003c b\",\"datacontenttype\":\"text/plain\",\"id\":\"{id}\",\
         \"pubsubname\":\"bus\",\"source\":\"shop\",\"specversion\":\"1.0\",\"time\":\"{time}\",\
         \"topic\":\"orders\",\"traceid\":\"00-1-2-01\",\"traceparent\":\"00-1-2-01\",\
         \"tracestate\":\"a=1\",\"type\":\"com.dapr.event.sent\"}}"
    );
    assert_eq!(text, expected);
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4);
    assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok());
}

#[test]
fn data_is_json_text_or_base64_by_its_content_type() {
    let json = text(&case(
        "Application/JSON; charset=utf-8",
        br#"{"b":12345678901234567890,"a":[1.0, null]}"#,
        &[],
    ));
    assert!(json.unwrap().starts_with(r#"{"data":{"a":[1.0,null],"b":12345678901234567890},"#));
    let broken = event(&case("application/json", b"{broken", &[]));
    assert_eq!(broken["data"], "{broken");
    let empty = event(&case("application/json", b"", &[]));
    assert_eq!(empty["data"], "");
    let binary = event(&case("application/octet-stream", b"\xff\x00", &[]));
    assert_eq!((&binary["data_base64"], binary.get("data")), (&json!("/wA="), None));
    let vendor = event(&case("application/vnd.x+json", b"{}", &[]));
    assert_eq!(vendor["data"], "{}");
    let whole = event(&case("application/cloudevents+protobuf", b"\x00", &[]));
    assert_eq!(whole["data_base64"], "AA==");
    let protobuf = event(&case("application/x-protobuf", b"\x0a\x01x", &[]));
    assert_eq!(protobuf["data_base64"], "CgF4");
    let other = event(&case("application/x-protobuf", b"\x0a\x09x", &[]));
    assert_eq!(other["data"], "\n\tx");
}

#[test]
fn metadata_replace_fields_but_for_the_topic() {
    let metadata = [
        ("cloudevent.ID", "1"),
        ("CloudEvent.source", "till"),
        ("cloudevent.type", "sold"),
        ("cloudevent.subject", "tea"),
        ("cloudevent.traceid", "not this"),
        ("cloudevent.traceparent", "parent"),
        ("cloudevent.topic", "other"),
    ];
    let event = event(&case("text/plain", b"x", &metadata));
    for (field, value) in [
        ("id", "1"),
        ("source", "till"),
        ("type", "sold"),
        ("subject", "tea"),
        ("traceid", "parent"),
        ("traceparent", "parent"),
        ("tracestate", "a=1"),
        ("topic", "orders"),
    ] {
        assert_eq!(event[field], value, "{field}");
    }
}

#[test]
fn of_names_that_differ_in_their_case_the_usual_one_counts() {
    let metadata = [("CLOUDEVENT.ID", "1"), ("cloudevent.id", "2"), ("Cloudevent.Id", "3")];
    assert_eq!(event(&case("text/plain", b"x", &metadata))["id"], "2");
}

#[test]
fn what_is_replaced_by_nothing_has_its_default() {
    let metadata =
        ["id", "source", "type", "subject", "traceid", "traceparent", "tracestate"].map(|field| {
            let name: &'static str = format!("cloudevent.{field}").leak();
            (name, "")
        });
    let event = event(&case("text/plain", b"x", &metadata));
    let id = event["id"].as_str().unwrap();
    assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    for (field, value) in [
        ("source", "Dapr"),
        ("type", "com.dapr.event.sent"),
        ("traceid", ""),
        ("traceparent", ""),
        ("tracestate", ""),
    ] {
        assert_eq!(event[field], value, "{field}");
    }
    assert_eq!(event.get("subject"), None);
}

#[test]
fn what_is_no_character_is_replaced_as_in_go() {
    let event = event(&case("application/json", br#"{"a\udc00":"\ud83d \ud83d\ude00"}"#, &[]));
    assert_eq!(event["data"], json!({ "a\u{fffd}": "\u{fffd} \u{1f600}" }));
    let own = text(&case("application/cloudevents+json", br#"{"data":"\uDC00"}"#, &[])).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&own).unwrap()["data"], "\u{fffd}");
    let text = self::event(&case("text/plain", b"\xe2\xad\xc2", &[]));
    assert_eq!(text["data"], "\u{fffd}\u{fffd}\u{fffd}");
}

#[test]
fn an_event_is_passed_through_with_what_is_missing() {
    let own = br#"{"z":1e3,"source":null,"type":"sold","topic":"x","data":{"n":1.50}}"#;
    let text = text(&case("application/cloudevents+json", own, &[("cloudevent.id", "1")])).unwrap();
    let time = serde_json::from_str::<Value>(&text).unwrap()["time"].as_str().unwrap().to_owned();
    let expected = format!(
        "{{\"data\":{{\"n\":1.50}},\"pubsubname\":\"bus\",\"source\":\"Dapr\",\
         \"specversion\":\"1.0\",\"time\":\"{time}\",\"topic\":\"orders\",\
         \"traceid\":\"00-1-2-01\",\"traceparent\":\"00-1-2-01\",\"tracestate\":\"a=1\",\
         \"type\":\"sold\",\"z\":1e3}}"
    );
    assert_eq!(text, expected);
}

#[test]
fn what_is_no_object_is_no_event() {
    for data in [&b"[]"[..], b"", b"null", b"{", b"text"] {
        let data: &'static [u8] = data;
        assert!(text(&case("application/cloudevents+json", data, &[])).is_err(), "{data:?}");
    }
}

#[test]
fn values_that_lie_in_each_other_too_deep_are_text() {
    let deep: &'static [u8] = format!("{}{}", "[".repeat(9999), "]".repeat(9999)).leak().as_bytes();
    assert!(event(&case("application/json", deep, &[]))["data"].is_string());
}

#[test]
fn an_event_expires_where_the_broker_does_not_see_to_it() {
    let ttl = [("ttlInSeconds", "60")];
    let at = event(&case("text/plain", b"x", &ttl))["expiration"].as_str().unwrap().to_owned();
    assert!(at.ends_with('Z') && at.len() == "2026-01-01T00:00:00Z".len(), "{at}");
    let own = event(&case("application/cloudevents+json", b"{}", &ttl));
    assert!(own["expiration"].is_string());
    let by_broker = Case { expires: false, ..case("text/plain", b"x", &ttl) };
    assert_eq!(event(&by_broker).get("expiration"), None);
}

proptest! {
    #[test]
    fn any_data_become_an_event_that_is_json_and_has_its_fields(
        content_type in "(application/(json|cloudevents[+]json|octet-stream|x-protobuf|[a-z+]{0,9})|text/.{0,5})?(; ?.{0,9})?",
        data in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "[{]\"(id|data|traceid|time|[a-z]{1,4})\":.{0,9}[}]".prop_map(String::into_bytes),
            "[{\\[\"0-9a-z:,.eE+\\]} -]{0,40}".prop_map(String::into_bytes),
        ],
        metadata in prop::collection::hash_map("cloudevent[.][a-zé]{0,6}|ttlInSeconds|.{0,12}", ".{0,9}", 0..4),
    ) {
        let trace = Trace { parent: "00-1-2-01".into(), state: String::new() };
        let wrapped = wrap(&Published {
            app_id: "shop",
            pubsub: "bus",
            topic: "orders",
            content_type: &content_type,
            data: &data,
            trace: &trace,
            metadata: &metadata,
            expires: true,
        });
        match wrapped {
            Ok(event) => {
                let event: Value = serde_json::from_slice(&event).unwrap();
                for (field, value) in [("topic", "orders"), ("pubsubname", "bus")] {
                    prop_assert_eq!(&event[field], value);
                }
                for field in ["specversion", "source", "type"] {
                    prop_assert!(!event[field].is_null(), "{}", event);
                }
            }
            // Only what says that it is an event can be none.
            Err(_) => prop_assert!(is_cloud_event(&content_type), "{:?}", content_type),
        }
    }
}
