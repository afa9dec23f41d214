//! Where a plugin's state is shown, and every change of it goes into the journal.
//!
//! Each of the plugin's processes has a [`Panel`], which its task alone writes. What all of them
//! amount to is on the plugin's [`Board`], and changes with them: whoever looks there after a change
//! finds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::PluginStatus;
use super::whole::whole;
use crate::events::{Journal, Seen};

/// The state of one plugin as a whole.
#[derive(Debug)]
pub(crate) struct Board {
    /// How its processes stand, by their numbers.
    parts: Mutex<BTreeMap<u32, Arc<PluginStatus>>>,
    shown: watch::Sender<PluginStatus>,
    journal: Journal,
}

/// The state of one of a plugin's processes, written by its task alone.
#[derive(Debug)]
pub(crate) struct Panel {
    board: Arc<Board>,
    instance: u32,
    status: watch::Sender<PluginStatus>,
}

// === impl Board ===

impl Board {
    /// A board that shows `status` until there are processes, and where others see it.
    pub(crate) fn new(status: PluginStatus, journal: Journal) -> (Arc<Self>, Seeing) {
        let (shown, seeing) = watch::channel(status);
        (Arc::new(Self { parts: Mutex::default(), shown, journal }), seeing)
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<u32, Arc<PluginStatus>>)) {
        // Held until it is shown: an older state never comes after a newer one.
        let mut parts = self.parts.lock();
        change(&mut parts);
        if !parts.is_empty() {
            self.shown.send_modify(|shown| *shown = whole(shown, &parts));
        }
    }
}

/// Where somebody sees how a plugin, or one of its processes, stands.
pub(crate) type Seeing = watch::Receiver<PluginStatus>;

// === impl Panel ===

impl Panel {
    /// The panel of one process, and where others see it.
    pub(crate) fn new(board: Arc<Board>, instance: u32, status: PluginStatus) -> (Self, Seeing) {
        let first = Arc::new(status.clone());
        board.change(|parts| drop(parts.insert(instance, first)));
        let (status, seeing) = watch::channel(status);
        (Self { board, instance, status }, seeing)
    }

    /// Changes what is shown. No change is missed by the journal, however soon the next follows.
    pub(crate) fn send_modify(&self, change: impl FnOnce(&mut PluginStatus)) {
        self.status.send_modify(|status| {
            let before = Seen::of(status);
            change(status);
            let now = Arc::new(status.clone());
            // Before it is told: whoever hears of it finds it so.
            self.board.change(|parts| drop(parts.insert(self.instance, now)));
            before.tell(status, &self.board.journal);
        });
    }

    /// What is shown. No change is made while this is held.
    pub(crate) fn borrow(&self) -> watch::Ref<'_, PluginStatus> {
        self.status.borrow()
    }
}

impl Drop for Panel {
    fn drop(&mut self) {
        self.board.change(|parts| drop(parts.remove(&self.instance)));
    }
}
