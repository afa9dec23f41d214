//! JSON as Dapr reads and writes it, so that stored values come out letter by letter the same.

mod decode;
mod encode;
mod syntax;

pub(crate) use self::decode::{JsonError, Object, first_value, items};
pub(crate) use self::encode::{Fields, compacted, line, list, to_bytes};

use bytes::Bytes;

/// The JSON text `text`, written anew: keys sorted, numbers through double precision.
pub(super) fn rewritten(text: &[u8]) -> Result<Bytes, JsonError> {
    Ok(to_bytes(&decode::whole_value(text)?))
}
