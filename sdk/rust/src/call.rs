//! What the headers of a call say, and calls that end at their deadline.

use std::future::Future;
use std::time::{Duration, Instant};

use replug_component::state::error_to_status;
use replug_component::{Context, Error};
use tonic::Status;
use tonic::metadata::MetadataMap;

/// Names the component that a call is for. Layotto does not send it.
const INSTANCE: &str = "x-component-instance";

/// How long the caller waits, from now on.
const TIMEOUT: &str = "grpc-timeout";

/// gRPC's bound on the digits of a timeout.
const TIMEOUT_DIGITS: usize = 8;

/// The component that a call is for; empty where the caller does not say.
pub(crate) fn instance(headers: &MetadataMap) -> &[u8] {
    headers.get(INSTANCE).map_or(&[], |name| name.as_bytes())
}

/// The call's context. A timeout that cannot be read is none.
pub(crate) fn context(headers: &MetadataMap) -> Context {
    let timeout = headers.get(TIMEOUT).and_then(|text| parse_timeout(text.to_str().ok()?));
    Context::with_deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > TIMEOUT_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 60 * 60)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// The component's answer, or `DEADLINE_EXCEEDED` if the caller has stopped waiting before it is
/// there; the work is dropped then.
pub(crate) async fn within<T>(
    cx: &Context,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Status> {
    let answer = match cx.deadline {
        None => answer.await,
        Some(deadline) => tokio::time::timeout_at(deadline.into(), answer)
            .await
            .map_err(|_| Status::deadline_exceeded("the caller's deadline has passed"))?,
    };
    answer.map_err(error_to_status)
}

/// A call came for a component that was not opened.
pub(crate) fn not_opened(instance: &[u8]) -> Status {
    Status::failed_precondition(if instance.is_empty() {
        "the component is not initialised: call Init first".to_owned()
    } else {
        let name = String::from_utf8_lossy(instance);
        format!("component {name} is not initialised: call Init first")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_in_every_unit_of_grpc() {
        let millis = |text| parse_timeout(text).map(|timeout| timeout.as_millis());
        assert_eq!(millis("2H"), Some(7_200_000));
        assert_eq!(millis("3M"), Some(180_000));
        assert_eq!(millis("4S"), Some(4_000));
        assert_eq!(millis("5m"), Some(5));
        assert_eq!(millis("6000u"), Some(6));
        assert_eq!(millis("7000000n"), Some(7));
        assert_eq!(millis("99999999H"), Some(99_999_999 * 3_600_000));
    }

    #[test]
    fn what_is_no_timeout_is_no_deadline() {
        for text in ["", "S", "5", "5x", "-5S", "+5S", "123456789S", "5é"] {
            assert_eq!(parse_timeout(text), None, "{text}");
        }
    }
}
