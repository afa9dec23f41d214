//! Upper bounds of buckets as Go writes numbers: who looks for a series finds it by that text.

/// What a bound stands behind.
const BEFORE: &str = ",le=\"";

/// From here on Go writes a number with its exponent.
const LARGE: f64 = 1e6;

/// Prometheus's text with bounds as Go writes them.
pub(super) fn in_go(text: &str) -> String {
    let mut parts = text.split(BEFORE);
    let mut whole = String::with_capacity(text.len());
    whole.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (bound, rest) = part.split_at(part.find('"').unwrap_or_default());
        whole.push_str(BEFORE);
        match bound.parse().ok().filter(|bound: &f64| bound.is_finite() && *bound >= LARGE) {
            Some(bound) => whole.push_str(&with_exponent(bound)),
            None => whole.push_str(bound),
        }
        whole.push_str(rest);
    }
    whole
}

fn with_exponent(number: f64) -> String {
    let written = format!("{number:e}");
    match written.split_once('e') {
        Some((digits, exponent)) => format!("{digits}e+{exponent:0>2}"),
        None => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_bound_has_an_exponent() {
        for (text, told) in [
            ("a{x=\"y\",le=\"1048576\"} 1048576\n", "a{x=\"y\",le=\"1.048576e+06\"} 1048576\n"),
            ("a{x=\"y\",le=\"2000000000000\"} 1", "a{x=\"y\",le=\"2e+12\"} 1"),
            ("a{x=\"y\",le=\"100000\"} 1", "a{x=\"y\",le=\"100000\"} 1"),
            ("a{x=\"y\",le=\"+Inf\"} 1", "a{x=\"y\",le=\"+Inf\"} 1"),
            ("a{x=\"1000000\"} 1000000", "a{x=\"1000000\"} 1000000"),
        ] {
            assert_eq!(in_go(text), told);
        }
    }
}
