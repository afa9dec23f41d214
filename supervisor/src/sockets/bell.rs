//! One inotify instance for all folders, through the `notify` crate.
//!
//! An event says nothing here but *look again*: it rings the bell of its folder, and whoever owns
//! the folder looks through it and compares. So nothing is lost or told twice, whatever the kernel
//! merged or dropped, and what waits to be told takes no memory: a bell that has rung twice has
//! rung.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Config, INotifyWatcher, RecursiveMode, Watcher};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::WatchError;

/// Watches folders. One for the whole of replug; a clone is the same watch.
#[derive(Clone)]
pub struct SocketWatch {
    /// None while the kernel gives no inotify instance; it is asked again for every folder.
    watcher: Arc<Mutex<Option<INotifyWatcher>>>,
    bells: Bells,
}

/// Who is to look again when something happens in a folder. Apart from the watcher, because the
/// watcher's thread rings while it may be asked for one more folder.
type Bells = Arc<Mutex<HashMap<PathBuf, Vec<Arc<Bell>>>>>;

/// Says that something has happened in a folder, not what. For one listener.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Notify,
    /// The folder, or one that stood at its path before, is gone, and the watch may be.
    lost: AtomicBool,
    /// Whether it rings when a file is written, too.
    writes: bool,
}

/// A folder that is watched for as long as this lives.
#[derive(Debug)]
pub(crate) struct Watched(Option<Watch>);

#[derive(Debug)]
struct Watch {
    by: SocketWatch,
    path: PathBuf,
    bell: Arc<Bell>,
}

impl SocketWatch {
    /// Starts watching, nothing so far. Where the kernel gives no inotify instance, which is logged,
    /// folders are looked through again and again until it does.
    #[must_use]
    pub fn new() -> Self {
        let bells = Bells::default();
        let watcher = watcher(&bells).inspect_err(|error| {
            tracing::error!("sockets of plugins are noticed late, by looking for them: {error}");
        });
        Self { watcher: Arc::new(Mutex::new(watcher.ok())), bells }
    }

    /// Lets `bell` ring whenever something happens in the folder. Blocks for a moment.
    pub(crate) fn add(&self, path: &Path, bell: Arc<Bell>) -> Result<Watched, WatchError> {
        // Held throughout, so that nobody ends the watch of this folder meanwhile.
        let mut watching = lock(&self.watcher);
        let inotify = match &mut *watching {
            Some(inotify) => inotify,
            none => none.insert(watcher(&self.bells)?),
        };
        lock(&self.bells).entry(path.to_owned()).or_default().push(bell.clone());
        // Also for a folder that is watched already: the path may lead to another folder by now.
        let watched = inotify.watch(path, RecursiveMode::NonRecursive);
        drop(watching);
        match watched {
            Ok(()) => Ok(Watched(Some(Watch { by: self.clone(), path: path.to_owned(), bell }))),
            Err(error) => {
                self.remove(path, &bell);
                Err(WatchError::from_notify(path, &error))
            }
        }
    }

    fn remove(&self, path: &Path, bell: &Arc<Bell>) {
        let mut watching = lock(&self.watcher);
        let mut bells = lock(&self.bells);
        let Some(of_path) = bells.get_mut(path) else { return };
        of_path.retain(|other| !Arc::ptr_eq(other, bell));
        if of_path.is_empty() {
            bells.remove(path);
            drop(bells);
            // Fails for a folder that is gone, with which the kernel's watch went.
            let _ = watching.as_mut().map(|inotify| inotify.unwatch(path));
        }
    }
}

impl Default for SocketWatch {
    fn default() -> Self {
        Self::new()
    }
}

/// An inotify instance, and the thread that reads it.
fn watcher(bells: &Bells) -> Result<INotifyWatcher, WatchError> {
    let rung = bells.clone();
    INotifyWatcher::new(move |event| ring(&lock(&rung), event), Config::default())
        .map_err(|error| WatchError::from_notify(Path::new(""), &error))
}

impl fmt::Debug for SocketWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketWatch").finish_non_exhaustive()
    }
}

// === impl Bell ===

impl Bell {
    /// A bell that rings when a file is written, too.
    pub(crate) fn of_writes() -> Self {
        Self { writes: true, ..Self::default() }
    }

    /// Rings. A bell that nobody has heard yet rings no louder.
    pub(super) fn ring(&self) {
        self.rung.notify_one();
    }

    /// Waits until it has rung since it was heard last. Dropping the future loses nothing.
    pub(crate) async fn heard(&self) {
        self.rung.notified().await;
    }

    /// Whether the watch may have been lost since this was asked last.
    pub(super) fn take_lost(&self) -> bool {
        self.lost.swap(false, Ordering::AcqRel)
    }
}

