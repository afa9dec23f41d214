//! A call as it is sent to a plugin.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, HeaderName, Uri};
use replug_component::Context;

use super::connection::{Answer, ConnectionError, Room, UnderWay, head};
use super::link::{INSTANCE, Method};
use crate::http2::message::Only;

/// How long the caller still waits, in gRPC's own header.
static TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A call as it is sent, as often as it has to be.
pub(super) struct Call<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
}

impl Call<'_> {
    pub(super) async fn over(
        &self,
        connection: &mut UnderWay,
        cx: &Context,
        room: &mut impl Room,
    ) -> Result<Answer<Only>, ConnectionError> {
        let mut head = head(Uri::clone(self.method), self.headers.clone());
        if let Some(remaining) = cx.remaining() {
            head.headers_mut().insert(TIMEOUT.clone(), timeout_header(remaining));
        }
        connection.unary(head, self.body.clone(), room).await
    }
}

/// The headers of every call.
pub(super) fn headers(instance: HeaderValue) -> HeaderMap {
    let headers = [
        (header::TE, HeaderValue::from_static("trailers")),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
        (INSTANCE.clone(), instance),
    ];
    headers.into_iter().collect()
}

/// A duration in gRPC's form: at most eight digits and a unit.
fn timeout_header(remaining: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let text = match (remaining.as_micros(), remaining.as_millis()) {
        (micros, _) if micros <= MOST => format!("{micros}u"),
        (_, millis) => format!("{}m", millis.min(MOST)),
    };
    HeaderValue::try_from(text).expect("digits and a letter are a header value")
}

/// A component's name as a header's value: as it is where it can be, else with what a header cannot
/// hold left out.
pub(super) fn instance_header(component: &str) -> HeaderValue {
    HeaderValue::from_bytes(component.as_bytes()).unwrap_or_else(|_| {
        let printable: String = component.chars().filter(|c| !c.is_control()).collect();
        HeaderValue::from_bytes(printable.as_bytes())
            .unwrap_or_else(|_| HeaderValue::from_static(""))
    })
}
