//! What came of a call, in parts that can be compared.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::HeaderMap;
use prost::Message;
use replug_proto::dapr::runtime::v1 as pb;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::metadata;
use super::wire::Heard;
use crate::compare::comparison::Said;
use crate::compare::mask::Mask;

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const DETAILS: &str = "grpc-status-details-bin";

/// Binary fields come with padding and without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Rich {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// The parts of what came: status, details, fields, messages.
pub(super) fn parts(mask: &Mask, method: &str, heard: &Heard) -> Said {
    let mut parts = Vec::new();
    let mut part = |name: String, value: String| parts.push((name, mask.hide(&value)));
    if heard.http != 200 {
        part("http".into(), heard.http.to_string());
    }
    if let Some(broken) = &heard.broken {
        part("broken".into(), broken.clone());
    }
    let end = heard.trailers.as_ref().unwrap_or(&heard.head);
    status(end, &mut part);
    part("ends in".into(), if heard.trailers.is_some() { "trailers" } else { "head" }.into());
    for (flag, message) in &heard.messages {
        if method == "GetMetadata" && *flag == 0 {
            for (name, value) in metadata::parts(message) {
                part(name, value);
            }
        } else {
            part("answer".into(), answer(method, *flag, message));
        }
    }
    fields("head", &heard.head, &mut part);
    if let Some(trailers) = &heard.trailers {
        fields("trailer", trailers, &mut part);
    }
    parts
}

/// Code, text and details.
pub(super) fn status(end: &HeaderMap, part: &mut impl FnMut(String, String)) {
    let status = Status::from_header_map(end);
    let code = match end.get(STATUS).and_then(|code| code.to_str().ok()) {
        Some(code) => format!("{code} {:?}", Code::from_bytes(code.as_bytes())),
        None => "none".to_owned(),
    };
    part("code".into(), code);
    if let Some(status) = &status {
        part("text".into(), status.message().to_owned());
    }
    if let Some(details) = end.get(DETAILS) {
        let decoded = BASE64.decode(details.as_bytes()).ok();
        let rich = decoded.as_deref().and_then(|bytes| Rich::decode(bytes).ok());
        let Some(rich) = rich else {
            return part("details".into(), format!("{details:?}"));
        };
        let kinds: Vec<_> = rich.details.iter().map(|it| it.type_url.as_str()).collect();
        // The same as beside it, unless somebody changed one of both.
        let same = status.as_ref().is_some_and(|status| status.message() == rich.message);
        let text = if same { "" } else { &rich.message };
        part("details".into(), format!("{} {text} {kinds:?}", rich.code));
        let whole =
            Status::with_details(Code::Unknown, "", Bytes::from(decoded.unwrap_or_default()));
        for detail in whole.get_error_details_vec() {
            part("detail".into(), stable(&format!("{detail:#?}")));
        }
    }
}

/// Fields that say something beside the status.
pub(super) fn fields(block: &str, fields: &HeaderMap, part: &mut impl FnMut(String, String)) {
    let mut names: Vec<_> = fields.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    for name in names {
        if [STATUS, MESSAGE, DETAILS].contains(&name) {
            continue;
        }
        for value in fields.get_all(name) {
            let value = match name {
                "grpc-trace-bin" => trace(value.as_bytes()),
                // How long is left, and whose library it is.
                "grpc-timeout" | "user-agent" => "some".to_owned(),
                _ => String::from_utf8_lossy(value.as_bytes()).into_owned(),
            };
            part(format!("{block} {name}"), hidden_trace(&value));
        }
    }
}

/// A binary trace context, without its ids.
fn trace(value: &[u8]) -> String {
    let bytes = BASE64.decode(value).unwrap_or_default();
    let ids = bytes.get(2..18).into_iter().chain(bytes.get(19..27)).flatten();
    let ids = if ids.copied().all(|byte| byte == 0) { "no ids" } else { "ids" };
    format!("{} bytes, {ids}, flags {:?}", bytes.len(), bytes.get(28))
}

