//! What one plugin has printed: its last lines in memory, through all its lives, and what became of
//! them on their way to the log and to a file.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::file::PluginFile;
use super::handed::HandedPrintout;
use super::line::Line;
use super::{LogPolicy, Stream};

/// What a kept line takes besides its bytes: itself, what counts its owners, and what the allocator
/// adds.
const OVERHEAD: usize = size_of::<Record>() + 2 * size_of::<usize>() + 16;

/// What one plugin has printed. Takes next to no memory while the plugin prints nothing.
#[derive(Debug)]
pub struct Printout {
    plugin: Arc<str>,
    ring: Mutex<Ring>,
    /// Told of every line.
    news: Notify,
    to_log: AtomicBool,
    /// The plugin has several processes.
    several: AtomicBool,
    file: Mutex<Option<Arc<PluginFile>>>,
    /// Lines that the log did not take.
    unlogged: AtomicU64,
    /// Lines that the file did not take.
    unfiled: AtomicU64,
}

/// A line, and when it was printed by whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its place among the lines of all plugins.
    pub(super) order: u64,
    pub(super) at: SystemTime,
    /// By which of the plugin's processes, where there were several.
    pub(super) instance: Option<u32>,
    pub(super) generation: u64,
    pub(super) stream: Stream,
    pub(super) line: Line,
}

/// How much a plugin has printed, and what of it was lost on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines printed since replug started.
    pub lines: u64,
    /// Of those, how many are in memory.
    pub kept: u64,
    /// Lines that replug's log did not take.
    pub unlogged: u64,
    /// Lines that the plugin's file did not take.
    pub unfiled: u64,
    /// The plugin's file, where it has one.
    pub file: Option<PathBuf>,
    /// Why that file is not written, while it is not.
    pub file_trouble: Option<String>,
}

/// The last lines, within a number of bytes.
#[derive(Debug, Default)]
struct Ring {
    records: VecDeque<Record>,
    bytes: usize,
    limit: usize,
    /// Lines so far; the number of the last one.
    printed: u64,
}

// === impl Printout ===

impl Printout {
    pub(super) fn new(plugin: &str, policy: &LogPolicy) -> Self {
        let printout = Self {
            plugin: plugin.into(),
            ring: Mutex::default(),
            news: Notify::new(),
            to_log: AtomicBool::new(true),
            several: AtomicBool::new(false),
            file: Mutex::new(None),
            unlogged: AtomicU64::new(0),
            unfiled: AtomicU64::new(0),
        };
        printout.follow(policy);
        printout
    }

    /// What goes on from where another program of replug stopped. All of it is kept until a policy
    /// is followed.
    pub(super) fn resume(handed: HandedPrintout) -> Self {
        let HandedPrintout { plugin, printed, unlogged, unfiled, records } = handed;
        let printout = Self::new(&plugin, &LogPolicy { ring: usize::MAX, ..LogPolicy::default() });
        {
            let mut ring = printout.ring.lock();
            // The lines that are kept are counted again as they come.
            ring.printed = printed.saturating_sub(records.len() as u64);
            for record in records {
                ring.push(record);
            }
        }
        printout.unlogged.store(unlogged, Ordering::Relaxed);
        printout.unfiled.store(unfiled, Ordering::Relaxed);
        printout
    }

    /// What another program of replug goes on with.
    pub(super) fn hand_over(&self) -> HandedPrintout {
        let (printed, records) = {
            let ring = self.ring.lock();
            (ring.printed, ring.records.iter().cloned().collect())
        };
        HandedPrintout {
            plugin: self.plugin.to_string(),
            printed,
            unlogged: self.unlogged.load(Ordering::Relaxed),
            unfiled: self.unfiled.load(Ordering::Relaxed),
            records,
        }
    }

