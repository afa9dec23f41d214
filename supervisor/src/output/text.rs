//! Whatever bytes a plugin printed, as text that a log, a terminal and a status can show.

use std::fmt::Write as _;

/// ESC, which begins a sequence that colours text or moves a terminal's cursor.
const ESCAPE: char = '\u{1b}';

/// BEL, which ends a title or a link as well as ESC `\` does.
const BELL: char = '\u{7}';

/// What stands at the end of a line of which more was dropped.
pub(super) const CUT: &str = " … (the rest of the line is dropped)";

/// `bytes` as text: sequences for terminals are taken out, what is not UTF-8 becomes `�`, and
/// control characters are spelt out, so that nothing printed can change what a terminal shows.
pub(super) fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    // Most lines, and all of them when a plugin floods its output.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.into_owned();
    }
    let mut readable = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ESCAPE => skip_sequence(&mut characters),
            '\t' => readable.push('\t'),
            character if character.is_control() || reorders(character) => {
                // Writing to a String does not fail.
                let _ = write!(readable, "{}", character.escape_default());
            }
            character => readable.push(character),
        }
    }
    readable
}

/// A line as text; `cut` says that more of it was dropped.
pub(super) fn readable_line(bytes: &[u8], cut: bool) -> String {
    let mut readable = readable(bytes);
    if cut {
        readable.push_str(CUT);
    }
    readable
}

/// Characters that change the direction of the text after them, and so what a line seems to say.
fn reorders(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Passes over what follows an ESC and belongs to it (ECMA-48).
fn skip_sequence(characters: &mut std::str::Chars<'_>) {
    let mut rest = characters.clone();
    match rest.next() {
        // Parameters and intermediates, then one final character.
        Some('[') => {
            *characters = rest.clone();
            for character in rest.by_ref() {
                if !matches!(character, ' '..='?') {
                    if matches!(character, '@'..='~') {
                        *characters = rest;
                    }
                    return;
                }
                characters.next();
            }
        }
        // A string, up to its end.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            *characters = rest;
            while let Some(character) = characters.next() {
                if character == BELL {
                    return;
                }
                if character == ESCAPE {
                    if characters.as_str().starts_with('\\') {
                        characters.next();
                    }
                    return;
                }
            }
        }
        // Intermediates, then one final character.
        Some(' '..='/') => {
            for character in characters.by_ref() {
                if !matches!(character, ' '..='/') {
                    return;
                }
            }
        }
        Some('0'..='~') => *characters = rest,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_stays_as_it_is() {
        assert_eq!(readable("grüße\t{\"a\": 1} 🦀".as_bytes()), "grüße\t{\"a\": 1} 🦀");
    }

    #[test]
    fn colours_titles_and_links_are_taken_out() {
        assert_eq!(readable(b"\x1b[1;31mERROR\x1b[0m it"), "ERROR it");
        assert_eq!(readable(b"\x1b]0;title\x07text"), "text");
        assert_eq!(readable(b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\!"), "link!");
        assert_eq!(readable(b"\x1b(Bplain\x1b7\x1b8"), "plain");
        assert_eq!(readable(b"\x1b[2K\x1b[1Gprogress"), "progress");
    }

    #[test]
    fn a_sequence_that_is_cut_off_takes_nothing_with_it_that_follows() {
        assert_eq!(readable(b"a\x1b"), "a");
        assert_eq!(readable(b"a\x1b[31"), "a");
        assert_eq!(readable(b"a\x1b[31\x01b"), "a\\u{1}b");
    }

    #[test]
    fn binary_is_spelt_out() {
        assert_eq!(readable(b"\x00\x07\x7f\xff\xfe\r!"), "\\u{0}\\u{7}\\u{7f}\u{fffd}\u{fffd}\\r!");
        assert_eq!(readable("\u{202e}txt.exe".as_bytes()), "\\u{202e}txt.exe");
    }

    proptest! {
        #[test]
        fn nothing_printed_reaches_a_terminal_as_a_command(bytes: Vec<u8>) {
            let readable = readable(&bytes);
            prop_assert!(readable.chars().all(|c| c == '\t' || !c.is_control()));
            // The longest spelling of one byte or character is eight characters.
            prop_assert!(readable.len() <= bytes.len() * 8);
        }
    }
}