/// A text in which trace contexts have no ids.
pub(super) fn hidden_trace(text: &str) -> String {
    const SHAPE: [usize; 4] = [2, 32, 16, 2];
    let fields: Vec<_> = text.split('-').collect();
    let fits = fields.len() == SHAPE.len()
        && fields.iter().zip(SHAPE).all(|(field, length)| {
            field.len() == length && field.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
    if !fits {
        return text.to_owned();
    }
    let none = fields[1].bytes().all(|byte| byte == b'0');
    format!("{}-{}-{}", fields[0], if none { "no ids" } else { "ids" }, fields[3])
}

/// Keeps the etag of an answer that has one.
pub(super) fn keep_etag(method: &str, heard: &Heard, etag: &mut String) {
    if method == "GetState"
        && let Some((_, message)) = heard.messages.first()
        && let Ok(answer) = pb::GetStateResponse::decode(message.clone())
        && !answer.etag.is_empty()
    {
        *etag = answer.etag;
    }
}

/// A message of an answer.
fn answer(method: &str, flag: u8, message: &Bytes) -> String {
    if flag != 0 {
        return format!("flag {flag}, {} bytes", message.len());
    }
    let message = message.clone();
    match method {
        "GetState" => decoded::<pb::GetStateResponse>(message),
        "GetBulkState" => decoded::<pb::GetBulkStateResponse>(message),
        "QueryStateAlpha1" => decoded::<pb::QueryStateResponse>(message),
        "BulkPublishEvent" | "BulkPublishEventAlpha1" => {
            decoded::<pb::BulkPublishResponse>(message)
        }
        "InvokeBinding" => decoded::<pb::InvokeBindingResponse>(message),
        "GetSecret" => decoded::<pb::GetSecretResponse>(message),
        "GetBulkSecret" => decoded::<pb::GetBulkSecretResponse>(message),
        _ => message.escape_ascii().to_string(),
    }
}

/// A message in a form that does not depend on the order of maps, without what etags say.
pub(super) fn decoded<M: Message + Default + std::fmt::Debug>(message: Bytes) -> String {
    match M::decode(message) {
        Ok(message) => stable(&format!("{message:#?}")),
        Err(error) => format!("not decoded: {error}"),
    }
}

/// The text of [`std::fmt::Debug`] over many lines, with maps in the order of their keys, and etags
/// and trace contexts hidden.
pub(super) fn stable(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    sorted(&lines).concat()
}

fn sorted(lines: &[&str]) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let Some(base) = lines.first().map(|line| indent(line)) else { return Vec::new() };
    let mut entries = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let inner = lines[at + 1..].iter().take_while(|line| indent(line) > base).count();
        let end = at + 1 + inner;
        let mut entry = format!("{}\n", quiet(lines[at]));
        entry.push_str(&sorted(&lines[at + 1..end]).concat());
        at = end;
        if inner > 0 && at < lines.len() {
            entry.push_str(lines[at]);
            entry.push('\n');
            at += 1;
        }
        entries.push(entry);
    }
    let keyed = |entry: &String| entry.trim_start().starts_with('"') && entry.contains("\": ");
    if entries.iter().all(keyed) {
        entries.sort();
    }
    entries
}

/// A line without what an etag or a trace context says.
fn quiet(line: &str) -> String {
    if line.trim_start().starts_with("etag: \"") && !line.ends_with("\"\",") {
        let (name, _) = line.split_once(':').unwrap_or((line, ""));
        return format!("{name}: some,");
    }
    if line.trim_start().starts_with("\"readTimeUTC\": ") {
        return "\"readTimeUTC\": some,".to_owned();
    }
    let parts: Vec<_> = line.split('"').map(hidden_trace).collect();
    parts.join("\"")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn maps_are_in_order_and_etags_are_hidden() {
        let metadata: HashMap<String, String> =
            ["c", "a", "b"].map(|name| (name.to_owned(), name.to_owned())).into();
        let message = pb::GetStateResponse {
            data: "x".into(),
            etag: "17".into(),
            metadata: metadata.clone(),
        };
        let text = stable(&format!("{message:#?}"));
        let order: Vec<_> = ["etag: some", "\"a\"", "\"b\"", "\"c\""]
            .map(|part| text.find(part).expect(part))
            .into();
        assert!(order.is_sorted(), "{text}");
        let other = pb::GetStateResponse { etag: "18".into(), ..message };
        assert_eq!(stable(&format!("{other:#?}")), text);
    }

    #[test]
    fn traces_have_no_ids() {
        let none = "00-00000000000000000000000000000000-0000000000000000-00";
        assert_eq!(hidden_trace(none), "00-no ids-00");
        assert_eq!(
            hidden_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            "00-ids-01"
        );
        assert_eq!(hidden_trace("a-b"), "a-b");
    }
}
