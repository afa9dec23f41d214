//! The entries, divided among locks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use replug_component::Error;
use tokio::time::Instant;

use super::entry::{Change, Entry};
use super::expiry::Alarm;
use crate::builtin::etag::Etags;

/// How many shards there are: more than writers that run at once on most machines.
const SHARDS: usize = 64;

/// All entries of a store.
pub(super) struct Shards {
    all: Box<[RwLock<Shard>]>,
    hasher: RandomState,
    etags: Etags,
    /// When the sweeper has to look next.
    pub(super) alarm: Alarm,
}

/// The entries of one shard.
#[derive(Default)]
pub(super) struct Shard {
    entries: HashMap<Arc<str>, Entry>,
    /// The entries that end, the next one first.
    ending: BTreeSet<(Instant, Arc<str>)>,
}

impl Shard {
    /// What is alive under the key.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.is_alive())
    }

    /// Puts an entry where there was `None` or another, or takes it away; gives what was there.
    fn replace(&mut self, key: &Arc<str>, entry: Option<Entry>) -> Option<Entry> {
        let ends = |entry: &Entry| entry.expiry.as_ref().map(|expiry| (expiry.at, key.clone()));
        self.ending.extend(entry.as_ref().and_then(ends));
        let new_end = entry.as_ref().and_then(ends);
        let old = match entry {
            Some(entry) => self.entries.insert(key.clone(), entry),
            None => self.entries.remove(key),
        };
        if let Some(end) = old.as_ref().and_then(ends).filter(|end| Some(end) != new_end.as_ref()) {
            self.ending.remove(&end);
        }
        old
    }

    /// Frees what has expired. Gives when the next entry does.
    fn free_expired(&mut self, now: Instant) -> Option<Instant> {
        while self.ending.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.ending.pop_first() {
                self.entries.remove(&key);
            }
        }
        if self.entries.len() * 4 < self.entries.capacity() {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        self.ending.first().map(|(at, _)| *at)
    }
}

impl Shards {
    pub(super) fn new() -> Self {
        Self {
            all: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            etags: Etags::new(),
            alarm: Alarm::default(),
        }
    }

    fn index(&self, key: &str) -> usize {
        // The remainder is below SHARDS, whatever is cut off before.
        #[allow(clippy::cast_possible_truncation)]
        let hash = self.hasher.hash_one(key) as usize;
        hash % SHARDS
    }

    /// Looks into the key's shard.
    pub(super) fn read_one<T>(&self, key: &str, look: impl FnOnce(&Shard) -> T) -> T {
        look(&read(&self.all[self.index(key)]))
    }

    /// The shards of several keys, as they are at one moment.
    pub(super) fn read_several<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Several<'_> {
        let indices: BTreeSet<_> = keys.map(|key| self.index(key)).collect();
        let locked = indices.into_iter().map(|index| (index, read(&self.all[index]))).collect();
        Several { of: self, locked }
    }

    /// Carries out one change.
    pub(super) fn change(&self, change: Change) -> Result<(), Error> {
        let lock = &self.all[self.index(&change.key)];
        let mut shard = lock.write().unwrap_or_else(PoisonError::into_inner);
        self.apply(&mut shard, change).map(|_undo| ())
    }

    /// Carries out all changes, in their order, or none. Nobody sees some of them.
    pub(super) fn change_together(&self, changes: Vec<Change>) -> Result<(), Error> {
        let indices: BTreeSet<_> = changes.iter().map(|change| self.index(&change.key)).collect();
        // In the order of the shards, as everybody who locks several: no two wait for each other.
        let mut locked: BTreeMap<_, _> = indices
            .into_iter()
            .map(|i| (i, self.all[i].write().unwrap_or_else(PoisonError::into_inner)))
            .collect();
        let mut undo = Vec::with_capacity(changes.len());
        for change in changes {
            let index = self.index(&change.key);
            let Some(shard) = locked.get_mut(&index) else {
                continue; // Cannot be: the shard of every change is locked.
            };
            match self.apply(shard, change) {
                Ok((key, old)) => undo.push((index, key, old)),
                Err(error) => {
                    for (index, key, old) in undo.into_iter().rev() {
                        if let Some(shard) = locked.get_mut(&index) {
                            shard.replace(&key, old);
                        }
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Carries out a change in its shard. Gives what it takes to undo it.
    fn apply(&self, shard: &mut Shard, change: Change) -> Result<(Arc<str>, Option<Entry>), Error> {
        change.check(shard.get(&change.key))?;
        let key = match shard.entries.get_key_value(change.key.as_str()) {
            Some((key, _)) => key.clone(),
            None => change.key.into(),
        };
        let entry = change.value.map(|(value, expiry)| {
            if let Some(expiry) = &expiry {
                self.alarm.set(expiry.at);
            }
            Entry { value, etag: self.etags.next(), expiry }
        });
        let old = shard.replace(&key, entry);
        Ok((key, old))
    }

    /// The living entries of each shard, shard after shard.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = Vec<(Arc<str>, Entry)>> {
        self.all.iter().map(|lock| {
            let shard = read(lock);
            let alive = shard.entries.iter().filter(|(_, entry)| entry.is_alive());
            alive.map(|(key, entry)| (key.clone(), entry.clone())).collect()
        })
    }

    /// Frees what has expired everywhere. Gives when the next entry does.
    pub(super) fn free_expired(&self, now: Instant) -> Option<Instant> {
        let shards = self.all.iter();
        let next = shards.filter_map(|lock| {
            lock.write().unwrap_or_else(PoisonError::into_inner).free_expired(now)
        });
        next.min()
    }

    /// How many entries there are, living or not.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.iter().map(|lock| read(lock).entries.len()).sum()
    }
}

/// A panic cannot leave a shard half changed in a way that matters: it holds whole entries.
fn read(lock: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Several shards, locked for reading.
pub(super) struct Several<'s> {
    of: &'s Shards,
    locked: BTreeMap<usize, RwLockReadGuard<'s, Shard>>,
}

impl Several<'_> {
    /// What is alive under one of the keys that the shards were locked for.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.locked.get(&self.of.index(key)).map(Deref::deref)?.get(key)
    }
}
