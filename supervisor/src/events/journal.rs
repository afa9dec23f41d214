//! The journal: the newest events, numbered, for as many readers as there are.

use std::sync::Arc;

use parking_lot::Mutex;
use prost::Message as _;
use replug_proto::replug::control::v1 as pb;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::kept::Kept;

/// How many events are kept. A reader that is further behind misses some.
const KEPT: usize = 2048;

/// The newest events. Clones are the same journal.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    newest: Mutex<Kept>,
    /// The number of the newest event, for those who wait for the next.
    written: watch::Sender<u64>,
    /// How many readers there are.
    readers: watch::Sender<usize>,
}

/// Reads the journal from a place on. Holds no event, and keeps none from being forgotten.
#[derive(Debug)]
pub struct Reader {
    journal: Journal,
    /// The number of the next event to be read.
    next: u64,
    written: watch::Receiver<u64>,
}

/// A journal on its way from one program of replug to the next: its newest events, on the wire.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct HandedJournal {
    events: Vec<Vec<u8>>,
    last: u64,
}

/// What is next in the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// An event.
    Event(Box<pb::Event>),
    /// So many that have been forgotten before they were read.
    Missed(u64),
}

// === impl Journal ===

impl Journal {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Kept::after(0, KEPT))
    }

    fn of(kept: Kept) -> Self {
        Self(Arc::new(Shared {
            written: watch::Sender::new(kept.last()),
            newest: Mutex::new(kept),
            readers: watch::Sender::new(0),
        }))
    }

    /// What the next program goes on with.
    #[must_use]
    pub fn hand_over(&self) -> HandedJournal {
        let newest = self.0.newest.lock();
        HandedJournal { events: newest.all().map(<[u8]>::to_vec).collect(), last: newest.last() }
    }

    /// Goes on with what the program before has left. What cannot be read is left out.
    #[must_use]
    pub fn resume(handed: HandedJournal) -> Self {
        let events = handed.events.iter().filter_map(|event| pb::Event::decode(&**event).ok());
        let events: Vec<_> = events.collect();
        // A reader finds an event by its number: they are without gaps.
        let oldest = (handed.last + 1).saturating_sub(events.len() as u64);
        let numbers = events.iter().map(|event| event.sequence);
        if !numbers.eq(oldest..=handed.last) {
            return Self::of(Kept::after(handed.last, KEPT));
        }
        let mut kept = Kept::after(oldest - 1, KEPT);
        for event in events {
            kept.push(event);
        }
        Self::of(kept)
    }

    /// Adds an event, and gives it its number.
    pub fn record(&self, event: pb::Event) {
        let mut newest = self.0.newest.lock();
        let number = newest.push(event);
        // Under the lock: readers are never told of an older one after a newer.
        self.0.written.send_replace(number);
    }

    /// The number of the newest event; 0 before there is any.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.0.newest.lock().last()
    }

    /// Reads what comes after the event `after`, which may have happened already.
    #[must_use]
    pub fn read_after(&self, after: u64) -> Reader {
        self.0.readers.send_modify(|readers| *readers += 1);
        Reader { journal: self.clone(), next: after + 1, written: self.0.written.subscribe() }
    }

    /// Waits until somebody reads, or until nobody does.
    pub(super) async fn is_read(&self, wanted: bool) {
        let mut readers = self.0.readers.subscribe();
        // The sender is this journal's own.
        let _ = readers.wait_for(|readers| (*readers > 0) == wanted).await;
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Reader ===

impl Reader {
    /// The next thing in the journal, as soon as there is one. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Read {
        loop {
            self.written.borrow_and_update();
            if let Some(read) = self.try_next() {
                return read;
            }
            // The sender is the journal's, which this reader holds.
            let _ = self.written.changed().await;
        }
    }

    fn try_next(&mut self) -> Option<Read> {
        let newest = self.journal.0.newest.lock();
        if self.next > newest.last() {
            return None;
        }
        let oldest = newest.oldest();
        if self.next < oldest {
            let missed = oldest - self.next;
            self.next = oldest;
            return Some(Read::Missed(missed));
        }
        let event = newest.get(self.next)?;
        self.next += 1;
        Some(Read::Event(Box::new(event)))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.journal.0.readers.send_modify(|readers| *readers -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, about};
    use super::*;

    fn sequence(read: &Read) -> u64 {
        match read {
            Read::Event(event) => event.sequence,
            Read::Missed(missed) => panic!("{missed} missed"),
        }
    }

    #[tokio::test]
    async fn events_are_read_in_order_by_those_who_wait_and_by_those_who_come_later() {
        let journal = Journal::new();
        let mut waiting = journal.read_after(0);
        let first = tokio::spawn(async move { waiting.next().await });
        for _ in 0..3 {
            journal.record(about("kv", Kind::Trouble, "slow"));
        }
        assert_eq!(sequence(&first.await.unwrap()), 1);
        let mut later = journal.read_after(1);
        assert_eq!(sequence(&later.next().await), 2);
        assert_eq!(sequence(&later.next().await), 3);
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_how_many_it_has_missed_and_no_more_are_kept() {
        let journal = Journal::new();
        let mut slow = journal.read_after(0);
        for _ in 0..KEPT + 10 {
            journal.record(about("kv", Kind::Trouble, "slow"));
        }
        assert_eq!(slow.next().await, Read::Missed(10));
        assert_eq!(sequence(&slow.next().await), 11);
        assert_eq!(journal.0.newest.lock().all().count(), KEPT);
    }

    #[tokio::test]
    async fn the_next_program_goes_on_with_the_events_and_their_numbers() {
        let journal = Journal::new();
        for _ in 0..KEPT + 10 {
            journal.record(about("kv", Kind::Trouble, "slow"));
        }
        let text = serde_json::to_vec(&journal.hand_over()).unwrap();
        let next = Journal::resume(serde_json::from_slice(&text).unwrap());
        next.record(about("kv", Kind::Recovered, ""));
        let mut reader = next.read_after(next.last() - 2);
        let Read::Event(before) = reader.next().await else { panic!() };
        assert_eq!((before.text.as_str(), before.sequence), ("slow", KEPT as u64 + 10));
        assert_eq!(sequence(&reader.next().await), KEPT as u64 + 11);
        assert_eq!(next.0.newest.lock().all().count(), KEPT);
        let empty = Journal::resume(HandedJournal::default());
        empty.record(about("kv", Kind::Recovered, ""));
        assert_eq!(empty.last(), 1);
    }

    #[tokio::test]
    async fn whether_anybody_reads_is_known() {
        let journal = Journal::new();
        journal.is_read(false).await;
        let reader = journal.read_after(0);
        journal.is_read(true).await;
        drop(reader);
        journal.is_read(false).await;
    }
}
