//! What holds for every call: heads, tokens, sizes, deadlines, other services.

use prost::Message as _;
use replug_proto::dapr::runtime::v1 as pb;

use super::{metadata, setup};
use crate::compare::grpc::call::{DAPR, Group, framed};
use crate::compare::setup::Setup;

/// An empty message compressed by gzip.
const NOTHING_IN_GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00";

fn get() -> Vec<u8> {
    let of = pb::GetStateRequest {
        store_name: "memory".into(),
        key: "k".into(),
        ..pb::GetStateRequest::default()
    };
    of.encode_to_vec()
}

pub(super) fn group() -> Group {
    let mut group = Group::new(setup("transport"));
    let path = format!("{DAPR}GetState");
    let of = || framed(&get());
    group.raw(&path, "plain", of());
    for kind in ["application/grpc+proto", "application/grpc+json", "application/grpc;x=y"] {
        group.raw(&path, "content type", of()).field("content-type", kind);
    }
    for kind in ["application/json", "", "application/grpcx", "text/plain"] {
        group.raw(&path, "content type that is none", of()).field("content-type", kind);
    }
    for method in ["GET", "PUT"] {
        group.raw(&path, "another HTTP method", of()).field(":method", method);
    }
    group.raw(&path, "no te", of()).field("te", "");
    fields(&mut group, &path);
    for about in ["20000m", "1S", "nonsense", "99999999H", "1", "-1S", "0S"] {
        group.raw(&path, "grpc-timeout", of()).field("grpc-timeout", about);
    }
    group.measured = true;
    group
}

/// Fields that callers may send.
fn fields(group: &mut Group, path: &str) {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (name, value) in [
        ("traceparent", trace),
        ("traceparent", "nonsense"),
        ("tracestate", "a=b"),
        ("grpc-trace-bin", "AAAK92UZFs1D3YRI6yEcgDGcAbeta3FpIDMxAgE"),
        ("baggage", "a=b"),
        ("baggage", "=nonsense"),
        ("dapr-app-id", "other"),
        ("dapr-app-id", "compared"),
        ("dapr-api-token", "unasked"),
        ("user-agent", "me"),
        ("x-bin", "AA"),
        ("x-bin", "not base64!"),
        ("grpc-encoding", "identity"),
        ("grpc-accept-encoding", "gzip"),
        ("grpc-previous-rpc-attempts", "1"),
    ] {
        group.raw(path, "a field", framed(&get())).field(name, value);
        let unknown = pb::GetStateRequest { store_name: "nobody".into(), ..Default::default() };
        group.raw(path, "a field, failing", framed(&unknown.encode_to_vec())).field(name, value);
    }
    let with = pb::InvokeBindingRequest {
        name: "files".into(),
        operation: "create".into(),
        data: "x".into(),
        metadata: metadata([("fileName", "f")]),
    };
    let with = framed(&with.encode_to_vec());
    group.raw(&format!("{DAPR}InvokeBinding"), "traced", with).field("traceparent", trace);
}

/// Other services, and methods that are not there.
pub(super) fn paths() -> Group {
    let mut group = Group::new(setup("paths"));
    for path in [
        "/dapr.proto.runtime.v1.Dapr/NoSuch",
        "/dapr.proto.runtime.v1.Dapr/",
        "/no.such.Service/Call",
        "/no.such.Service/",
        "/nothing",
        "/",
        "/a/b/c",
        "/dapr.proto.runtime.v1.Dapr/GetState/",
        "/dapr.proto.internals.v1.ServiceInvocation/CallLocal",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
    ] {
        group.raw(path, "path", framed(b""));
    }
    group
}

