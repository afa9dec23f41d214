//! The ends of a link: a connection for each of the plugin's processes that serves the component.
//!
//! A call takes the end with the least to do. Which ends there are is kept in a roll, by the seat
//! that each belongs to; what calls see of the roll is a snapshot of those that are initialised and
//! take calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::connection::UnderWay;
use super::{Connection, Learned, Seat};
use crate::gate::GateState;

/// The ends that take calls: at least one.
#[derive(Debug, Clone)]
pub(super) struct Ends(Arc<[Connection]>);

/// Everybody who has an end of a link, or is about to.
#[derive(Debug)]
pub(super) struct Roll {
    entries: Vec<Entry>,
    /// Why there is no end, while there is none.
    absence: Arc<str>,
    /// Why there is never to be one any more.
    closed: Option<Arc<str>>,
    /// Why nobody is to wait for one any more.
    parting: Option<Arc<str>>,
    /// How many initialisations there were after which something could last.
    begun: u64,
}

/// An end over which the component is initialised: where what lasts is open. Each initialisation
/// makes another one.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    /// Tells it from every other of the link.
    pub(crate) number: u64,
    /// The way to it.
    pub(crate) connection: Connection,
}

#[derive(Debug)]
struct Entry {
    seat: Seat,
    connection: Connection,
    /// It takes no calls before it is admitted.
    standby: bool,
    standing: Standing,
    /// Which stage it is, once the component is initialised.
    stage: Option<u64>,
}

/// How far the component is initialised over one end.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// It is not yet.
    Awaited,
    /// It is.
    Ready(Learned),
    /// What it needs besides its plugin is away: a secret store.
    Waits(Arc<str>),
    /// Its initialisation failed, with this.
    Failed(Arc<str>),
}

// === impl Ends ===

impl Ends {
    /// Begins a call at the end with the least calls under way. `turn` goes round among those that
    /// have equally few. None where all of them are being drained: then there are others by now.
    pub(super) fn admit(&self, turn: &AtomicUsize) -> Option<UnderWay> {
        if let [only] = &*self.0 {
            return only.admit();
        }
        let first = turn.fetch_add(1, Ordering::Relaxed) % self.0.len();
        let (before, from) = self.0.split_at(first);
        let least = from.iter().chain(before).min_by_key(|end| end.calls())?;
        least.admit().or_else(|| self.0.iter().find_map(Connection::admit))
    }
}

// === impl Roll ===

impl Roll {
    pub(super) fn new(absence: &str) -> Self {
        Self { entries: Vec::new(), absence: absence.into(), closed: None, parting: None, begun: 0 }
    }

    /// What the roll means for callers.
    pub(super) fn state(&self) -> GateState<Ends> {
        if let Some(reason) = &self.closed {
            return GateState::Shut(reason.clone());
        }
        let ends: Arc<[Connection]> = self
            .entries
            .iter()
            .filter(|entry| !entry.standby && matches!(entry.standing, Standing::Ready(_)))
            .map(|entry| entry.connection.clone())
            .collect();
        if !ends.is_empty() {
            return GateState::Open(Ends(ends));
        }
        let failed = self.entries.iter().find_map(|entry| match &entry.standing {
            Standing::Failed(reason) if !entry.standby => Some(reason.clone()),
            _ => None,
        });
        if let Some(reason) = failed.or_else(|| self.parting.clone()) {
            return GateState::Shut(reason);
        }
        let waits = self.entries.iter().find_map(|entry| match &entry.standing {
            Standing::Waits(reason) if !entry.standby => Some(reason.clone()),
            _ => None,
        });
        GateState::Held(waits.unwrap_or_else(|| self.absence.clone()))
    }

    /// Whether the last initialisation over one end at least failed.
    pub(super) fn has_failed(&self) -> bool {
        let failed =
            |entry: &Entry| matches!(entry.standing, Standing::Failed(_) | Standing::Waits(_));
        self.entries.iter().any(failed)
    }

    /// Somebody has an end that is about to be initialised. A newer one of the same seat stays,
    /// while it is of use; this says whether.
    pub(super) fn expect(&mut self, seat: Seat, connection: &Connection, standby: bool) -> bool {
        let newer = |entry: &Entry| {
            entry.connection.id() > connection.id() && !entry.connection.is_closed()
        };
        if self.entry(seat).is_some_and(newer) {
            return false;
        }
        self.entries.retain(|entry| entry.seat != seat);
        let (connection, standing) = (connection.clone(), Standing::Awaited);
        self.entries.push(Entry { seat, connection, standby, standing, stage: None });
        true
    }

    /// What came of an initialisation. One that was expected no more changes nothing. Gives what
    /// counts from now on of what was learned by it.
    pub(super) fn settle(
        &mut self,
        seat: Seat,
        connection: &Connection,
        standing: Standing,
    ) -> Option<&Learned> {
        let entry = self.entries.iter_mut().find(|entry| entry.seat == seat)?;
        if entry.connection.id() != connection.id() {
            return None;
        }
        entry.standing = standing;
        entry.counts()
    }

    /// The component is initialised over this connection, once more perhaps.
    pub(super) fn begin(&mut self, connection: &Connection) {
        let mut entries = self.entries.iter_mut();
        if let Some(entry) = entries.find(|entry| entry.connection.id() == connection.id()) {
            self.begun += 1;
            entry.stage = Some(self.begun);
        }
    }

    /// Where what lasts is to be open: at ends that take calls, or are about to. None once the link
    /// is closed.
    pub(super) fn stages(&self) -> Option<Vec<Stage>> {
        let stage = |entry: &Entry| {
            let connection = entry.connection.clone();
            let usable = !entry.standby && !matches!(entry.standing, Standing::Failed(_));
            usable.then_some(Stage { number: entry.stage?, connection })
        };
        let there = self.entries.iter();
        self.closed.is_none().then(|| there.filter_map(stage).collect())
    }

    /// Lets the seat's end take calls.
    pub(super) fn admit(&mut self, seat: Seat) -> Option<&Learned> {
        let entry = self.entries.iter_mut().find(|entry| entry.seat == seat)?;
        entry.standby = false;
        entry.counts()
    }

    /// Takes ends out: those of one seat, or all. `reason` is what callers are told should none be
    /// left.
    pub(super) fn remove(&mut self, seat: Option<Seat>, reason: &str) {
        self.entries.retain(|entry| seat.is_some_and(|seat| entry.seat != seat));
        self.absence = reason.into();
    }

    /// The same for one connection, if it has an end. Says whether.
    pub(super) fn lose(&mut self, connection: &Connection, reason: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.connection.id() != connection.id());
        let lost = self.entries.len() < before;
        if lost {
            self.absence = reason.into();
        }
        lost
    }

    /// There is to be no end any more.
    pub(super) fn close(&mut self, reason: &str) {
        self.entries.clear();
        self.closed = Some(reason.into());
    }

    /// Nobody is to wait for an end any more; calls go to those that there are.
    pub(super) fn part(&mut self, reason: &str) {
        self.parting = Some(reason.into());
    }

    /// How the seat's end stands, if it has one.
    pub(super) fn standing(&self, seat: Seat) -> Option<(&Connection, &Standing)> {
        self.entry(seat).map(|entry| (&entry.connection, &entry.standing))
    }

    fn entry(&self, seat: Seat) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.seat == seat)
    }
}

// === impl Entry ===

impl Entry {
    fn counts(&self) -> Option<&Learned> {
        match &self.standing {
            Standing::Ready(learned) if !self.standby => Some(learned),
            _ => None,
        }
    }
}
