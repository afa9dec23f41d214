//! `grpc-timeout`: how long the caller waits.

use std::time::Duration;

use crate::api::quoted::quoted;

/// At most eight digits, then a unit. An error says what is wrong in the words of Go's library.
pub(super) fn timeout(text: &[u8]) -> Result<Duration, String> {
    let of_length =
        |what: &str| Err(format!("transport: timeout string is too {what}: {}", quoted(text)));
    let Some((unit, digits)) = text.split_last().filter(|(_, digits)| !digits.is_empty()) else {
        return of_length("short");
    };
    if digits.len() > 8 {
        return of_length("long");
    }
    let of_one: fn(u64) -> Duration = match unit {
        b'H' => |amount| Duration::from_secs(amount * 60 * 60),
        b'M' => |amount| Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs,
        b'm' => Duration::from_millis,
        b'u' => Duration::from_micros,
        b'n' => Duration::from_nanos,
        _ => {
            return Err(format!("transport: timeout unit is not recognized: {}", quoted(text)));
        }
    };
    let mut amount = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            let digits = quoted(digits);
            return Err(format!("strconv.ParseUint: parsing {digits}: invalid syntax"));
        }
        amount = amount * 10 + u64::from(digit - b'0');
    }
    Ok(of_one(amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(timeout(b"3H"), Ok(Duration::from_secs(10_800)));
        assert_eq!(timeout(b"250m"), Ok(Duration::from_millis(250)));
        assert_eq!(timeout(b"99999999n"), Ok(Duration::from_nanos(99_999_999)));
    }

    #[test]
    fn what_is_none_is_told_in_the_words_of_gos_library() {
        for (wrong, told) in [
            (&b""[..], "transport: timeout string is too short: \"\""),
            (b"S", "transport: timeout string is too short: \"S\""),
            (b"123456789S", "transport: timeout string is too long: \"123456789S\""),
            (b"nonsense", "transport: timeout unit is not recognized: \"nonsense\""),
            (b"10", "transport: timeout unit is not recognized: \"10\""),
            (b"-1S", "strconv.ParseUint: parsing \"-1\": invalid syntax"),
            (b"+1S", "strconv.ParseUint: parsing \"+1\": invalid syntax"),
        ] {
            assert_eq!(timeout(wrong), Err(told.to_owned()), "{wrong:?}");
        }
    }
}
