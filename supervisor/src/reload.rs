//! A reload: `plugins.toml` is read again, and what differs is changed while everything runs.
//!
//! One task does it, one reload after the other, so whoever asks meanwhile waits for his turn. A file
//! that is wrong changes nothing. What a change does to one plugin or component does not hold up the
//! others, and what fails is told with its reason.

mod apply;
mod configured;
mod hearer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use replug_runtime::registry::Registry;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use self::hearer::{ComponentNews, Hearer};
use crate::events::{Kind, about};
use crate::files::{FileEvent, FileWatch, Watching};
use crate::notify::Notify;
use crate::plan::{Change, Checked, Diagnostic, Plan, Severity};
use crate::sockets::SocketWatch;
use crate::supervisor::Supervisor;

/// The feature of a Configuration that has changed files read by themselves.
pub const HOT_RELOAD: &str = "HotReload";

/// Where reloads are asked for. Clones ask the same [`Reloader`].
#[derive(Debug, Clone)]
pub struct Reload {
    asked: mpsc::Sender<Asked>,
    source: Source,
}

/// What is to be examined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Examined {
    /// What everything follows, as it is now.
    Present,
    /// A text in the place of the file of that.
    Text(String),
    /// Another file.
    File(PathBuf),
}

/// Does the reloads.
#[derive(Debug)]
pub struct Reloader {
    asked: mpsc::Receiver<Asked>,
    /// The plan that everything follows now.
    present: watch::Sender<Plan>,
    source: Source,
    supervisor: Arc<Supervisor>,
    registry: Arc<Registry>,
    notify: Arc<Notify>,
    watch: SocketWatch,
    /// Initialisations that nobody waits for any more.
    late: JoinSet<()>,
    /// What was wrong with resources when they were read last.
    told: Vec<Diagnostic>,
    /// Who hears of components.
    hearer: Hearer,
}

