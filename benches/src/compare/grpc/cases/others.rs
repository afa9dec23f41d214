//! Bindings, secrets and metadata.

use replug_proto::dapr::runtime::v1 as pb;

use super::{metadata, setup};
use crate::compare::grpc::call::Group;

fn binding(name: &str, operation: &str, data: &'static str) -> pb::InvokeBindingRequest {
    pb::InvokeBindingRequest {
        name: name.into(),
        operation: operation.into(),
        data: data.into(),
        ..pb::InvokeBindingRequest::default()
    }
}

fn secret(store: &str, key: &str) -> pb::GetSecretRequest {
    pb::GetSecretRequest {
        store_name: store.into(),
        key: key.into(),
        ..pb::GetSecretRequest::default()
    }
}

pub(super) fn group() -> Group {
    let mut group = Group::new(setup("bindings, secrets, metadata").variable("COMPARED", "seen"));
    bindings(&mut group);
    for (store, key) in [
        ("nobody", "open"),
        ("", "open"),
        ("memory", "open"),
        ("vault", "open"),
        ("vault", "empty"),
        ("vault", "deep"),
        ("vault", "deep:one"),
        ("vault", "denied"),
        ("vault", "missing"),
        ("vault", ""),
        ("environment", "COMPARED"),
        ("environment", "DAPR_API_TOKEN"),
        ("environment", "APP_API_TOKEN"),
        ("environment", "MISSING"),
        ("environment", ""),
    ] {
        group.call("GetSecret", "one", &secret(store, key));
    }
    let mut with = secret("vault", "open");
    with.metadata = metadata([("version_id", "1")]);
    group.call("GetSecret", "metadata", &with);
    for store in ["vault", "nobody", ""] {
        let with = pb::GetBulkSecretRequest { store_name: store.into(), ..Default::default() };
        group.call("GetBulkSecret", "all", &with);
    }
    let asked = pb::GetMetadataRequest {};
    group.call("GetMetadata", "at first", &asked);
    for (key, value) in [("a", "1"), ("", "2"), ("b", ""), ("ü", "ö"), ("daprRuntimeVersion", "9")]
    {
        let with = pb::SetMetadataRequest { key: key.into(), value: value.into() };
        group.call("SetMetadata", "set", &with);
    }
    group.call("GetMetadata", "after that", &asked);
    group.measured = true;
    group
}

fn bindings(group: &mut Group) {
    for (about, name, operation) in [
        ("unknown", "nobody", "create"),
        ("empty name", "", "create"),
        ("no binding", "bus", "create"),
        ("empty operation", "files", ""),
        ("unknown operation", "files", "nonsense"),
        ("operation in another case", "files", "CREATE"),
        ("nothing of it", "files", "get"),
    ] {
        group.call("InvokeBinding", about, &binding(name, operation, ""));
    }
    for (about, operation, file, data) in [
        ("a file is made", "create", "a.txt", "text"),
        ("a file is read", "get", "a.txt", ""),
        ("a file that is not there", "get", "b.txt", ""),
        ("a file outside", "get", "../secrets.json", ""),
        ("a file is deleted", "delete", "a.txt", ""),
        ("a file that is gone", "delete", "a.txt", ""),
    ] {
        let mut with = binding("files", operation, data);
        with.metadata = metadata([("fileName", file)]);
        group.call("InvokeBinding", about, &with);
    }
}

/// Ends both.
pub(super) fn shutdown() -> Group {
    let mut group = Group::new(setup("shutdown"));
    group.call("Shutdown", "asked for", &pb::ShutdownRequest {});
    group.ends = true;
    group
}
