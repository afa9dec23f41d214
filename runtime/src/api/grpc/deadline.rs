//! `grpc-timeout`: how long the caller waits.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName};

/// How long the caller waits, from when it was sent.
static TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// When the caller stops waiting; none where it does not say so in gRPC's form.
pub(super) fn of(headers: &HeaderMap) -> Option<Instant> {
    let text = headers.get(&TIMEOUT)?.to_str().ok()?;
    Instant::now().checked_add(timeout(text)?)
}

/// At most eight digits, then a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 60 * 60)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(timeout("3H"), Some(Duration::from_secs(10_800)));
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "S", "10", "123456789S", "-1S", "+1S", "1é"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }
}
