//! Bytes into lines of a bounded length.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::LONGEST_LINE;
use super::text;

/// A line as it was printed, without its end. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub(super) struct Line {
    bytes: Arc<[u8]>,
    /// More of it followed and was dropped.
    cut: bool,
}

/// A line on its way to another program of replug: text, as most are, or any bytes.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text { text: String, cut: bool },
    Bytes { bytes: Vec<u8>, cut: bool },
}

impl From<Line> for Written {
    fn from(line: Line) -> Self {
        let cut = line.cut;
        match std::str::from_utf8(&line.bytes) {
            Ok(text) => Self::Text { text: text.to_owned(), cut },
            Err(_) => Self::Bytes { bytes: line.bytes.to_vec(), cut },
        }
    }
}

impl From<Written> for Line {
    fn from(written: Written) -> Self {
        match written {
            Written::Text { text, cut } => Self { bytes: text.into_bytes().into(), cut },
            Written::Bytes { bytes, cut } => Self { bytes: bytes.into(), cut },
        }
    }
}

impl Line {
    pub(super) fn new(bytes: &[u8], cut: bool) -> Self {
        Self { bytes: bytes.strip_suffix(b"\r").unwrap_or(bytes).into(), cut }
    }

    /// The line as text that can be shown anywhere.
    pub(super) fn readable(&self) -> String {
        text::readable_line(&self.bytes, self.cut)
    }

    /// What was printed, without what was dropped.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Parts what is printed into lines, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The line that has no end yet, at most [`LONGEST_LINE`] of it.
    begun: Vec<u8>,
    /// More of it came than there is room for.
    cut: bool,
}

impl Lines {
    /// Goes on with a line that has been begun.
    pub(super) fn go_on(mut begun: Vec<u8>, cut: bool) -> Self {
        begun.truncate(LONGEST_LINE);
        Self { begun, cut }
    }

    /// The line that has no end yet, and whether more of it came than there is room for.
    pub(super) fn begun(self) -> (Vec<u8>, bool) {
        (self.begun, self.cut)
    }

    /// Takes the first line out of `bytes`, together with what came of it before. None where it has
    /// no end yet; then all of `bytes` is taken.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Line> {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        if let Some(end) = end
            && self.begun.is_empty()
            && end <= LONGEST_LINE
        {
            // Whole as it is, as most are.
            *bytes = &bytes[end + 1..];
            return Some(Line::new(part, false));
        }
        let room = LONGEST_LINE - self.begun.len();
        self.begun.extend_from_slice(&part[..part.len().min(room)]);
        self.cut |= part.len() > room;
        *bytes = end.map_or(&[], |end| &bytes[end + 1..]);
        end.map(|_| self.take())
    }

    /// What was printed last and has no end, when nothing more comes.
    pub(super) fn rest(&mut self) -> Option<Line> {
        (!self.begun.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Line {
        // The room goes with it: most plugins print no more for a long time.
        let begun = std::mem::take(&mut self.begun);
        Line::new(&begun, std::mem::take(&mut self.cut))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of `printed`, when it is read in pieces of this length.
    fn lines(printed: &[u8], piece: usize) -> Vec<Line> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for mut piece in printed.chunks(piece) {
            while !piece.is_empty() {
                all.extend(lines.next(&mut piece));
            }
        }
        all.extend(lines.rest());
        all
    }

    fn texts(printed: &[u8], piece: usize) -> Vec<String> {
        lines(printed, piece).iter().map(Line::readable).collect()
    }

    #[test]
    fn a_line_ends_with_a_line_feed_or_with_the_output() {
        assert_eq!(texts(b"a\n\nb\r\nc", 2), ["a", "", "b", "c"]);
    }

    #[test]
    fn an_over_long_line_is_cut_and_says_so_and_the_next_is_whole() {
        let printed = [vec![b'x'; LONGEST_LINE + 1], b"\nnext\n".to_vec()].concat();
        let texts = texts(&printed, 1000);
        assert!(texts[0].starts_with("xxx") && texts[0].ends_with("is dropped)"));
        assert_eq!(texts[1], "next");
        let whole = [vec![b'x'; LONGEST_LINE], b"\n".to_vec()].concat();
        assert!(!lines(&whole, 1000)[0].cut);
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_were_read(
            printed in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            piece in 1usize..50,
        ) {
            prop_assert_eq!(lines(&printed, piece), lines(&printed, usize::MAX));
        }

        #[test]
        fn what_is_kept_of_a_line_is_bounded(printed in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut lines = Lines::default();
            for _ in 0..200 {
                let mut bytes = printed.as_slice();
                while !bytes.is_empty() {
                    lines.next(&mut bytes);
                }
                prop_assert!(lines.begun.len() <= LONGEST_LINE);
            }
        }
    }
}
