//! What goes with an event beside it: the message's metadata, and the trace that it belongs to.

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use replug_component::Metadata;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::messaging::Event;
use crate::messaging::cloud_event::{TRACE_ID, TRACE_PARENT, TRACE_STATE, binary_trace};

/// Headers that say something of the request itself, and those of one connection.
static KEPT_BACK: [HeaderName; 10] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    HOST,
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    TRANSFER_ENCODING,
    UPGRADE,
    TE,
    TRAILER,
    HeaderName::from_static("proxy-connection"),
];

const BAGGAGE: &str = "baggage";

/// Where gRPC has a trace in its binary form.
const TRACE_BIN: &str = "grpc-trace-bin";

/// What begins names that gRPC has for itself.
const OF_GRPC: &str = "grpc-";

/// The trace of an event without a usable one.
const NO_TRACE: &str = "00-00000000000000000000000000000000-0000000000000000-00";

/// Entries of a message's metadata as headers: those that can be one.
pub(super) fn of_metadata(metadata: &Metadata) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(metadata.len());
    for (name, value) in metadata {
        let name = name.to_ascii_lowercase();
        let name = if name.starts_with(OF_GRPC) { format!("dapr-{name}") } else { name };
        if name.ends_with("-bin") {
            continue;
        }
        if let Ok(name) = HeaderName::try_from(name)
            && let Ok(value) = HeaderValue::try_from(value)
            && !KEPT_BACK.contains(&name)
        {
            // Names may differ in their case alone.
            headers.append(name, value);
        }
    }
    headers
}

/// The headers of one event. Its trace is among them if `traces` are passed on.
pub(super) fn of_event(event: &Event, traces: bool) -> HeaderMap {
    let mut headers = of_metadata(&event.metadata);
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    if let Some(parent) = traces.then(|| parent(event)).flatten() {
        set(TRACE_PARENT, parent);
        let state = event.text(TRACE_STATE);
        if !state.is_empty() && parent != NO_TRACE {
            set(TRACE_STATE, state);
        }
    }
    let baggage = event.text(BAGGAGE);
    if !baggage.is_empty() {
        set(BAGGAGE, baggage);
    }
    headers
}

/// The metadata of gRPC of one event.
pub(super) fn grpc_of_event(event: &Event, traces: bool) -> MetadataMap {
    let mut metadata = MetadataMap::from_headers(of_event(event, traces));
    if let Some(trace) = parent(event).filter(|_| traces).and_then(binary_trace) {
        metadata.insert_bin(TRACE_BIN, MetadataValue::from_bytes(&trace));
    }
    metadata
}

/// The metadata of gRPC of several events: those of all, and the trace of each.
pub(super) fn grpc_of_batch<'e>(
    of_all: &Metadata,
    events: impl Iterator<Item = &'e Event>,
) -> MetadataMap {
    let mut metadata = MetadataMap::from_headers(of_metadata(of_all));
    for parent in events.filter_map(parent) {
        if let Some(trace) = binary_trace(parent)
            && let Ok(parent) = parent.parse()
        {
            metadata.append(TRACE_PARENT, parent);
            metadata.append_bin(TRACE_BIN, MetadataValue::from_bytes(&trace));
        }
    }
    metadata
}

/// The trace that an event names; none where it has no field for it.
fn parent(event: &Event) -> Option<&str> {
    let named = [TRACE_PARENT, TRACE_ID].into_iter().find_map(|name| event.fields.get(name));
    let text = named?.as_str()?;
    Some(if binary_trace(text).is_some() { text } else { NO_TRACE })
}

#[cfg(test)]
mod tests {
    use replug_component::pubsub::Message;

    use super::*;
    use crate::messaging::Form;

    fn of(data: &'static str, metadata: &[(&str, &str)]) -> Event {
        let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let message = Message { data: data.into(), metadata, ..Message::default() };
        Event::read(&message, Form::Alone { raw: false }, "bus", "orders").unwrap()
    }

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn metadata_are_headers_where_they_can_be() {
        let headers = of_event(
            &of(
                "{}",
                &[
                    ("Partition", "3"),
                    ("content-type", "x/y"),
                    ("Content-Length", "7"),
                    ("key-bin", "a"),
                    ("grpc-timeout", "1S"),
                    ("Connection", "close"),
                    ("no name", "x"),
                    ("line", "a\nb"),
                ],
            ),
            true,
        );
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["dapr-grpc-timeout", "partition", "pubsubname"]);
    }

    #[test]
    fn metadata_whose_names_differ_in_their_case_are_a_header_each() {
        let headers = of_event(&of("{}", &[("Part", "1"), ("part", "2")]), true);
        let mut parts: Vec<_> = headers.get_all("part").iter().collect();
        parts.sort_unstable();
        assert_eq!(parts, ["1", "2"]);
    }

    #[test]
    fn where_traces_are_not_passed_on_there_are_none_but_those_that_came_as_metadata() {
        let event = format!(r#"{{"traceparent":"{PARENT}","tracestate":"a=1"}}"#);
        let message = Message { data: event.into(), ..Message::default() };
        let event = Event::read(&message, Form::Alone { raw: false }, "bus", "orders").unwrap();
        let names =
            |headers: HeaderMap| headers.keys().map(HeaderName::to_string).collect::<Vec<_>>();
        assert_eq!(names(of_event(&event, false)), ["pubsubname"]);
        assert_eq!(names(grpc_of_event(&event, false).into_headers()), ["pubsubname"]);
        let headers = of_event(&of("{}", &[("traceparent", "mine")]), false);
        assert_eq!(headers["traceparent"], "mine");
    }

    #[test]
    fn the_trace_is_the_events_own() {
        let event = format!(r#"{{"traceparent":"{PARENT}","tracestate":"a=1"}}"#);
        let message = Message { data: event.into(), ..Message::default() };
        let event = Event::read(&message, Form::Alone { raw: false }, "bus", "orders").unwrap();
        let headers = of_event(&event, true);
        assert_eq!(
            (&headers["traceparent"], &headers["tracestate"]),
            (&HeaderValue::from_static(PARENT), &HeaderValue::from_static("a=1"))
        );
        let trace = grpc_of_event(&event, true).get_bin(TRACE_BIN).unwrap().to_bytes().unwrap();
        assert_eq!(
            (trace.len(), trace[2], trace[18], trace[19], trace[28]),
            (29, 0x0a, 1, 0xb7, 1)
        );

        assert_eq!(of_event(&of(r#"{"traceid":""}"#, &[]), true)["traceparent"], NO_TRACE);
        assert!(!of_event(&of("{}", &[]), true).contains_key("traceparent"));
    }
}
