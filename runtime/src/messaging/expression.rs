//! How deep an expression of CEL may be, seen before anybody parses it: what parses and evaluates it
//! takes stack for each bracket and each operator, and has no bound of its own that holds.

/// The longest expression in bytes.
const LONGEST: usize = 4 << 10;

/// How many brackets may be open at one place, conditions within conditions included.
pub(super) const DEEPEST: usize = 32;

/// How many operators and selections there may be.
pub(super) const MOST_STEPS: usize = 200;

/// How many steps an expression has that is within the bounds. The error says which it breaks.
pub(super) fn bounded(text: &str) -> Result<usize, String> {
    if text.len() > LONGEST {
        return Err(format!("it has {} bytes, and may have {LONGEST}", text.len()));
    }
    let (mut depth, mut steps) = (0_usize, 0);
    let mut rest = text.as_bytes();
    let mut before = b' ';
    while let Some((&byte, after)) = rest.split_first() {
        let next = after.first().copied().unwrap_or_default();
        rest = match byte {
            b'\'' | b'"' => after_text(rest, before.eq_ignore_ascii_case(&b'r')),
            b'/' if next == b'/' => after_line(after),
            _ => after,
        };
        match byte {
            b'(' | b'[' | b'{' | b'?' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                steps += 1;
            }
            b'.' | b'+' | b'-' | b'*' | b'/' | b'%' | b'!' | b'<' | b'>' => steps += 1,
            b'=' | b'&' | b'|' if next == byte => steps += 1,
            b'i' if next == b'n' && !(before.is_ascii_alphabetic() || before == b'_') => steps += 1,
            _ => {}
        }
        if depth > DEEPEST || steps > MOST_STEPS {
            return Err(format!(
                "it is too deep: it may have {DEEPEST} open brackets and {MOST_STEPS} operators"
            ));
        }
        before = byte;
    }
    Ok(steps)
}

/// What comes after the text in quotes that this begins with. In a raw one nothing is escaped.
fn after_text(from: &[u8], raw: bool) -> &[u8] {
    let quote = &from[..1];
    let triple = [quote[0]; 3];
    let end: &[u8] = if from.starts_with(&triple) { &triple } else { quote };
    let mut rest = &from[end.len()..];
    loop {
        if rest.starts_with(end) {
            return &rest[end.len()..];
        }
        let skipped = if rest.first() == Some(&b'\\') && !raw { 2 } else { 1 };
        match rest.get(skipped..) {
            Some(after) => rest = after,
            // It does not end, and is no expression.
            None => return &[],
        }
    }
}

/// What comes after a comment.
fn after_line(from: &[u8]) -> &[u8] {
    let end = from.iter().position(|byte| *byte == b'\n').unwrap_or(from.len());
    &from[end..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deep_is_refused() {
        let deep = [
            "(", "[", "{", "!", "-", "a.", "1+", "a?b:", "(a)in", "1in ", "a==", "a&&", "a<",
            "''+", r"r'\\'+", "//\n!", r"'\''!",
        ];
        for text in deep {
            assert!(bounded(&text.repeat(500)).is_err(), "{text}");
        }
        assert!(bounded(&"a".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn texts_are_not_looked_into() {
        for text in [
            format!("event.type in ['{}']", "a.b.".repeat(300)),
            format!("event.type.matches(r\"{}\")", "(a|b)*.+".repeat(100)),
            format!("'''{}'''", "'(".repeat(500)),
            format!("'{}'", r"\'(".repeat(500)),
            format!("true // {}", "!(".repeat(500)),
            vec!["event.type == 'com.example.order'"; 60].join(" || "),
        ] {
            assert!(bounded(&text).is_ok(), "{text}");
        }
    }
}
