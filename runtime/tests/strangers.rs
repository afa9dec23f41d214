//! What strangers write does no harm: the functions that `fuzz/` drives, with what is nearly right.

use proptest::prelude::*;
use replug_runtime::strangers;

/// Parts of expressions, put together in any order.
fn expression() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("event".to_owned()),
        Just("event.data".to_owned()),
        Just("has(event.data.a)".to_owned()),
        Just("event.data.list.exists(it, it > 1.0)".to_owned()),
        Just("event.data.list.map(it, it)".to_owned()),
        "(==|!=|<|>=|&&|[|][|]|[+]|-|[*]|/|%|[?]|:|in|!|[.]|,)",
        "[(\\[{]|[)\\]}]",
        "(true|false|null|[0-9]{1,20}|[0-9]{1,3}[.][0-9]e?[0-9]{0,3}|'[a-z]{0,3}'|\"[^\"]{0,3})",
        "(size|matches|startsWith|duration|timestamp|int|double|type)[(]",
        "\\PC{0,4}",
    ];
    prop::collection::vec(part, 1..12).prop_map(|parts| parts.join(" "))
}

fn event() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(br#"{"id":"1","type":"a","data":{"a":1,"list":[1,2,3],"text":"x"}}"#.to_vec()),
        Just(br#"{"data":{"list":"none"},"type":null}"#.to_vec()),
        "[{\\[\"a-z0-9:,.eE+\\]} -]{0,60}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..60),
    ]
}

#[test]
fn a_condition_is_told_from_what_is_none() {
    let event = br#"{"type":"a","data":{"list":[1,2]}}"#;
    assert_eq!(strangers::condition("event.type == 'a'", event), Some(true));
    assert_eq!(strangers::condition("event.data.list.exists(it, it > 2.0)", event), Some(false));
    for wrong in ["event.type", "event.missing == 1.0", "event.type ===", "(", ""] {
        assert_eq!(strangers::condition(wrong, event), None, "{wrong}");
    }
    assert!(strangers::event("text/plain", b"x", &[].into()));
    assert!(!strangers::event("application/cloudevents+json", b"[]", &[].into()));
}

proptest! {
    #[test]
    fn any_condition_of_any_event_is_judged_and_the_same_again(text in expression(), event in event()) {
        let judged = strangers::condition(&text, &event);
        prop_assert_eq!(judged, strangers::condition(&text, &event));
    }

    #[test]
    fn any_bytes_are_a_message_or_none(
        data in event(),
        raw in any::<bool>(),
        metadata in prop::collection::hash_map("(content-type|ce_[a-z]{0,4}|\\PC{0,6})", "\\PC{0,12}", 0..4),
    ) {
        strangers::message(&data, raw, metadata);
    }

    #[test]
    fn only_what_claims_to_be_an_event_can_be_refused(
        content_type in "(application/(json|cloudevents[+]json|octet-stream|cloudevents[+]protobuf)|text/plain|\\PC{0,9})",
        data in event(),
    ) {
        let taken = strangers::event(&content_type, &data, &[].into());
        prop_assert!(taken || content_type.starts_with("application/cloudevents+json"));
    }
}
