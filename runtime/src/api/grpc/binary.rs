//! Binary fields of a call's head: in base64, with padding or without.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What Go reads: the last character may have bits that count for nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a field says. An error is the place, in bytes, where Go's library cannot read on.
pub(super) fn decoded(text: &[u8]) -> Result<Vec<u8>, usize> {
    match wrong(text) {
        Some(at) => Err(at),
        None => BASE64.decode(text).map_err(|_| text.len()),
    }
}

/// The first place that is no base64; none where all is. A text whose length is a multiple of four may
/// have padding, any other has none.
fn wrong(text: &[u8]) -> Option<usize> {
    let padded = text.len().is_multiple_of(4);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = text.iter().take_while(|byte| is_digit(byte)).count();
    if digits == text.len() {
        // One digit alone is less than a byte.
        return (digits % 4 == 1).then(|| digits - 1);
    }
    match (text[digits], digits % 4) {
        (b'=', 2) if padded => match text.get(digits + 1) {
            Some(b'=') => (text.len() > digits + 2).then_some(digits + 2),
            _ => Some(digits),
        },
        (b'=', 3) if padded => (text.len() > digits + 1).then_some(digits + 1),
        _ => Some(digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_there_or_not_and_nothing_else_is_read() {
        for (text, bytes) in [
            (&b""[..], &b""[..]),
            (b"AAE", &[0, 1]),
            (b"AAE=", &[0, 1]),
            (b"AA", &[0]),
            (b"AA==", &[0]),
            (b"AB==", &[0]),
            (b"AAEC", &[0, 1, 2]),
            (b"+/+/", &[0xfb, 0xff, 0xbf]),
        ] {
            assert_eq!(decoded(text).as_deref(), Ok(bytes), "{text:?}");
        }
        for (text, at) in [
            (&b"A"[..], 0),
            (b"AAAAA", 4),
            (b"not base64!", 3),
            (b"AA=", 2),
            (b"AA=A", 2),
            (b"A===", 1),
            (b"=", 0),
            (b"AAE=AAAA", 4),
            (b"AA==AAAA", 4),
            (b"AA,AA", 2),
            (b"A-_A", 1),
        ] {
            assert_eq!(decoded(text), Err(at), "{text:?}");
        }
    }
}
