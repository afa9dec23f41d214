//! The body of an error over HTTP.

use std::collections::BTreeMap;

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
    details: Vec<BTreeMap<&'static str, Field>>,
}

/// What one field of a detail says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Field {
    Value(Value),
    Violations(Vec<Violation>),
}

/// A part of a request that is wrong, in Dapr's order.
#[derive(Debug, Serialize)]
struct Violation {
    #[serde(skip_serializing_if = "String::is_empty")]
    field: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
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
fn detail(detail: &ErrorDetail, braces: bool) -> Option<BTreeMap<&'static str, Field>> {
    let value = |name, value: Value| (name, Field::Value(value));
    let (name, fields) = match detail {
        ErrorDetail::ErrorInfo(info) => {
            let metadata = if info.metadata.is_empty() && !braces {
                Value::Null
            } else {
                json!(info.metadata)
            };
            let fields = vec![
                value("domain", json!(info.domain)),
                value("reason", json!(info.reason)),
                value("metadata", metadata),
            ];
            ("ErrorInfo", fields)
        }
        ErrorDetail::ResourceInfo(resource) => {
            let fields = vec![
                value("resource_type", json!(resource.resource_type)),
                value("resource_name", json!(resource.resource_name)),
                value("owner", json!(resource.owner)),
                value("description", json!(resource.description)),
            ];
            ("ResourceInfo", fields)
        }
        ErrorDetail::BadRequest(bad) => {
            let violations = bad.field_violations.iter().map(|violation| Violation {
                field: violation.field.clone(),
                description: violation.description.clone(),
            });
            let violations = Field::Violations(violations.collect());
            ("BadRequest", vec![("field_violations", violations)])
        }
        ErrorDetail::Help(help) => {
            let links = help.links.iter().map(|link| {
                without_empty([("description", &link.description), ("url", &link.url)])
            });
            ("Help", vec![value("links", links.collect::<Vec<_>>().into())])
        }
        ErrorDetail::RetryInfo(retry) => {
            let delay = retry.retry_delay.unwrap_or_default().as_secs_f64();
            ("RetryInfo", vec![value("retry_delay", format!("{delay}s").into())])
        }
        _ => return None,
    };
    let mut fields: BTreeMap<_, _> = fields.into_iter().collect();
    let name = format!("type.googleapis.com/google.rpc.{name}");
    fields.insert("@type", Field::Value(name.into()));
    Some(fields)
}

fn without_empty<const N: usize>(fields: [(&str, &String); N]) -> Value {
    let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
    let fields = fields.map(|(name, value)| (name.to_owned(), Value::from(value.as_str())));
    Value::Object(fields.collect::<Map<_, _>>())
}
