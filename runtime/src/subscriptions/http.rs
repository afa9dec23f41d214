//! One event over HTTP.

use ::http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::Value;

use super::headers;
use crate::app::{HttpChannel, path};
use crate::messaging::cloud_event::ID;
use crate::messaging::content_type::CLOUD_EVENT;
use crate::messaging::{Event, Outcome, RETRIABLE};

/// Delivers an event to a route, with its trace if `traces` are passed on.
pub(super) async fn deliver(
    channel: &HttpChannel,
    event: &Event,
    route: &str,
    traces: bool,
) -> Outcome {
    let mut request = Request::new(event.body.clone());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path::clean(route).parse().unwrap_or_default();
    *request.headers_mut() = headers::of_event(event, traces);
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CLOUD_EVENT));
    let answer = match channel.send(request).await {
        Ok(answer) => answer,
        Err(error) => {
            return Outcome::Failed(format!(
                "error returned from app channel while sending pub/sub event to app: {RETRIABLE}: \
                 {error}"
            ));
        }
    };
    let id = event.text(ID);
    let status = answer.status();
    let body = answer.body();
    if status.is_success() {
        return said(body, id);
    }
    let shown = String::from_utf8_lossy(body);
    let code = status.as_u16();
    if status == StatusCode::NOT_FOUND {
        tracing::error!(
            "non-retriable error returned from app while processing pub/sub event {id}: {shown}. \
             status code returned: {code}"
        );
        return Outcome::NoHandler;
    }
    Outcome::Failed(format!(
        "{RETRIABLE}: retriable error returned from app while processing pub/sub event {id}, topic: {}, body: \
         {shown}. status code returned: {code}",
        event.topic
    ))
}

/// What the body of a success says. One that says nothing of a status is a success.
fn said(body: &[u8], id: &str) -> Outcome {
    let first = serde_json::Deserializer::from_slice(body).into_iter::<Value>().next();
    let Some(Ok(Value::Object(fields))) = first else { return Outcome::Handled };
    let named = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("status"));
    let Some((_, Value::String(status))) = named else { return Outcome::Handled };
    match status.as_str() {
        "" | "SUCCESS" => Outcome::Handled,
        "DROP" => {
            tracing::warn!("DROP status returned from app while processing pub/sub event {id}");
            Outcome::Dropped
        }
        "RETRY" => Outcome::Failed(format!(
            "RETRY status returned from app while processing pub/sub event {id}: {RETRIABLE}"
        )),
        other => Outcome::Failed(format!(
            "unknown status returned from app while processing pub/sub event {id}, status: {other}, \
             err: {RETRIABLE}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_one_unless_its_body_says_otherwise() {
        for body in [
            "",
            "ok",
            "[]",
            "7",
            "null",
            "{}",
            r#"{"status":""}"#,
            r#"{"status":7}"#,
            r#"{"status":null}"#,
            r#"{"Status":"SUCCESS","more":1}"#,
        ] {
            assert_eq!(said(body.as_bytes(), "1"), Outcome::Handled, "{body}");
        }
        assert_eq!(said(br#"{"status":"DROP"}"#, "1"), Outcome::Dropped);
        for body in [r#"{"status":"RETRY"}"#, r#"{"status":"success"}"#, r#"{"status":"drop"} x"#] {
            assert!(matches!(said(body.as_bytes(), "1"), Outcome::Failed(_)), "{body}");
        }
    }
}
