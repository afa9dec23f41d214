//! Where plugins' lines go: to tracing events and to files, by a thread each, which may block; no
//! async thread does.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tracing::Level;

use super::file::{News, PluginFile};
use super::handed::HandedPrintouts;
use super::printout::Printout;
use super::queue::{Printed, Queue, What};
use super::said::Said;
use super::{LogPolicy, TARGET};

/// How long the threads are waited for at the end, when the log or a disk is stuck.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The printouts of all plugins, by name.
pub(super) type Printouts = BTreeMap<Arc<str>, Arc<Printout>>;

/// What plugins have printed, and where it goes: to tracing events, with the target [`TARGET`] and
/// the fields `plugin`, `generation` and `stream`, and to files. One for the whole of replug; a
/// clone is the same.
#[derive(Debug, Clone)]
pub struct PluginLog {
    log: Queue,
    files: Queue,
    printouts: Arc<watch::Sender<Printouts>>,
    /// Lines so far, of all plugins.
    order: Arc<AtomicU64>,
}

/// Ends the threads of a [`PluginLog`].
#[derive(Debug)]
pub struct PluginLogEnd([oneshot::Receiver<()>; 2]);

// === impl PluginLog ===

impl PluginLog {
    /// Starts the threads. They end when the last clone is dropped and all lines are written;
    /// whoever ends replug waits for that with the second part.
    ///
    /// The events go to the global subscriber: see [`super::log::subscriber`].
    pub fn start() -> io::Result<(Self, PluginLogEnd)> {
        let (log, log_end) =
            Queue::start("replug-output", |printed| printed.drain(..).for_each(to_event))?;
        let (files, files_end) = Queue::start("replug-files", to_files)?;
        let (printouts, order) = (Arc::default(), Arc::default());
        Ok((Self { log, files, printouts, order }, PluginLogEnd([log_end, files_end])))
    }

    /// What becomes of a plugin's output from now on. What is kept of it stays, as far as it has
    /// room. From a generation's start on its file is as it was then.
    #[must_use]
    pub fn keep(&self, plugin: &str, policy: &LogPolicy) -> Arc<Printout> {
        let mut kept = None;
        self.printouts.send_if_modified(|printouts| {
            if let Some(printout) = printouts.get(plugin) {
                printout.follow(policy);
                kept = Some(printout.clone());
                return false;
            }
            let printout = Arc::new(Printout::new(plugin, policy));
            printouts.insert(printout.plugin().clone(), printout.clone());
            kept = Some(printout);
            true
        });
        kept.expect("either way it is set")
    }

    /// What another program of replug goes on with: the lines in memory, and the counts.
    #[must_use]
    pub fn hand_over(&self) -> HandedPrintouts {
        HandedPrintouts(self.printouts.borrow().values().map(|it| it.hand_over()).collect())
    }

    /// Goes on with what another program of replug has kept of those plugins that `is_declared`
    /// is true of. To be called before anything of them is kept here.
    pub fn resume(&self, handed: HandedPrintouts, is_declared: impl Fn(&str) -> bool) {
        let handed = handed.0.into_iter().filter(|printout| is_declared(&printout.plugin));
        self.printouts.send_modify(|printouts| {
            for handed in handed {
                let next = handed.records.last().map_or(0, |record| record.order + 1);
                self.order.fetch_max(next, Ordering::Relaxed);
                let printout = Arc::new(Printout::resume(handed));
                printouts.insert(printout.plugin().clone(), printout);
            }
        });
    }

    /// Forgets what a plugin has printed, which is not declared any more.
    pub fn forget(&self, plugin: &str) {
        self.printouts.send_if_modified(|printouts| printouts.remove(plugin).is_some());
    }

    /// What a plugin has printed; none where nothing was kept of it.
    #[must_use]
    pub fn printout(&self, plugin: &str) -> Option<Arc<Printout>> {
        self.printouts.borrow().get(plugin).cloned()
    }

    /// The names of all plugins whose output is kept, sorted.
    #[must_use]
    pub fn plugins(&self) -> Vec<Arc<str>> {
        self.printouts.borrow().keys().cloned().collect()
    }

    pub(super) fn printouts(&self) -> watch::Receiver<Printouts> {
        self.printouts.subscribe()
    }

    pub(super) fn to_log(&self) -> Queue {
        self.log.clone()
    }

    pub(super) fn to_files(&self) -> Queue {
        self.files.clone()
    }

    /// The next line's place among the lines of all plugins.
    pub(super) fn next_order(&self) -> u64 {
        self.order.fetch_add(1, Ordering::Relaxed)
    }
}

impl PluginLogEnd {
    /// Waits until everything that was printed is written, for as long as a log that is not stuck
    /// needs. Every [`PluginLog`] has to be dropped before.
    pub async fn written(self) {
        let all = futures_util::future::join_all(self.0);
        let _ = timeout(LAST_WORDS, all).await;
    }
}

/// Makes an event of a line.
fn to_event(printed: Printed) {
    let Printed { printout, instance, generation, stream, what } = printed;
    let label = instance.map(|_| crate::instance::name(printout.plugin(), instance));
    let plugin = label.as_deref().unwrap_or(printout.plugin());
    // An event's level is part of its place in the code.
    macro_rules! event {
        ($level:ident, $said:expr) => {
            if tracing::enabled!(target: TARGET, Level::$level) {
                let (message, fields) = (&$said.message, $said.json_fields());
                let fields = Some(fields.as_str()).filter(|fields| !fields.is_empty());
                tracing::event!(
                    target: TARGET,
                    Level::$level,
                    plugin,
                    generation,
                    %stream,
                    fields,
                    "{message}"
                );
            }
        };
    }
    match what {
        What::Line(record) => {
            let said = Said::by(&record.line);
            match said.level {
                Level::ERROR => event!(ERROR, said),
                Level::WARN => event!(WARN, said),
                Level::INFO => event!(INFO, said),
                Level::DEBUG => event!(DEBUG, said),
                Level::TRACE => event!(TRACE, said),
            }
        }
        What::Dropped(lines) => tracing::warn!(
            target: TARGET,
            plugin,
            generation,
            %stream,
            "{lines} lines are missing here: the log took none"
        ),
    }
}

/// Writes lines to their plugins' files.
fn to_files(printed: &mut Vec<Printed>) {
    let mut touched: Vec<(Arc<Printout>, Arc<PluginFile>)> = Vec::new();
    for Printed { printout, what, .. } in printed.drain(..) {
        // A plan that has none any more takes back what waits.
        let Some(file) = printout.file() else { continue };
        let full = match what {
            What::Line(record) => file.append(&record),
            What::Dropped(lines) => {
                file.missed(lines);
                false
            }
        };
        if full {
            flush(&printout, &file);
        }
        if !touched.iter().any(|(_, known)| Arc::ptr_eq(known, &file)) {
            touched.push((printout, file));
        }
    }
    for (printout, file) in touched {
        flush(&printout, &file);
    }
}

fn flush(printout: &Printout, file: &PluginFile) {
    let outcome = file.flush();
    if outcome.lost > 0 {
        printout.lost_to_file(outcome.lost);
    }
    let plugin = &**printout.plugin();
    match outcome.news {
        None => {}
        Some(News::Broken(why)) => {
            tracing::warn!(plugin, "what it prints cannot be written to its file: {why}");
        }
        Some(News::Mended(missing)) => tracing::warn!(
            plugin,
            "what it prints is written to its file again; {missing} lines are missing in it"
        ),
    }
}
