//! The route of bindings over HTTP.

use http::HeaderMap;
use replug_component::binding::{InvokeRequest, InvokeResponse};

use super::answer::{Answer, add_metadata, no_content, ok};
use super::body::{DESERIALIZING, Unread};
use super::{CX, Failure};
use crate::api::Traces;
use crate::api::dapr::Dapr;
use crate::api::dapr::error::MALFORMED;
use crate::api::dapr::json::{JsonError, Object, first_value, to_bytes};
use crate::api::dapr::trace::{BAGGAGE, NO_TRACE, TRACEPARENT, TRACESTATE};
use crate::messaging::cloud_event::Trace;

impl Dapr {
    pub(super) async fn http_invoke_binding(
        &self,
        name: &str,
        headers: &HeaderMap,
        body: &mut Unread,
    ) -> Result<Answer, Failure> {
        let mut request = body.decoded(MALFORMED, DESERIALIZING, decoded).await?;
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let Trace { parent, state } = self.http_trace(headers);
        let known = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
        let none = || (self.settings.traces != Traces::Ignored).then(|| NO_TRACE.to_owned());
        let trace = [
            (TRACEPARENT, known(&parent).or_else(none)),
            (TRACESTATE, known(&state)),
            (BAGGAGE, header(BAGGAGE).map(str::to_owned)),
        ];
        for (name, value) in trace {
            if let Some(value) = value {
                request.metadata.insert(name.to_owned(), value);
            }
        }
        let Some(response) = self.invoke_binding(&CX, name, request).await? else {
            return Ok(no_content());
        };
        let InvokeResponse { data, metadata, .. } = response;
        let mut answer = ok(data);
        add_metadata(&mut answer, metadata);
        Ok(answer)
    }
}

/// The data are JSON for the binding, whatever they are; where there are none, `null`.
fn decoded(body: &[u8]) -> Result<InvokeRequest, JsonError> {
    let mut request = Object::from(first_value(body)?, "http.OutputBindingRequest")?;
    Ok(InvokeRequest {
        operation: request.text("operation")?.unwrap_or_default(),
        data: to_bytes(&request.take("data").unwrap_or_default()),
        metadata: request.metadata("metadata")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_encoded_again_and_null_where_there_are_none() {
        let data = |body: &str| decoded(body.as_bytes()).unwrap().data;
        assert_eq!(data(r#"{"operation":"create"}"#), "null");
        assert_eq!(data(r#"{"Data":"text"}"#), r#""text""#);
        assert_eq!(data(r#"{"data":{"b":1,"a":"<"}}"#), r#"{"a":"\u003c","b":1}"#);
        assert_eq!(decoded(b"").unwrap_err().to_string(), "EOF");
    }
}
