//! What many want at the same moment, and one of them does for all.

use std::sync::atomic::{AtomicU64, Ordering};

use replug_component::Error;
use tokio::sync::Mutex;

/// Has one caller at a time do something that takes a while, such as dialling.
#[derive(Default)]
pub(super) struct OneForAll {
    /// Held by who does it. In it is why the last try failed.
    turn: Mutex<Option<Error>>,
    /// How many tries have ended.
    ended: AtomicU64,
}

impl OneForAll {
    /// What is `there` by now, or else what comes of `doing`, which keeps what it makes where `there` finds
    /// it. Whoever waited while another has failed has that error: they would all try one after the
    /// other, and the last of them would wait for each of the others.
    pub(super) async fn get<T>(
        &self,
        there: impl Fn() -> Option<T>,
        doing: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let ended = self.ended.load(Ordering::Acquire);
        let mut last = self.turn.lock().await;
        if let Some(there) = there() {
            return Ok(there);
        }
        if self.ended.load(Ordering::Acquire) != ended
            && let Some(error) = &*last
        {
            return Err(error.clone());
        }
        let made = doing.await;
        *last = made.as_ref().err().cloned();
        self.ended.fetch_add(1, Ordering::Release);
        made
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;

    /// Five want it at once; it takes until all of them have asked.
    async fn five(fails: bool) -> (u32, Vec<Result<u32, String>>) {
        let (shared, made, there) = (OneForAll::default(), Cell::new(0), Cell::new(None));
        let attempt = async || {
            tokio::task::yield_now().await;
            made.set(made.get() + 1);
            if fails {
                return Err(Error::Failed("nobody is there".into()));
            }
            there.set(Some(made.get()));
            Ok(made.get())
        };
        let got = join_all((0..5).map(|_| shared.get(|| there.get(), attempt()))).await;
        let got = got.into_iter().map(|it| it.map_err(|error| error.to_string())).collect();
        assert_eq!(shared.get(|| there.get(), attempt()).await.is_err(), fails);
        (made.get(), got)
    }

    #[tokio::test]
    async fn it_is_done_once_for_all_who_want_it_at_once_whatever_comes_of_it() {
        assert_eq!(five(false).await, (1, vec![Ok(1); 5]));
        // Who comes later has it tried again.
        assert_eq!(five(true).await, (2, vec![Err("nobody is there".to_owned()); 5]));
    }
}
