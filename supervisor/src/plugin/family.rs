//! What the tasks of one plugin's processes have in common.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::events::Journal;
use crate::plan::PluginSpec;
use crate::status::{Board, Kind, PluginStatus, Seeing};

/// What the tasks of one plugin's processes have in common. Each holds it until it has ended.
#[derive(Debug, Clone)]
pub struct Family {
    /// Where the plugin is shown as a whole.
    pub(super) board: Arc<Board>,
    claimants: Claimants,
}

/// The same for those who keep nobody alive by it.
#[derive(Debug, Clone)]
pub(crate) struct WeakFamily {
    board: Weak<Board>,
    claimants: Claimants,
}

/// The processes of a plugin that serve, or are to serve again: while there is one, what the plugin
/// serves stays registered.
#[derive(Debug, Clone, Default)]
pub(super) struct Claimants(Arc<Mutex<BTreeSet<u32>>>);

// === impl Family ===

impl Family {
    /// Nobody yet, and where the plugin is seen as a whole.
    pub(crate) fn new(spec: &PluginSpec, journal: Journal) -> (Self, Seeing) {
        let shown = PluginStatus::new(&spec.name, Kind::Declared);
        let (board, seeing) = Board::new(shown, journal);
        (Self { board, claimants: Claimants::default() }, seeing)
    }

    pub(crate) fn downgrade(&self) -> WeakFamily {
        WeakFamily { board: Arc::downgrade(&self.board), claimants: self.claimants.clone() }
    }

    pub(super) fn claimants(&self) -> &Claimants {
        &self.claimants
    }
}

// === impl WeakFamily ===

impl WeakFamily {
    /// None where every task of the plugin has ended.
    pub(crate) fn upgrade(&self) -> Option<Family> {
        Some(Family { board: self.board.upgrade()?, claimants: self.claimants.clone() })
    }
}

// === impl Claimants ===

impl Claimants {
    /// This process is to serve.
    pub(super) fn join(&self, instance: u32) {
        self.0.lock().insert(instance);
    }

    /// This process does not serve, and is not to serve again by itself. Says whether any other is.
    pub(super) fn leave(&self, instance: u32) -> bool {
        let mut claimants = self.0.lock();
        claimants.remove(&instance);
        !claimants.is_empty()
    }
}