/// Where plans come from. Asking may block on the file system.
#[derive(Clone)]
pub struct Source(Arc<dyn Fn(Wanted<'_>) -> Checked + Send + Sync>);

/// Which plan is wanted.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'p> {
    /// The one that everything that it is read from makes now. What a file of resources that is
    /// broken declared in this one, stays.
    Everything(Option<&'p Plan>),
    /// This one, with its resources as they are now.
    Resources(&'p Plan),
    /// One that is only looked at: this text, as if it stood in the file of the plan.
    Text(&'p str),
    /// The same for another file.
    File(&'p Path),
}

impl Source {
    /// Asks this for plans.
    pub fn new(read: impl Fn(Wanted<'_>) -> Checked + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

/// A reload that has been asked for.
#[derive(Debug)]
struct Asked {
    dry_run: bool,
    answer: oneshot::Sender<Result<Reloaded, ReloadError>>,
}

/// What came of a reload.
#[derive(Debug)]
pub struct Reloaded {
    /// The file as it was read, with its warnings.
    pub checked: Checked,
    /// What was changed, or would be.
    pub change: Change,
    /// What of it did not end well.
    pub failed: Vec<Failed>,
}

/// A part of a change that did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// `plugin` or `component`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Why, for people.
    pub reason: String,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file is wrong.
    #[error("plugins.toml is wrong: nothing was changed")]
    Wrong(Box<Checked>),
    /// Everything is being stopped, or handed over to another program.
    #[error("replug is being stopped or upgraded: nothing is changed now")]
    Stopping,
}

// === impl Reload ===

impl Reload {
    /// Has the file read again and what differs changed, or with `dry_run` only said what that would
    /// be. Returns when it is done, after those that were asked for before. Dropping the future
    /// changes nothing about that.
    pub async fn ask(&self, dry_run: bool) -> Result<Reloaded, ReloadError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.asked.send(Asked { dry_run, answer }).await;
        sent.map_err(|_| ReloadError::Stopping)?;
        answered.await.unwrap_or(Err(ReloadError::Stopping))
    }

    /// What is to be said of a plan, read as a reload would read it. Changes nothing.
    pub async fn examine(&self, what: Examined) -> Result<Checked, ReloadError> {
        let source = self.source.clone();
        read(move || match &what {
            Examined::Present => (source.0)(Wanted::Everything(None)),
            Examined::Text(text) => (source.0)(Wanted::Text(text)),
            Examined::File(file) => (source.0)(Wanted::File(file)),
        })
        .await
    }
}

// === impl Reloader ===

impl Reloader {
    /// What reads plans from `source`; `present` is the one that everything was started with, and
    /// `told` what the start has told of it. Its resource folders are watched with `watch`.
    #[must_use]
    pub fn new(
        present: Plan,
        told: Vec<Diagnostic>,
        source: Source,
        watch: SocketWatch,
        supervisor: Arc<Supervisor>,
        registry: Arc<Registry>,
        notify: Arc<Notify>,
    ) -> (Self, Reload) {
        /// Reloads that may wait; whoever asks beyond that waits to be let in.
        const WAITING: usize = 4;
        let (sender, asked) = mpsc::channel(WAITING);
        let reload = Reload { asked: sender, source: source.clone() };
        let (late, present) = (JoinSet::new(), watch::Sender::new(present));
        let hearer = Hearer::default();
        let reloader = Self {
            asked,
            present,
            source,
            supervisor,
            registry,
            notify,
            watch,
            late,
            told,
            hearer,
        };
        (reloader, reload)
    }

    /// Has this hear what reloads make of components.
    #[must_use]
    pub fn heard_by(self, hearer: Hearer) -> Self {
        Self { hearer, ..self }
    }

    /// The plan that everything follows, whenever that is looked at.
    #[must_use]
    pub fn present(&self) -> watch::Receiver<Plan> {
        self.present.subscribe()
    }

    /// Does what is asked for until the sender of `end` is dropped; a reload that is under way then
    /// is done to its end. Dropping the future leaves it as it is. In either case everybody who
    /// waits is told that nothing is changed.
    pub async fn run(mut self, mut end: oneshot::Receiver<()>) {
        let mut folders = self.folders();
        let mut files = self.watched(&folders);
        loop {
            tokio::select! {
                biased;
                _ = &mut end => return,
                asked = self.asked.recv() => {
                    let Some(Asked { dry_run, answer }) = asked else { return };
                    while self.late.try_join_next().is_some() {}
                    let done = self.reload(dry_run).await;
                    // Whoever asked may have stopped waiting.
                    let _ = answer.send(done);
                }
                () = changed(files.as_mut()) => {
                    // Told by whoever does it.
                    let _ = self.reload_resources().await;
                }
            }
            let now = self.folders();
            if now != folders {
                files = self.watched(&now);
                folders = now;
            }
        }
    }

    /// Where resources change by themselves; none where the configuration has that turned off.
    fn folders(&self) -> Vec<PathBuf> {
        let present = self.present.borrow();
        let hot = present.configuration.feature(HOT_RELOAD, true);
        if hot { present.runtime.resources.clone() } else { Vec::new() }
    }

    /// Writes down what came of it, for those who follow the events.
    fn record(&self, text: &str) {
        self.supervisor.journal().record(about("", Kind::Reload, text));
    }

    async fn reload(&mut self, dry_run: bool) -> Result<Reloaded, ReloadError> {
        let begun = Instant::now();
        let present = self.present.borrow().clone();
        let (source, before) = (self.source.clone(), present.clone());
        let checked = read(move || (source.0)(Wanted::Everything(Some(&before)))).await?;
        let Some(plan) = &checked.plan else {
            return Err(self.refuse("plugins.toml", checked));
        };
        let change = Change::between(&present, plan);
        if dry_run {
            return Ok(Reloaded { checked, change, failed: Vec::new() });
        }
        configured::tell(&present.resources, &plan.resources);
        self.told.clone_from(&checked.diagnostics);
        self.change_to(checked, change, begun).await
    }

    /// Reads the resources alone again.
    async fn reload_resources(&mut self) -> Result<Reloaded, ReloadError> {
        let begun = Instant::now();
        let present = self.present.borrow().clone();
        let (source, before) = (self.source.clone(), present.clone());
        let mut checked = read(move || (source.0)(Wanted::Resources(&before))).await?;
        // The folders are read for every change in them: what has been told of is told once.
        let all = checked.diagnostics.clone();
        checked.diagnostics.retain(|diagnostic| !self.told.contains(diagnostic));
        self.told = all;
        let Some(plan) = &checked.plan else {
            if checked.diagnostics.is_empty() {
                return Err(ReloadError::Wrong(Box::new(checked)));
            }
            return Err(self.refuse("a resource", checked));
        };
        if plan.resources.configurations != present.resources.configurations {
            // Everything is read again, these resources too, and told as it is then.
            return self.reload(false).await;
        }
        let change = Change::between(&present, plan);
        if change.is_empty() {
            warn(&checked);
            return Ok(Reloaded { checked, change, failed: Vec::new() });
        }
        self.change_to(checked, change, begun).await
    }

    fn refuse(&self, what: &str, checked: Checked) -> ReloadError {
        tracing::error!("{what} is read again and is wrong: nothing is changed");
        for diagnostic in &checked.diagnostics {
            tracing::error!("{diagnostic}");
        }
        self.record(&format!("{what} is wrong: nothing was changed"));
        ReloadError::Wrong(Box::new(checked))
    }

    /// What tells of changes in resource folders, where there are any.
    fn watched(&self, folders: &[PathBuf]) -> Option<FileWatch> {
        let watching = |path: &PathBuf| {
            if path.is_dir() {
                // Its own files, and none below.
                Watching::Glob { base: path.clone(), pattern: "*".to_owned() }
            } else {
                Watching::Path(path.clone())
            }
        };
        let what: Vec<_> = folders.iter().map(watching).collect();
        (!what.is_empty()).then(|| FileWatch::of_what_was_read(self.watch.clone(), what))
    }

    async fn change_to(
        &mut self,
        checked: Checked,
        change: Change,
        begun: Instant,
    ) -> Result<Reloaded, ReloadError> {
        warn(&checked);
        let read = begun.elapsed();
        self.notify.reloading("reloading").await;
        let failed = self.apply(&change).await;
        self.notify.reloaded(&self.supervisor).await;
        let rest = begun.elapsed().saturating_sub(read);
        tell(&change, &failed);
        tracing::debug!("reload: {read:.1?} to read and compare, {rest:.1?} to change");
        let lines = change.to_string();
        self.record(&lines.lines().collect::<Vec<_>>().join("; "));
        Ok(Reloaded { checked, change, failed: failed? })
    }
}

/// Tells what is to be told of what was read, and keeps nothing from being changed.
fn warn(checked: &Checked) {
    let is_broken = |it: &Diagnostic| it.severity == Severity::Error;
    if checked.diagnostics.iter().any(is_broken) {
        tracing::error!("a resource is read again and is wrong: what its file declared stays");
    }
    for diagnostic in &checked.diagnostics {
        if is_broken(diagnostic) {
            tracing::error!("{diagnostic}");
        } else {
            tracing::warn!("{diagnostic}");
        }
    }
}

/// Waits until resources have changed and are written no more; for ever where there are none.
async fn changed(files: Option<&mut FileWatch>) {
    let Some(files) = files else { return std::future::pending().await };
    loop {
        match files.next().await {
            FileEvent::Changed { .. } => return,
            FileEvent::Trouble(reason) => {
                tracing::warn!("changes of resources are not seen: {reason}");
            }
        }
    }
}

/// Reads beside everything else: files may be on a disk that is slow.
async fn read(read: impl FnOnce() -> Checked + Send + 'static) -> Result<Checked, ReloadError> {
    // It only fails where everything is being stopped: reading does not panic.
    tokio::task::spawn_blocking(read).await.map_err(|_| ReloadError::Stopping)
}

fn tell(change: &Change, failed: &Result<Vec<Failed>, ReloadError>) {
    for line in change.to_string().lines() {
        tracing::info!("reload: {line}");
    }
    match failed {
        Ok(failed) => {
            for Failed { kind, name, reason } in failed {
                tracing::error!("reload: {kind} {name}: {reason}");
            }
        }
        Err(error) => tracing::warn!("reload: {error}"),
    }
}