    /// Does as this policy says from now on.
    pub(super) fn follow(&self, policy: &LogPolicy) {
        self.to_log.store(policy.to_log, Ordering::Relaxed);
        {
            let mut ring = self.ring.lock();
            ring.limit = policy.ring;
            ring.fit();
        }
        let mut file = self.file.lock();
        if file.as_ref().map(|file| file.policy()) != policy.file.as_ref() {
            *file = policy.file.clone().map(|policy| Arc::new(PluginFile::new(policy)));
        }
    }

    /// Whether the lines of the plugin's processes are to be told apart: there are several.
    pub(crate) fn tell_apart(&self, several: bool) {
        self.several.store(several, Ordering::Relaxed);
    }

    /// The number of this process, where it is to be told from others.
    pub(super) fn told_apart(&self, instance: u32) -> Option<u32> {
        self.several.load(Ordering::Relaxed).then_some(instance)
    }

    /// Whose lines they are.
    #[must_use]
    pub fn plugin(&self) -> &Arc<str> {
        &self.plugin
    }

    /// How much there was, and what of it was lost.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let (lines, kept) = {
            let ring = self.ring.lock();
            (ring.printed, ring.records.len() as u64)
        };
        let file = self.file();
        Tally {
            lines,
            kept,
            unlogged: self.unlogged.load(Ordering::Relaxed),
            unfiled: self.unfiled.load(Ordering::Relaxed),
            file: file.as_ref().map(|file| file.policy().path.clone()),
            file_trouble: file.as_ref().and_then(|file| file.trouble()),
        }
    }

    pub(super) fn push(&self, record: Record) {
        self.ring.lock().push(record);
        self.news.notify_waiters();
    }

    pub(super) fn is_logged(&self) -> bool {
        self.to_log.load(Ordering::Relaxed)
    }

    pub(super) fn lost_to_log(&self, lines: u64) {
        self.unlogged.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn lost_to_file(&self, lines: u64) {
        self.unfiled.fetch_add(lines, Ordering::Relaxed);
    }

    /// Where its lines are written besides the log.
    pub(super) fn file(&self) -> Option<Arc<PluginFile>> {
        self.file.lock().clone()
    }

    /// The number of the last line; 0 before the first.
    pub(super) fn printed(&self) -> u64 {
        self.ring.lock().printed
    }

    /// Waits for a line with a higher number than this.
    pub(super) async fn printed_after(&self, number: u64) {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            // From here on no line is missed.
            news.as_mut().enable();
            if self.printed() > number {
                return;
            }
            news.await;
        }
    }

    /// The first line kept whose number is at least this and that `wanted` is true of, with its
    /// number. None where none is.
    pub(super) fn from(
        &self,
        number: u64,
        wanted: impl Fn(&Record) -> bool,
    ) -> Option<(u64, Record)> {
        let ring = self.ring.lock();
        let first = ring.first();
        let skipped = usize::try_from(number.saturating_sub(first)).ok()?;
        let mut rest = ring.records.iter().enumerate().skip(skipped);
        rest.find(|(_, record)| wanted(record))
            .map(|(at, record)| (first + at as u64, record.clone()))
    }

    /// The number of the first line that is kept, or of the next one to come.
    pub(super) fn oldest(&self) -> u64 {
        self.ring.lock().first()
    }

    /// The number of the first line kept that `wanted` is true of, or of the next one to come.
    pub(super) fn first(&self, wanted: impl Fn(&Record) -> bool) -> u64 {
        let ring = self.ring.lock();
        let at = ring.records.iter().position(wanted).unwrap_or(ring.records.len());
        ring.first() + at as u64
    }

    /// The places, among the lines of all plugins, of those kept from this number on that `wanted`
    /// is true of.
    pub(super) fn orders(
        &self,
        number: u64,
        wanted: impl Fn(&Record) -> bool,
        into: &mut Vec<u64>,
    ) {
        let ring = self.ring.lock();
        let skipped = usize::try_from(number.saturating_sub(ring.first())).unwrap_or(usize::MAX);
        let rest = ring.records.iter().skip(skipped).filter(|record| wanted(record));
        into.extend(rest.map(|record| record.order));
    }
}

// === impl Ring ===

