//! Where a plugin's state is shown, and every change of it goes into the journal.

use tokio::sync::watch;

use super::PluginStatus;
use crate::events::{Journal, Seen};

/// The state of one plugin, written by the plugin's task alone.
#[derive(Debug)]
pub(crate) struct Board {
    status: watch::Sender<PluginStatus>,
    journal: Journal,
}

impl Board {
    /// A board that shows `status`, and where others see it.
    pub(crate) fn new(
        status: PluginStatus,
        journal: Journal,
    ) -> (Self, watch::Receiver<PluginStatus>) {
        let (status, seen) = watch::channel(status);
        (Self { status, journal }, seen)
    }

    /// Changes what is shown. No change is missed by the journal, however soon the next follows.
    pub(crate) fn send_modify(&self, change: impl FnOnce(&mut PluginStatus)) {
        self.status.send_modify(|status| {
            let before = Seen::of(status);
            change(status);
            before.tell(status, &self.journal);
        });
    }

    /// What is shown. No change is made while this is held.
    pub(crate) fn borrow(&self) -> watch::Ref<'_, PluginStatus> {
        self.status.borrow()
    }
}
