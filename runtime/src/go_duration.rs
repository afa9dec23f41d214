//! Durations written as Go writes them: `20s`, `1h30m`, `1.5h`, `250ms`.

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
pub(crate) fn parse(text: &str) -> Option<Duration> {
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

/// The duration as Go prints it: `5s`, `1m30s`, `500ms`, `0s`.
pub(crate) fn text(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    // Below a second the unit is the largest that leaves a whole part.
    for (unit, size) in [("ns", 1), ("µs", 1_000), ("ms", 1_000_000)] {
        if (1..1_000_000_000).contains(&nanos) && nanos < size * 1000 {
            return format!("{}{unit}", decimal(nanos, size));
        }
    }
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let part = Duration::new(seconds % 60, duration.subsec_nanos());
    let seconds = decimal(part.as_nanos(), 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `number` in units of `size`, with as many decimals as it needs.
fn decimal(number: u128, size: u128) -> String {
    let (whole, rest) = (number / size, number % size);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = size.ilog10() as usize;
    let rest = format!("{rest:0digits$}");
    format!("{whole}.{}", rest.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (millis, text_of_go) in [
            (0, "0s"),
            (5000, "5s"),
            (500, "500ms"),
            (1500, "1.5s"),
            (60_000, "1m0s"),
            (3_600_000, "1h0m0s"),
            (5_430_250, "1h30m30.25s"),
        ] {
            assert_eq!(text(Duration::from_millis(millis)), text_of_go);
        }
        assert_eq!(text(Duration::from_micros(1500)), "1.5ms");
        assert_eq!(text(Duration::from_nanos(7)), "7ns");
    }

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

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same(millis in 0_u64..10_000_000_000) {
            let duration = Duration::from_millis(millis);
            let read = parse(&text(duration)).unwrap();
            prop_assert!(read.abs_diff(duration) < Duration::from_micros(1), "{:?}", read);
        }

        #[test]
        fn any_text_is_a_duration_or_none(text in "[-+]?[0-9.]{0,30}(ns|us|µs|ms|s|m|h|d|é)?[-+]?[0-9.]{0,9}(s|m|h)?|.*") {
            // It is what it prints, as far as a float is exact.
            if let Some(duration) = parse(&text) {
                prop_assert!(parse(&super::text(duration)).is_some());
            }
        }
    }
}