/// Bodies that are no message, and what becomes of one that is compressed.
pub(super) fn messages() -> Group {
    let mut group = Group::new(setup("messages"));
    let (path, metadata_path) = (&*format!("{DAPR}GetState"), format!("{DAPR}GetMetadata"));
    let of = || framed(&get());
    let nothing_of = |flag: u8, message: &[u8]| {
        let mut framed = framed(message);
        framed[0] = flag;
        framed
    };
    group.raw(path, "gzip", nothing_of(1, NOTHING_IN_GZIP)).field("grpc-encoding", "gzip");
    group
        .raw(path, "gzip both ways", nothing_of(1, NOTHING_IN_GZIP))
        .field("grpc-encoding", "gzip")
        .field("grpc-accept-encoding", "gzip");
    group.raw(path, "gzip said, plain sent", framed(&get())).field("grpc-encoding", "gzip");
    group.raw(path, "gzip broken", nothing_of(1, b"zz")).field("grpc-encoding", "gzip");
    group.raw(path, "compressed, not said how", nothing_of(1, NOTHING_IN_GZIP));
    group.raw(path, "an unknown flag", nothing_of(7, &get()));
    group.raw(path, "nothing sent", Vec::new());
    group.raw(path, "half a prefix", vec![0, 0]);
    group.raw(path, "half a message", vec![0, 0, 0, 0, 9, 1]);
    group.raw(path, "two messages", [framed(&get()), framed(&get())].concat());
    group.raw(path, "no protobuf", framed(b"\xff\xff\xff"));
    group.raw(path, "a string that is no UTF-8", framed(b"\x0a\x02\xff\xfe"));
    group.raw(path, "a wrong wire type", framed(b"\x08\x01"));
    group.raw(path, "an unknown field", framed(&[&get()[..], b"\xf8\x07\x01"].concat()));
    let mut five = vec![0, 0, 80, 0, 0];
    five.resize(5 + (5 << 20), b'x');
    group.raw(path, "five MiB", five);
    group.raw(path, "a prefix of 4 GiB", vec![0, 255, 255, 255, 255, 1]);
    group.raw(path, "an encoding that is none", of()).field("grpc-encoding", "nonsense");
    group.raw(&metadata_path, "of an empty body", Vec::new());
    group
}

/// With a token.
pub(super) fn token() -> Group {
    let mut group = Group::new(setup("token").variable("DAPR_API_TOKEN", "secret"));
    let path = format!("{DAPR}GetState");
    for path in [
        path.as_str(),
        "/dapr.proto.runtime.v1.Dapr/NoSuch",
        "/no.such.Service/Call",
        "/grpc.health.v1.Health/Check",
        "/dapr.proto.runtime.v1.Dapr/SubscribeTopicEventsAlpha1",
    ] {
        group.raw(path, "no token", framed(b""));
        group.raw(path, "wrong", framed(b"")).field("dapr-api-token", "wrong");
        group.raw(path, "empty", framed(b"")).field("dapr-api-token", " ");
    }
    group.raw(&path, "right", framed(&get())).field("dapr-api-token", "secret");
    group
        .raw(&path, "two", framed(&get()))
        .field("dapr-api-token", "secret")
        .field("dapr-api-token", "wrong");
    group
}

/// With a limit of sizes.
pub(super) fn small() -> Group {
    let limits = setup("limits").flag("--max-body-size").flag("10Ki");
    let mut group = Group::new(limits);
    let path = format!("{DAPR}GetState");
    for size in [10 << 10, (10 << 10) + 1, 20 << 10] {
        // A field that is not known, so that its length alone counts.
        let mut message = get();
        let rest = size - message.len() - 5;
        message.extend([0xfa, 0x07]);
        prost::encode_length_delimiter(rest, &mut message).unwrap_or_default();
        message.resize(size, b'x');
        group.raw(&path, "size", framed(&message));
    }
    for size in [1000, 3900, 4200, 6000, 9000, 40_000] {
        group.raw(&path, "a large head", framed(&get())).field("x-large", "x".repeat(size));
    }
    group
}

/// Where some of the API is closed.
pub(super) fn closed() -> Group {
    let configuration = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\n\
         spec:\n  api:\n    denied: [{name: state, version: v1.0, protocol: grpc}]\n";
    let closed = setup("closed").file("config.yaml", configuration);
    let mut group = Group::new(closed);
    for method in ["GetState", "SaveState", "QueryStateAlpha1", "GetMetadata", "NoSuch"] {
        group.raw(&format!("{DAPR}{method}"), "denied or not", framed(b""));
    }
    group
}

/// Without any component.
pub(super) fn bare() -> Group {
    let mut group = Group::new(Setup::new("bare").without_application());
    for method in [
        "GetState",
        "GetBulkState",
        "SaveState",
        "DeleteState",
        "DeleteBulkState",
        "QueryStateAlpha1",
        "ExecuteStateTransaction",
        "PublishEvent",
        "BulkPublishEvent",
        "BulkPublishEventAlpha1",
        "InvokeBinding",
        "GetSecret",
        "GetBulkSecret",
        "GetMetadata",
    ] {
        group.raw(&format!("{DAPR}{method}"), "an empty message", framed(b""));
    }
    group
}
