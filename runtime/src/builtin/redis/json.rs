//! Values in RedisJSON, laid out as Dapr's store does it: an object with the value as `data`, the etag
//! as `version`, and `first-write` where later writes have to name the etag.

use bytes::Bytes;
use replug_component::state::{GetResponse, Operation, SetRequest, TransactRequest};
use replug_component::{Error, Metadata};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::change::Layout;

/// Whether metadata of a call ask for JSON.
pub(super) fn is_asked_for(metadata: &Metadata) -> bool {
    metadata.get("contentType").is_some_and(|kind| kind == "application/json")
}

/// Where the value of a call with these metadata lies.
pub(super) fn layout(metadata: &Metadata) -> Layout {
    if is_asked_for(metadata) { Layout::Json } else { Layout::Hash }
}

/// Where the values of a transaction lie: all of them in JSON where it, or any of its operations,
/// asks for that.
pub(super) fn layout_of_all(request: &TransactRequest) -> Layout {
    let metadata = request.operations.iter().map(|operation| match operation {
        Operation::Set(set) => &set.metadata,
        Operation::Delete(delete) => &delete.metadata,
    });
    let asked = [&request.metadata].into_iter().chain(metadata).any(is_asked_for);
    if asked { Layout::Json } else { Layout::Hash }
}

/// The same request, if its value can lie there.
pub(super) fn checked(layout: Layout, request: SetRequest) -> Result<SetRequest, Error> {
    if layout == Layout::Json
        && let Err(error) = check(&request.value)
    {
        return Err(Error::Invalid(format!(
            "the value of key {} is to be JSON (`contentType`) and is none: {error}",
            request.key
        )));
    }
    Ok(request)
}

/// Whether this is one value of JSON and the module takes it. What it would refuse for its depth or its
/// numbers is to be known before the first change of a transaction is made.
fn check(value: &[u8]) -> Result<(), serde_json::Error> {
    serde_json::from_slice::<&RawValue>(value)?;
    let as_it_lies = [b"{\"data\":", value, b"}"].concat();
    serde_json::from_slice::<Value>(&as_it_lies).map(drop)
}

/// An object as it lies there.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    version: Option<i64>,
}

/// The value in an object.
pub(super) fn read(text: &[u8]) -> Result<GetResponse, serde_json::Error> {
    let Entry { data, version } = serde_json::from_slice(text)?;
    Ok(GetResponse {
        data: data.map_or_else(
            || Bytes::from_static(b"null"),
            |data| Bytes::copy_from_slice(data.get().as_bytes()),
        ),
        etag: version.map(|version| version.to_string()),
        ..GetResponse::default()
    })
}
