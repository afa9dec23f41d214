//! Metadata that asks for messages without an envelope.

use replug_component::Metadata;

/// The metadata's name.
const RAW: &str = "rawPayload";

/// Whether the metadata asks for it: a truth as Go writes it; nothing is none.
pub(crate) fn is_raw(metadata: &Metadata) -> Result<bool, String> {
    match metadata.get(RAW).map(String::as_str) {
        None | Some("" | "0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(false),
        Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(true),
        Some(other) => Err(format!("{RAW} value must be a valid boolean: actual is '{other}'")),
    }
}
