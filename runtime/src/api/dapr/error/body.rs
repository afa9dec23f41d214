//! The body of an error over HTTP.

use serde::Serialize;
use serde_json::{Map, Value, json};
use tonic_types::ErrorDetail;

/// What an HTTP body says of an error. Keys are in Dapr's order; those of a detail are sorted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api::dapr) struct ErrorBody<'a> {
    error_code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Value>,
}

impl<'a> ErrorBody<'a> {
    pub(super) fn new(
        error_code: &'a str,
        message: &'a str,
        details: &[ErrorDetail],
        braces: bool,
    ) -> Self {
        let details = details.iter().filter_map(|of| detail(of, braces)).collect();
        Self { error_code, message, details }
    }
}

/// One detail; none where its kind is never told over HTTP.
fn detail(detail: &ErrorDetail, braces: bool) -> Option<Value> {
    let (name, fields) = match detail {
        ErrorDetail::ErrorInfo(info) => (
            "ErrorInfo",
            json!({
                "domain": info.domain,
                "reason": info.reason,
                "metadata": if info.metadata.is_empty() && !braces {
                    Value::Null
                } else {
                    json!(info.metadata)
                },
            }),
        ),
        ErrorDetail::ResourceInfo(resource) => (
            "ResourceInfo",
            json!({
                "resource_type": resource.resource_type,
                "resource_name": resource.resource_name,
                "owner": resource.owner,
                "description": resource.description,
            }),
        ),
        ErrorDetail::BadRequest(bad) => {
            let violations = bad.field_violations.iter().map(|violation| {
                without_empty([
                    ("field", &violation.field),
                    ("description", &violation.description),
                ])
            });
            ("BadRequest", json!({ "field_violations": violations.collect::<Vec<_>>() }))
        }
        ErrorDetail::Help(help) => {
            let links = help.links.iter().map(|link| {
                without_empty([("description", &link.description), ("url", &link.url)])
            });
            ("Help", json!({ "links": links.collect::<Vec<_>>() }))
        }
        ErrorDetail::RetryInfo(retry) => {
            let delay = retry.retry_delay.unwrap_or_default().as_secs_f64();
            ("RetryInfo", json!({ "retry_delay": format!("{delay}s") }))
        }
        _ => return None,
    };
    let Value::Object(mut fields) = fields else { return None };
    fields.insert("@type".to_owned(), format!("type.googleapis.com/google.rpc.{name}").into());
    Some(Value::Object(fields))
}

fn without_empty<const N: usize>(fields: [(&str, &String); N]) -> Value {
    let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
    let fields = fields.map(|(name, value)| (name.to_owned(), Value::from(value.as_str())));
    Value::Object(fields.collect::<Map<_, _>>())
}
