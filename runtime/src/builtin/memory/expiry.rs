//! Frees entries that have expired. Nobody looks at intervals: one task sleeps until the next
//! entry ends, and for ever while none does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::shards::Shards;

/// How much longer than it lives an entry may take up memory, so that entries which end at about
/// the same time are freed in one go. It is invisible from its end on.
const FREED_WITHIN: Duration = Duration::from_secs(1);

/// When the sweeper has to look next.
#[derive(Default)]
pub(super) struct Alarm {
    at: Mutex<Option<Instant>>,
    earlier: Notify,
}

impl Alarm {
    /// An entry ends at `end`.
    pub(super) fn set(&self, end: Instant) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.is_none_or(|at| end < at) {
            *at = Some(end);
            self.earlier.notify_one();
        }
    }

    /// Waits until an entry has ended. Cancel safe.
    async fn ring(&self) {
        loop {
            let at = *self.at.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(at) = at else {
                self.earlier.notified().await;
                continue;
            };
            tokio::select! {
                () = sleep_until(at + FREED_WITHIN) => break,
                () = self.earlier.notified() => {}
            }
        }
        // Forgotten before anybody looks: an entry that comes meanwhile sets it again.
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The task that frees entries. It ends when this is dropped.
pub(super) struct Sweeper(JoinHandle<()>);

impl Sweeper {
    pub(super) fn start(shards: Arc<Shards>) -> Self {
        Self(tokio::spawn(async move {
            loop {
                shards.alarm.ring().await;
                if let Some(next) = shards.free_expired(Instant::now()) {
                    shards.alarm.set(next);
                }
            }
        }))
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use replug_component::state::SetRequest;

    use super::super::MemoryStore;
    use super::super::entry::Change;
    use super::*;

    fn set(key: usize, ttl: &str) -> Change {
        let metadata = [("ttlInSeconds".to_owned(), ttl.to_owned())].into();
        let request = SetRequest { key: key.to_string(), metadata, ..SetRequest::default() };
        Change::set(request).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn expired_entries_are_freed_without_being_asked_for() {
        let store = MemoryStore::new();
        for key in 0..100 {
            store.shards.change(set(key, if key < 60 { "10" } else { "20" })).unwrap();
        }
        store.shards.change(set(100, "-1")).unwrap();
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(store.shards.len(), 101);
        tokio::time::sleep(Duration::from_millis(2100)).await;
        assert_eq!(store.shards.len(), 41);
        // One that ends sooner than the sweeper meant to look again.
        store.shards.change(set(101, "1")).unwrap();
        tokio::time::sleep(Duration::from_millis(2100)).await;
        assert_eq!(store.shards.len(), 41);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(store.shards.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_that_is_written_again_ends_when_it_was_told_last() {
        let store = MemoryStore::new();
        store.shards.change(set(0, "5")).unwrap();
        store.shards.change(set(0, "60")).unwrap();
        store.shards.change(set(1, "5")).unwrap();
        store.shards.change(set(1, "0")).unwrap();
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(store.shards.len(), 2);
        tokio::time::sleep(Duration::from_secs(40)).await;
        assert_eq!(store.shards.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_sweeper_ends_with_its_store() {
        let store = MemoryStore::new();
        let shards = store.shards.clone();
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&shards), 3);
        drop(store);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&shards), 1);
    }
}