// === impl Watched ===

impl Watched {
    /// Ends the watch now. Blocks for a moment, which dropping does not.
    pub(crate) fn end(mut self) {
        if let Some(watch) = self.0.take() {
            watch.by.remove(&watch.path, &watch.bell);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(watch) = self.0.take() else { return };
        let end = move || watch.by.remove(&watch.path, &watch.bell);
        // Ending a watch waits for the watcher's thread, so it is done off the async threads.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(end)),
            Err(_) => end(),
        }
    }
}

/// Rings the bells of the folders that an event is about. On the watcher's own thread.
fn ring(bells: &HashMap<PathBuf, Vec<Arc<Bell>>>, event: notify::Result<notify::Event>) {
    let mut written = false;
    let (paths, lost) = match event {
        Ok(event) if !event.need_rescan() => match event.kind {
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => (event.paths, true),
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Metadata(_)) => {
                (event.paths, false)
            }
            EventKind::Modify(ModifyKind::Data(_))
            | EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                written = true;
                (event.paths, false)
            }
            // Opened, read: of no interest, and looking through a folder opens it.
            _ => return,
        },
        // Events were dropped, or cannot be read: everybody looks again, and hangs the bell anew.
        _ => {
            for bell in bells.values().flatten() {
                bell.lost.store(true, Ordering::Release);
                bell.ring();
            }
            return;
        }
    };
    for path in paths {
        for bell in bells.get(&path).into_iter().flatten() {
            // The folder itself. The watcher then drops what it watches under this path, even
            // where that is a new folder by now and the event is about the old one.
            bell.lost.fetch_or(lost, Ordering::AcqRel);
            bell.ring();
        }
        let above = path.parent().and_then(|folder| bells.get(folder));
        for bell in above.into_iter().flatten().filter(|bell| bell.writes || !written) {
            bell.ring();
        }
    }
}

/// What is locked here is whole between any two statements, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, Flag, RemoveKind};

    use super::*;

    /// Whether the bells of these folders have rung, and have lost their watch, after an event.
    fn after(event: notify::Event, folders: [&str; 2]) -> [(bool, bool); 2] {
        let bells = folders.map(|folder| (PathBuf::from(folder), vec![Arc::new(Bell::default())]));
        ring(&bells.clone().into(), Ok(event));
        bells.map(|(_, bells)| {
            let mut heard = std::pin::pin!(bells[0].heard());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            (heard.as_mut().poll(&mut context).is_ready(), bells[0].take_lost())
        })
    }

    fn event(kind: EventKind, path: &str) -> notify::Event {
        notify::Event::new(kind).add_path(path.into())
    }

    #[test]
    fn an_event_rings_in_its_own_folder_only() {
        let created = event(EventKind::Create(CreateKind::File), "/a/x.sock");
        assert_eq!(after(created, ["/a", "/b"]), [(true, false), (false, false)]);
    }

    #[test]
    fn a_look_through_a_folder_rings_nothing() {
        let read = event(EventKind::Access(AccessKind::Read), "/a");
        assert_eq!(after(read, ["/a", "/"]), [(false, false), (false, false)]);
    }

    #[test]
    fn a_file_that_is_written_rings_only_for_those_who_asked_for_that() {
        let written = event(EventKind::Modify(ModifyKind::Data(DataChange::Any)), "/a/x");
        assert_eq!(after(written, ["/a", "/b"]), [(false, false), (false, false)]);
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let bell = Arc::new(Bell::of_writes());
        ring(&[(PathBuf::from("/a"), vec![bell.clone()])].into(), Ok(event(closed, "/a/x")));
        let mut heard = std::pin::pin!(bell.heard());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(heard.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn a_folder_that_goes_rings_as_lost_and_its_parent_rings() {
        let gone = event(EventKind::Remove(RemoveKind::Folder), "/a/b");
        assert_eq!(after(gone, ["/a/b", "/a"]), [(true, true), (true, false)]);
    }

    #[test]
    fn everybody_looks_again_when_the_kernel_dropped_events() {
        let overflow = notify::Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(after(overflow, ["/a", "/b"]), [(true, true), (true, true)]);
    }

    #[test]
    fn a_watch_that_has_ended_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let watch = SocketWatch::new();
        let first = watch.add(folder.path(), Arc::default()).unwrap();
        let second = watch.add(folder.path(), Arc::default()).unwrap();
        first.end();
        assert_eq!(lock(&watch.bells)[folder.path()].len(), 1);
        second.end();
        assert!(lock(&watch.bells).is_empty());
        assert!(watch.add(&folder.path().join("missing"), Arc::default()).is_err());
        assert!(lock(&watch.bells).is_empty());
    }
}
