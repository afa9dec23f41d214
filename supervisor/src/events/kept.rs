//! The newest events as they are on the wire, one after the other in few large pieces of memory.
//!
//! Events come between many things that are soon given back. One by one among these they would keep
//! that memory from ever being of use again.

use std::collections::VecDeque;

use prost::Message as _;
use replug_proto::replug::control::v1 as pb;

/// How many events a piece has.
const EVENTS: usize = 128;

/// How many bytes a piece has room for before it has to grow.
const ROOM: usize = 12 << 10;

/// Events without gaps in their numbers, so many at the most.
#[derive(Debug)]
pub(super) struct Kept {
    pieces: VecDeque<Piece>,
    most: usize,
    count: usize,
    /// The number of the newest event; 0 before there is any.
    last: u64,
}

/// Events that follow each other.
#[derive(Debug)]
struct Piece {
    first: u64,
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

// === impl Kept ===

impl Kept {
    /// None yet; the next one comes after that of the number `last`.
    pub(super) fn after(last: u64, most: usize) -> Self {
        Self { pieces: VecDeque::new(), most, count: 0, last }
    }

    /// Adds an event and gives it its number, which this tells.
    pub(super) fn push(&mut self, mut event: pb::Event) -> u64 {
        self.last += 1;
        event.sequence = self.last;
        if self.pieces.back().is_none_or(|piece| piece.ends.len() == EVENTS) {
            self.pieces.push_back(Piece {
                first: self.last,
                bytes: Vec::with_capacity(ROOM),
                ends: Vec::with_capacity(EVENTS),
            });
        }
        if let Some(piece) = self.pieces.back_mut() {
            piece.bytes.reserve(event.encoded_len());
            event.encode_raw(&mut piece.bytes);
            piece.ends.push(piece.bytes.len());
        }
        self.count = (self.count + 1).min(self.most);
        let oldest = self.oldest();
        if self.pieces.front().is_some_and(|piece| piece.end() <= oldest) {
            self.pieces.pop_front();
        }
        self.last
    }

    /// The number of the newest event; 0 before there is any.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The number of the oldest that is kept; that of the next one where there is none.
    pub(super) fn oldest(&self) -> u64 {
        self.last + 1 - self.count as u64
    }

    /// The event of that number, if it is kept.
    pub(super) fn get(&self, number: u64) -> Option<pb::Event> {
        pb::Event::decode(self.encoded(number)?).ok()
    }

    /// All that are kept, oldest first, as they are on the wire.
    pub(super) fn all(&self) -> impl Iterator<Item = &[u8]> {
        (self.oldest()..=self.last).filter_map(|number| self.encoded(number))
    }

    fn encoded(&self, number: u64) -> Option<&[u8]> {
        if number < self.oldest() {
            return None;
        }
        let piece = self.pieces.partition_point(|piece| piece.end() <= number);
        let piece = self.pieces.get(piece)?;
        let place = usize::try_from(number - piece.first).ok()?;
        let begin = place.checked_sub(1).map_or(0, |before| piece.ends[before]);
        piece.bytes.get(begin..*piece.ends.get(place)?)
    }
}

// === impl Piece ===

impl Piece {
    /// The number of the first event after it.
    fn end(&self) -> u64 {
        self.first + self.ends.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, about};
    use super::*;

    #[test]
    fn the_newest_are_kept_as_they_were_and_the_pieces_of_older_ones_are_given_back() {
        const MOST: usize = 300;
        let mut kept = Kept::after(7, MOST);
        assert_eq!((kept.oldest(), kept.get(8)), (8, None));
        for number in 8..2000 {
            assert_eq!(kept.push(about("kv", Kind::Trouble, number.to_string())), number);
            let oldest = number.saturating_sub(MOST as u64 - 1).max(8);
            assert_eq!(kept.oldest(), oldest);
            for (of, there) in
                [(oldest - 1, false), (oldest, true), (number, true), (number + 1, false)]
            {
                let event = kept.get(of);
                assert_eq!(event.is_some(), there, "{of} of {oldest} to {number}");
                if let Some(event) = event {
                    assert_eq!((event.sequence, event.text), (of, of.to_string()));
                }
            }
        }
        assert_eq!(kept.all().count(), MOST);
        assert!(kept.pieces.len() <= MOST / EVENTS + 2);
    }
}
