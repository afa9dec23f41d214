//! Durations in component metadata, written as Go writes them: `20s`, `1h30m`, `1.5h`, `250ms`.

use std::time::Duration;

/// Units, and how many seconds each is. Longer names stand before those they begin with.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("μs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// The duration of `text`; none where it is not one. As in Dapr a bare whole number counts
/// seconds, and nothing at all is zero. What is below zero comes back as zero: every setting of
/// this kind takes both for `off`.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return Some(Duration::ZERO);
    }
    let (negative, mut rest) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = Duration::from_secs(rest.parse().ok()?);
        return Some(if negative { Duration::ZERO } else { seconds });
    }
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, of_seconds) = UNITS.into_iter().find(|(unit, _)| {
            // `m` is not the beginning of `ms`.
            rest.strip_prefix(unit).is_some_and(|after| !after.starts_with(char::is_alphabetic))
        })?;
        seconds += number * of_seconds;
        rest = &rest[unit.len()..];
    }
    if negative { Some(Duration::ZERO) } else { Duration::try_from_secs_f64(seconds).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, seconds) in [
            ("20s", 20.0),
            ("1h30m", 5400.0),
            ("1.5h", 5400.0),
            (".5s", 0.5),
            ("250ms", 0.25),
            ("1m3ms", 60.003),
            ("2us", 2e-6),
            ("2µs", 2e-6),
            ("0", 0.0),
            ("30", 30.0),
            ("", 0.0),
            ("-5s", 0.0),
            ("-5", 0.0),
            ("+5s", 5.0),
        ] {
            let parsed = parse(text).unwrap_or_else(|| panic!("{text} is a duration"));
            assert!((parsed.as_secs_f64() - seconds).abs() < 1e-9, "{text} is {parsed:?}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["s", "5 s", "5x", "1.2.3s", "-", "+", ".s", "1h30", "five", "5s ", "1e400h"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
