//! `bindings.http`: requests to an HTTP server, `url`.
//!
//! The operation is the method, and `create` is a POST. Metadata of the call: `path` comes after the
//! URL, and whatever begins with a capital letter is a header. The answer's metadata are `statusCode`,
//! `status` and its headers. A status that is no success is an error, unless `errorIfNot2XX`, of the
//! call or else of the component, says otherwise; its metadata are told all the same. Redirects are
//! followed.
//!
//! Requests go through the proxies that the environment names ([`proxies`]). Unlike Dapr's, a redirect to
//! another host takes neither the security token nor the client's credentials along.

mod connector;
mod exchange;
mod proxies;
mod question;
mod settings;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use hyper::ext::ReasonPhrase;
use replug_component::binding::{InvokeRequest, InvokeResponse, OutputBinding, OutputBindingType};
use replug_component::{Context, Error, FailedAnswer, Features, Metadata};

use exchange::Exchanger;
use question::Question;
use settings::Settings;

use super::setting::says_yes;

/// What can be asked for, as Dapr orders it.
const OPERATIONS: [&str; 9] =
    ["create", "get", "head", "post", "put", "patch", "delete", "options", "trace"];

/// Metadata of a call and of the component: whether a status that is no success is an error.
const ERROR_IF_NOT_2XX: &str = "errorIfNot2XX";

/// The type `bindings.http`.
pub(super) struct HttpType;

#[async_trait]
impl OutputBindingType for HttpType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn OutputBinding>, Error> {
        let settings = Settings::new(&metadata).await?;
        let exchanger = Exchanger::new(&settings)?;
        Ok(Arc::new(HttpBinding { settings, exchanger }))
    }
}

struct HttpBinding {
    settings: Settings,
    exchanger: Exchanger,
}

#[async_trait]
impl OutputBinding for HttpBinding {
    async fn operations(&self, _cx: &Context) -> Result<Features, Error> {
        Ok(Features::new(OPERATIONS))
    }

    async fn invoke(
        &self,
        _cx: &Context,
        request: InvokeRequest,
    ) -> Result<Option<InvokeResponse>, Error> {
        let method = method(&request.operation)?;
        let errors = request.metadata.get(ERROR_IF_NOT_2XX).filter(|text| !text.is_empty());
        let errors = errors.map_or(self.settings.error_if_not_2xx, |text| says_yes(text));
        let question = Question::new(&self.settings, method, &request.metadata, request.data)?;
        let answer = self.exchanger.exchange(question).await?;
        let (status, metadata) = (answer.status(), particulars(&answer));
        if errors && !status.is_success() {
            let message = format!("received status code {}", status.as_u16());
            return Err(FailedAnswer { message, metadata }.into());
        }
        let data = answer.into_body();
        Ok(Some(InvokeResponse { data, metadata, content_type: String::new() }))
    }
}

fn method(operation: &str) -> Result<Method, Error> {
    match operation {
        "create" => Ok(Method::POST),
        known if OPERATIONS.contains(&known) => {
            let method = known.to_ascii_uppercase();
            Method::from_bytes(method.as_bytes()).map_err(|error| Error::Invalid(error.to_string()))
        }
        other => Err(Error::Invalid(format!("invalid operation: {other}"))),
    }
}

fn particulars(answer: &Response<Bytes>) -> Metadata {
    let mut metadata = Metadata::new();
    for name in answer.headers().keys() {
        let values = answer.headers().get_all(name).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        metadata.insert(capitals(name.as_str()), values.join(", "));
    }
    let status = answer.status();
    metadata.insert("statusCode".to_owned(), status.as_u16().to_string());
    metadata.insert("status".to_owned(), format!("{} {}", status.as_u16(), reason(answer, status)));
    metadata
}

/// What the server calls its status, or else how it is called.
fn reason(answer: &Response<Bytes>, status: StatusCode) -> String {
    match answer.extensions().get::<ReasonPhrase>() {
        Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        None => status.canonical_reason().unwrap_or_default().to_owned(),
    }
}

/// A header's name as it is mostly written: `Content-Type`.
fn capitals(name: &str) -> String {
    let part = |part: &str| {
        let (first, rest) = part.split_at(usize::from(!part.is_empty()));
        first.to_ascii_uppercase() + rest
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_methods_in_small_letters() {
        assert_eq!(method("create").unwrap(), Method::POST);
        assert_eq!(method("trace").unwrap(), Method::TRACE);
        assert_eq!(method("GET").unwrap_err().to_string(), "invalid operation: GET");
    }

    #[test]
    fn names_of_headers_have_their_capitals_back() {
        assert_eq!(capitals("content-type"), "Content-Type");
        assert_eq!(capitals("x--a-"), "X--A-");
        assert_eq!(capitals("dnt"), "Dnt");
    }
}
