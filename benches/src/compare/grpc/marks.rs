//! What differs over gRPC on purpose, and why. docs/daprd.md says the same in prose.

use crate::compare::marks::Mark;

const UNREAD: &str = "what is wrong with a message is told in the gRPC library's words";
const SERVICES: &str =
    "daprd takes it for a call of another application: service invocation is a later issue";
const BATCHES: &str = "daprd counts batches by the name pubsubName and by SUCCESS, and parts them \
                       elsewhere";
const NO_TYPE: &str = "daprd leaves out data that is no text of an event without datacontenttype";

pub(super) const MARKS: &[Mark] = &[
    Mark {
        groups: &["state.in-memory"],
        calls: &["metrics"],
        parts: &[
            "dapr_component_state_count{*operation=\"set\",success=\"true\"}",
            "dapr_component_state_count{*operation=\"transaction\",success=\"true\"}",
        ],
        reason: "a save of nothing is counted, and a transaction of nothing is not",
    },
    Mark {
        groups: &["state.sqlite"],
        calls: &["GetBulkState: the same twice"],
        parts: &["answer"],
        reason: "daprd answers for one of both",
    },
    Mark {
        groups: &["messages"],
        calls: &["GetState: gzip, *", "GetState: gzip both ways, *", "GetState: gzip said, *"],
        parts: &["head grpc-encoding", "ends in"],
        reason: "an answer is compressed for callers that say they take it, and an error is no message",
    },
    Mark {
        groups: &["messages"],
        calls: &[
            "GetState: gzip broken*",
            "GetState: compressed, not said how",
            "GetState: an unknown flag",
            "GetState: no protobuf",
            "GetState: a string that is no UTF-8",
            "GetState: an encoding that is none*",
        ],
        parts: &["text", "head grpc-accept-encoding", "head grpc-trace-bin"],
        reason: UNREAD,
    },
    Mark {
        groups: &["messages"],
        calls: &[
            "GetState: nothing sent",
            "GetState: half a prefix",
            "GetState: half a message",
            "GetMetadata: of an empty body",
        ],
        parts: &["code", "text"],
        reason: UNREAD,
    },
    Mark {
        groups: &["messages"],
        calls: &["GetState: two messages"],
        parts: &["code", "text", "answer", "head grpc-trace-bin", "ends in"],
        reason: "daprd takes no notice of a second message",
    },
    Mark {
        groups: &["messages"],
        calls: &["GetState: a wrong wire type"],
        parts: &["code", "text", "details", "detail", "head grpc-trace-bin", "ends in"],
        reason: "daprd takes it for a field that is not known",
    },
    Mark { groups: &["limits"], calls: &["GetState: size"], parts: &["text"], reason: UNREAD },
    Mark {
        groups: &["closed"],
        calls: &["NoSuch: denied or not"],
        parts: &["code", "text", "ends in", "head grpc-trace-bin"],
        reason: SERVICES,
    },
    Mark {
        groups: &["streams"],
        calls: &["metrics"],
        parts: &["dapr_error_code_total{*error_code=\"ERR_PUBSUB_NOT_FOUND\"}"],
        reason: "errors that end streams are counted as those of other calls",
    },
    Mark {
        groups: &["deliveries"],
        calls: &["delivery: PublishEvent: an event", "delivery: PublishEvent: routed by a rule"],
        parts: &["data 1"],
        reason: NO_TYPE,
    },
    Mark {
        groups: &["deliveries"],
        calls: &["delivery: PublishEvent: many of bytes"],
        parts: &["data 1"],
        reason: NO_TYPE,
    },
    Mark {
        groups: &["deliveries"],
        calls: &["what comes by time"],
        parts: &["delivery 2"],
        reason: "the application is not told for how long its health check is waited for",
    },
    Mark {
        groups: &["deliveries"],
        calls: &["metrics"],
        parts: &[
            "dapr_component_pubsub_ingress_bulk_count{*component=\"bus\"*}",
            "dapr_component_pubsub_ingress_bulk_count{*component=\"pubsubName\"*}",
            "dapr_component_pubsub_ingress_bulk_event_count{*component=\"bus\"*}",
            "dapr_component_pubsub_ingress_bulk_event_count{*component=\"pubsubName\"*}",
        ],
        reason: BATCHES,
    },
    Mark {
        groups: &["deliveries"],
        calls: &["metrics"],
        parts: &[
            "dapr_component_pubsub_ingress_count{*process_status=\"drop\"*topic=\"failing\"}",
            "dapr_component_pubsub_ingress_count{*process_status=\"success\"*topic=\"failing\"}",
        ],
        reason: "an event whose handler is not implemented is counted as handled, which it is taken for",
    },
    Mark {
        groups: &["paths"],
        calls: &["*"],
        parts: &[
            "code",
            "text",
            "answer",
            "ends in",
            "head content-length",
            "head content-type",
            "head grpc-trace-bin",
        ],
        reason: SERVICES,
    },
    Mark {
        groups: &["later"],
        calls: &["/grpc.reflection.*"],
        parts: &["code", "text", "answer", "ends in"],
        reason: SERVICES,
    },
];
