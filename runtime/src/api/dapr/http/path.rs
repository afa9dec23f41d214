//! Paths and their escapes.

/// A `%` without two hexadecimal digits after it, or escapes that are no UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadEscape;

/// The segments of a path, escaped as they are: empty ones and `.` left out, `..` taking the one
/// before it away.
pub(super) fn segments(path: &str) -> Result<Vec<&str>, BadEscape> {
    let mut segments = Vec::with_capacity(8);
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => {
                well_escaped(segment)?;
                segments.push(segment);
            }
        }
    }
    Ok(segments)
}

fn well_escaped(segment: &str) -> Result<(), BadEscape> {
    if segment.contains('%') { unescaped(segment).map(|_| ()) } else { Ok(()) }
}

/// The text that `escaped` stands for: `+` is a space, `%2F` a slash.
pub(super) fn unescaped(escaped: &str) -> Result<String, BadEscape> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(BadEscape),
            },
            other => other,
        });
    }
    // Bytes that are no text name nothing: made readable, two of them could become the same key.
    String::from_utf8(bytes).map_err(|_| BadEscape)
}

fn digit(byte: Option<u8>) -> Option<u8> {
    let digit = char::from(byte?).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_cleaned_before_they_are_unescaped() {
        let segments = |path| segments(path).map(|segments| segments.join("|"));
        assert_eq!(segments("/v1.0//state/./s/x/../k/").unwrap(), "v1.0|state|s|k");
        assert_eq!(segments("/../../v1.0").unwrap(), "v1.0");
        assert_eq!(segments("/a/%2e%2e/b").unwrap(), "a|%2e%2e|b");
        assert_eq!(segments("/").unwrap(), "");
        assert_eq!(segments("/a/%zz"), Err(BadEscape));
        assert_eq!(segments("/a/%2"), Err(BadEscape));
        assert_eq!(segments("/a/%ff"), Err(BadEscape));
    }

    #[test]
    fn plus_is_a_space_and_an_escaped_slash_belongs_to_the_segment() {
        assert_eq!(unescaped("a+b%2Fc%C3%A9").unwrap(), "a b/cé");
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(text in ".{0,40}") {
            let escaped = text.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02x}"));
            prop_assert_eq!(unescaped(&escaped).unwrap(), text);
        }

        #[test]
        fn a_path_has_segments_that_can_be_unescaped_or_is_refused(
            path in "/([a-z.+%/]|%[0-9a-fA-F]{2}|.){0,40}",
        ) {
            for segment in segments(&path).unwrap_or_default() {
                prop_assert!(unescaped(segment).is_ok(), "{segment}");
                prop_assert!(!matches!(segment, "" | "." | ".."));
            }
        }
    }
}
