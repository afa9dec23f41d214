//! Times as they stand in the table: `2026-01-31 12:00:00.000`, UTC, which sort as texts. Dapr's
//! have no fraction, which sorts before the same second with one.

use std::time::{Duration, SystemTime};

/// How long the date and the time are, without a fraction.
const WHOLE_SECONDS: usize = "2026-01-31 12:00:00".len();

/// `after` from `time`.
pub(super) fn at(time: SystemTime, after: Duration) -> String {
    let mut text = humantime::format_rfc3339_millis(time + after).to_string();
    text.pop(); // The Z.
    text.replace('T', " ")
}

/// The present.
pub(super) fn now() -> String {
    at(SystemTime::now(), Duration::ZERO)
}

/// A time of the table in RFC 3339, to whole seconds.
pub(super) fn to_rfc3339(time: &str) -> String {
    let mut text = time.get(..WHOLE_SECONDS).unwrap_or(time).replacen(' ', "T", 1);
    text.push('Z');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_texts_and_turn_into_rfc_3339() {
        let time = at(SystemTime::UNIX_EPOCH, Duration::from_millis(1500));
        assert_eq!(time, "1970-01-01 00:00:01.500");
        assert_eq!(to_rfc3339(&time), "1970-01-01T00:00:01Z");
        assert_eq!(to_rfc3339("1970-01-01 00:00:01"), "1970-01-01T00:00:01Z");
        assert!(time.as_str() > "1970-01-01 00:00:01");
        assert!(time.as_str() < "1970-01-01 00:00:02");
    }
}
