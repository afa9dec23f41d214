//! Answers that a client has been given and has not taken yet.
//!
//! A client that asks for much and reads slowly would fill the runtime's memory. So past a bound its
//! next calls are not begun before it has read; other clients' are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;

/// How much of its answers one client may leave unread before its next call waits, in bytes.
const MOST: usize = 16 << 20;

/// An answer below this is not counted, in bytes: so many of them as a connection has calls are no
/// more than the bound by themselves.
const SMALL: usize = 16 << 10;

/// The answers of one connection.
#[derive(Debug, Default)]
pub(super) struct Unread {
    bytes: AtomicUsize,
    /// Rung when there is less.
    less: Notify,
}

/// An answer that is counted until nobody holds it any more.
struct Counted {
    message: Bytes,
    of: Arc<Unread>,
}

// === impl Unread ===

impl Unread {
    /// Resolves once the client may have another answer.
    pub(super) async fn room(&self) {
        while self.bytes.load(Ordering::SeqCst) >= MOST {
            // Enlisted before the look: an answer that is taken in between is not missed.
            let less = self.less.notified();
            tokio::pin!(less);
            less.as_mut().enable();
            if self.bytes.load(Ordering::SeqCst) >= MOST {
                less.await;
            }
        }
    }

    /// The message, which is counted until it is sent or given up.
    pub(super) fn counted(self: &Arc<Self>, message: Bytes) -> Bytes {
        if message.len() < SMALL {
            return message;
        }
        self.bytes.fetch_add(message.len(), Ordering::SeqCst);
        Bytes::from_owner(Counted { message, of: self.clone() })
    }
}

// === impl Counted ===

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.of.bytes.fetch_sub(self.message.len(), Ordering::SeqCst);
        self.of.less.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_client_that_has_too_much_to_read_waits_until_it_has_read() {
        let unread = Arc::new(Unread::default());
        let small = unread.counted(vec![7; SMALL - 1].into());
        let large: Vec<_> = (0..4).map(|_| unread.counted(vec![7; MOST / 4].into())).collect();
        assert_eq!((small.len(), large[0].len()), (SMALL - 1, MOST / 4));
        let waiting = unread.room();
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(large);
        waiting.await;
        assert_eq!(unread.bytes.load(Ordering::SeqCst), 0);
    }
}