impl Ring {
    fn push(&mut self, record: Record) {
        self.printed += 1;
        self.bytes += cost(&record);
        self.records.push_back(record);
        self.fit();
    }

    /// Lets the oldest go until the rest has room.
    fn fit(&mut self) {
        while self.bytes > self.limit
            && let Some(oldest) = self.records.pop_front()
        {
            self.bytes -= cost(&oldest);
        }
    }

    /// The number of the oldest that is kept, or of the next to come.
    fn first(&self) -> u64 {
        self.printed + 1 - self.records.len() as u64
    }
}

fn cost(record: &Record) -> usize {
    record.line.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printout(ring: usize) -> Printout {
        Printout::new("p", &LogPolicy { ring, ..LogPolicy::default() })
    }

    fn record(order: u64, text: &[u8]) -> Record {
        let (at, stream) = (SystemTime::UNIX_EPOCH, Stream::Stdout);
        let line = Line::new(text, false);
        Record { order, at, instance: None, generation: 1, stream, line }
    }

    #[test]
    fn lines_keep_their_numbers_when_older_ones_go() {
        let printout = printout(3 * (OVERHEAD + 1));
        assert!(printout.from(0, |_| true).is_none());
        for order in 1..=5 {
            printout.push(record(order, b"x"));
        }
        let (number, oldest) = printout.from(1, |_| true).unwrap();
        assert_eq!((number, oldest.order), (3, 3));
        assert_eq!(printout.from(5, |_| true).unwrap().0, 5);
        assert!(printout.from(6, |_| true).is_none());
        assert_eq!(printout.first(|record| record.order >= 4), 4);
        assert_eq!(printout.first(|_| false), 6);
        let tally = printout.tally();
        assert_eq!((tally.lines, tally.kept), (5, 3));
    }

    #[test]
    fn the_next_program_goes_on_with_the_lines_and_their_numbers() {
        let before = printout(3 * (OVERHEAD + 3));
        for order in 1..=5 {
            before.push(record(order, b"a\xff\x00"));
        }
        before.push(record(6, "é".as_bytes()));
        before.lost_to_log(2);
        let text = serde_json::to_vec(&before.hand_over()).unwrap();
        let after = Printout::resume(serde_json::from_slice(&text).unwrap());
        assert_eq!(after.tally(), before.tally());
        after.follow(&LogPolicy { ring: 3 * (OVERHEAD + 3), ..LogPolicy::default() });
        after.push(record(7, b"new"));
        let kept = [5, 6, 7].map(|number| after.from(number, |_| true).unwrap());
        assert_eq!(
            kept.each_ref().map(|(number, record)| (*number, record.order)),
            [(5, 5), (6, 6), (7, 7)]
        );
        let lines = kept.each_ref().map(|(_, record)| record.line.bytes());
        assert_eq!(lines, [b"a\xff\x00".as_slice(), "é".as_bytes(), b"new"]);
        assert_eq!(after.tally().lines, 7);
    }

    #[test]
    fn a_smaller_limit_lets_go_at_once_and_what_is_not_printed_takes_no_memory() {
        let printout = printout(1 << 20);
        assert_eq!(printout.ring.lock().records.capacity(), 0);
        for order in 1..=5 {
            printout.push(record(order, b"x"));
        }
        printout.follow(&LogPolicy { ring: OVERHEAD + 1, ..LogPolicy::default() });
        assert_eq!(printout.tally().kept, 1);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_within_the_limit(
            limit in 0usize..4000,
            lengths in prop::collection::vec(0usize..2000, 0..50),
        ) {
            let printout = printout(limit);
            for (order, length) in lengths.iter().enumerate() {
                printout.push(record(order as u64, &vec![b'x'; *length]));
                let ring = printout.ring.lock();
                prop_assert!(ring.bytes <= limit);
                prop_assert_eq!(ring.bytes, ring.records.iter().map(cost).sum::<usize>());
            }
            prop_assert_eq!(printout.tally().lines, lengths.len() as u64);
        }
    }
}
