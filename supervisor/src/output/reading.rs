//! Reads what plugins have printed, of several in the order in which it was printed, and goes on
//! with what they print next.
//!
//! A reading holds no lines, only how far it has come in each printout. One that is slow finds that
//! the oldest lines are gone, and tells how many; it holds up nobody.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;

use super::printout::{Printout, Record};
use super::said::Said;
use super::writer::Printouts;
use super::{PluginLog, Stream};
use crate::instance;

/// What is to be read.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of these plugins, or of one process of one (`NAME@2`); of all, those to come included, where
    /// none is named.
    pub plugins: Vec<String>,
    /// Goes on with what is printed next.
    pub follow: bool,
    /// At most so many of the lines that are there already, the last ones.
    pub last: Option<usize>,
    /// None that was printed before.
    pub since: Option<SystemTime>,
}

/// A line that was printed.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Who printed it.
    pub plugin: Arc<str>,
    /// Which of its processes, where there were several.
    pub instance: Option<u32>,
    /// Which life of it.
    pub generation: u64,
    /// Which line of the plugin it is, from 1 on, through all its lives.
    pub number: u64,
    /// When it was read.
    pub at: SystemTime,
    /// Where it was printed to.
    pub stream: Stream,
    /// What it says.
    pub said: Said,
    /// So many lines of the plugin before it are gone already, and were not shown.
    pub missed: u64,
}

/// A reading that is under way.
pub struct Reading {
    follow: bool,
    /// Plugins that are yet to come, where they are wanted.
    to_come: Option<watch::Receiver<Printouts>>,
    sources: Vec<Source>,
    /// The next line of each source that has one: its place among all lines, and the source.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    /// The sources that have none, until they do.
    waiting: FuturesUnordered<BoxFuture<'static, usize>>,
}

/// How far the reading has come in one printout.
struct Source {
    printout: Arc<Printout>,
    /// The process whose lines alone are wanted.
    only: Option<u32>,
    /// The number of the next line.
    next: u64,
    /// The number of the last one that is wanted.
    until: u64,
}

impl Reading {
    /// Begins. A plugin that nothing is kept of is passed over.
    #[must_use]
    pub fn begin(log: &PluginLog, wanted: &Wanted) -> Self {
        let mut known = log.printouts();
        let printouts: Vec<_> = known
            .borrow_and_update()
            .values()
            .flat_map(|printout| {
                let wanted = wanted_of(printout.plugin(), &wanted.plugins);
                wanted.into_iter().map(|only| (printout.clone(), only))
            })
            .collect();
        let mut reading = Self {
            follow: wanted.follow,
            to_come: (wanted.follow && wanted.plugins.is_empty()).then_some(known),
            sources: Vec::new(),
            heads: BinaryHeap::new(),
            waiting: FuturesUnordered::new(),
        };
        let since = wanted.since.unwrap_or(SystemTime::UNIX_EPOCH);
        for (printout, only) in printouts {
            let next = printout.first(|record| record.at >= since);
            let until = if wanted.follow { u64::MAX } else { printout.printed() };
            reading.sources.push(Source { printout, only, next, until });
        }
        if let Some(last) = wanted.last {
            reading.skip_to_last(last);
        }
        (0..reading.sources.len()).for_each(|source| reading.look(source));
        reading
    }

    /// The next line; waits for one where it follows. None when there is no more. Dropping the
    /// future loses nothing.
    pub async fn next(&mut self) -> Option<Shown> {
        loop {
            // Others may have printed since.
            while let Some(Some(source)) = self.waiting.next().now_or_never() {
                self.look(source);
            }
            if let Some(Reverse((_, source))) = self.heads.pop() {
                let shown = self.take(source);
                self.look(source);
                if shown.is_some() {
                    return shown;
                }
                continue;
            }
            if !self.follow {
                return None;
            }
            tokio::select! {
                Some(source) = self.waiting.next() => self.look(source),
                come = come(&mut self.to_come) => {
                    come?;
                    self.add_those_that_came();
                }
            }
        }
    }

    /// Leaves out all but the last lines of all that are there.
    fn skip_to_last(&mut self, last: usize) {
        let mut orders = Vec::new();
        for source in &self.sources {
            source.printout.orders(source.next, |record| source.wants(record), &mut orders);
        }
        let Some(skipped) = orders.len().checked_sub(last).filter(|skipped| *skipped > 0) else {
            return;
        };
        // All that are there, where none is wanted.
        let first = if last == 0 { u64::MAX } else { *orders.select_nth_unstable(skipped).1 };
        for source in &mut self.sources {
            let from = source.printout.first(|record| record.order >= first);
            source.next = source.next.max(from);
        }
    }

    /// Finds the source a place: among those that have a line, or among those that wait.
    fn look(&mut self, index: usize) {
        let source = &self.sources[index];
        // Before it is looked at: what comes meanwhile is no reason to wait.
        let printed = source.printout.printed();
        if let Some((_, record)) = source.peek() {
            self.heads.push(Reverse((record.order, index)));
        } else if self.follow {
            let (printout, before) = (source.printout.clone(), printed.max(source.next - 1));
            self.waiting.push(
                async move {
                    printout.printed_after(before).await;
                    index
                }
                .boxed(),
            );
        }
    }

    fn take(&mut self, index: usize) -> Option<Shown> {
        let source = &mut self.sources[index];
        let (number, record) = source.peek()?;
        let missed = source.printout.oldest().min(number).saturating_sub(source.next);
        source.next = number + 1;
        Some(Shown {
            plugin: source.printout.plugin().clone(),
            instance: record.instance,
            generation: record.generation,
            number,
            at: record.at,
            stream: record.stream,
            said: Said::by(&record.line),
            missed,
        })
    }

    fn add_those_that_came(&mut self) {
        let Some(to_come) = &mut self.to_come else { return };
        let new: Vec<_> = to_come
            .borrow_and_update()
            .values()
            .filter(|printout| {
                !self.sources.iter().any(|known| Arc::ptr_eq(&known.printout, printout))
            })
            .cloned()
            .collect();
        for printout in new {
            self.sources.push(Source { printout, only: None, next: 1, until: u64::MAX });
            self.look(self.sources.len() - 1);
        }
    }
}

impl Source {
    /// The next line that is there, with its number.
    fn peek(&self) -> Option<(u64, Record)> {
        let next = self.printout.from(self.next, |record| self.wants(record));
        next.filter(|(number, _)| *number <= self.until)
    }

    /// Whether it is a line of the process that is asked for. The first was alone once.
    fn wants(&self, record: &Record) -> bool {
        self.only.is_none_or(|only| record.instance.unwrap_or(1) == only)
    }
}

/// Which lines of a plugin are wanted: all (none), or those of some of its processes.
fn wanted_of(plugin: &str, names: &[String]) -> Vec<Option<u32>> {
    if names.is_empty() || names.iter().any(|name| name == plugin) {
        return vec![None];
    }
    let of_it = names.iter().filter_map(|name| instance::split(name));
    let mut some: Vec<_> =
        of_it.filter(|(name, _)| *name == plugin).map(|(_, number)| Some(number)).collect();
    some.sort_unstable();
    some.dedup();
    some
}

/// Waits until there are plugins that were not there; for ever, where none are wanted. None when
/// none can come any more.
async fn come(to_come: &mut Option<watch::Receiver<Printouts>>) -> Option<()> {
    match to_come {
        Some(to_come) => to_come.changed().await.ok(),
        None => std::future::pending().await,
    }
}
