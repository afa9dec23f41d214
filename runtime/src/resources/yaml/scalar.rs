//! What a scalar means, by the rules of Go's YAML (version 1.1 of the language), which Dapr's users
//! have written their files for.

use serde_json::Number;

use super::Value;

/// The value of a scalar. `tag` is its tag of YAML's core, where it has one.
pub(super) fn read(text: &str, plain: bool, tag: Option<&str>) -> Value {
    match tag {
        Some("str") => return Value::Text(text.to_owned()),
        None if !plain => return Value::Text(text.to_owned()),
        _ => {}
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    number(text).map_or_else(|| Value::Text(text.to_owned()), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let digits = text.replace('_', "");
    if let Some(number) = integer(&digits) {
        return Some(number);
    }
    let shaped = digits.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
        && digits.bytes().any(|b| b.is_ascii_digit());
    let float = digits.parse::<f64>().ok().filter(|_| shaped)?;
    Number::from_f64(float)
}

fn integer(digits: &str) -> Option<Number> {
    let (negative, bare) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    if bare.starts_with(['+', '-']) {
        return None;
    }
    let lower = bare.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    // A sign stands before what tells the radix.
    let size = u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
    if !negative {
        return Some(size.into());
    }
    i64::try_from(-i128::from(size)).ok().map(Number::from)
}

/// The number as Go's JSON writes it: whole ones without a point, very large and very small ones
/// with an exponent.
pub(super) fn number_text(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let size = float.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        return format!("{mantissa}e{sign}{exponent}");
    }
    float.to_string()
}

/// The number as JSON: a float that is whole is an integer there.
pub(super) fn json_number(number: &Number) -> serde_json::Value {
    serde_json::from_str(&number_text(number)).unwrap_or_else(|_| number.clone().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(plain: &str) -> String {
        match read(plain, true, None) {
            Value::Null => "null".to_owned(),
            Value::Bool(yes) => format!("bool {yes}"),
            Value::Number(number) => format!("number {}", number_text(&number)),
            Value::Text(text) => format!("text {text}"),
            other => other.to_string(),
        }
    }

    #[test]
    fn plain_scalars_mean_what_they_mean_in_go() {
        for (plain, means) in [
            ("yes", "bool true"),
            ("Off", "bool false"),
            ("~", "null"),
            ("0777", "number 511"),
            ("0x1F", "number 31"),
            ("1_000", "number 1000"),
            ("-12", "number -12"),
            ("+12", "number 12"),
            ("-0x1f", "number -31"),
            ("0x+1f", "text 0x+1f"),
            ("0+17", "text 0+17"),
            ("1e3", "number 1000"),
            ("1.50", "number 1.5"),
            ("1e21", "number 1e+21"),
            ("6379", "number 6379"),
            ("5s", "text 5s"),
            ("10.0.0.1", "text 10.0.0.1"),
            ("v1", "text v1"),
            ("-", "text -"),
            ("e5", "text e5"),
            ("2024-01-01", "text 2024-01-01"),
            ("18446744073709551615", "number 18446744073709551615"),
        ] {
            assert_eq!(text_of(plain), means, "{plain}");
        }
        assert!(matches!(read("yes", false, None), Value::Text(_)));
        assert!(matches!(read("12", true, Some("str")), Value::Text(_)));
    }
}
