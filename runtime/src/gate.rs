//! A gate: where callers wait while what they need is away.
//!
//! Passing an open gate is one atomic load. A held gate lets callers wait, within their patience
//! and up to a number; a shut one turns them away at once. The gate knows nothing of what is behind
//! it or why it is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use replug_component::Context;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::component::HoldPolicy;

/// What is left of a caller's deadline for the answer that says why it was not served.
const ANSWER_MARGIN: Duration = Duration::from_millis(20);

/// Whether callers get through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateState<T> {
    /// They do, and take this with them.
    Open(T),
    /// They wait. The text says for what.
    Held(Arc<str>),
    /// They are turned away. The text says why.
    Shut(Arc<str>),
}

/// A place where callers wait for a `T`.
#[derive(Debug)]
pub struct Gate<T> {
    state: ArcSwap<GateState<T>>,
    changed: Notify,
    waiting: AtomicUsize,
}

/// Why a caller did not get through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnedAway {
    /// What the gate said at that moment.
    pub reason: Arc<str>,
    /// What made the caller stop waiting.
    pub because: Because,
}

/// What made a caller stop waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// The gate is shut: waiting does not help.
    Shut,
    /// Its patience is over.
    Waited(Duration),
    /// Too many wait already.
    Crowded,
}

/// Until when a caller waits, and among how many.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    from: Instant,
    until: Instant,
    limit: usize,
}

impl Patience {
    /// Starting now, what the component's policy allows and the caller's deadline leaves.
    #[must_use]
    pub fn new(policy: &HoldPolicy, cx: &Context) -> Self {
        let from = Instant::now();
        let hold = match cx.remaining() {
            Some(remaining) => policy.hold.min(remaining.saturating_sub(ANSWER_MARGIN)),
            None => policy.hold,
        };
        Self { from, until: from + hold, limit: policy.limit }
    }
}

// === impl Gate ===

impl<T: Clone> Gate<T> {
    /// A gate that is held from the start.
    pub fn held(reason: impl Into<Arc<str>>) -> Self {
        Self {
            state: ArcSwap::from_pointee(GateState::Held(reason.into())),
            changed: Notify::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// What is behind the gate, if it is open at this moment.
    pub fn try_pass(&self) -> Option<T> {
        match &**self.state.load() {
            GateState::Open(behind) => Some(behind.clone()),
            GateState::Held(_) | GateState::Shut(_) => None,
        }
    }

    /// Looks at what is behind the gate, without taking it along, if it is open at this moment.
    pub fn try_with<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        match &**self.state.load() {
            GateState::Open(behind) => Some(look(behind)),
            GateState::Held(_) | GateState::Shut(_) => None,
        }
    }

    /// Waits until the gate is open, for as long as `patience` lasts. Dropping the future leaves
    /// the queue.
    pub async fn pass(&self, patience: &Patience) -> Result<T, TurnedAway> {
        match &**self.state.load() {
            GateState::Open(behind) => return Ok(behind.clone()),
            GateState::Shut(reason) => {
                return Err(TurnedAway { reason: reason.clone(), because: Because::Shut });
            }
            GateState::Held(reason) => {
                if self.waiting.load(Ordering::Relaxed) >= patience.limit {
                    return Err(TurnedAway { reason: reason.clone(), because: Because::Crowded });
                }
            }
        }
        let _place = Place::take(&self.waiting);
        self.wait(patience).await
    }

    async fn wait(&self, patience: &Patience) -> Result<T, TurnedAway> {
        loop {
            // Enlisted before the look: a change in between is not missed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let reason = match &**self.state.load() {
                GateState::Open(behind) => return Ok(behind.clone()),
                GateState::Shut(reason) => {
                    return Err(TurnedAway { reason: reason.clone(), because: Because::Shut });
                }
                GateState::Held(reason) => reason.clone(),
            };
            if tokio::time::timeout_at(patience.until, changed).await.is_err() {
                let because = Because::Waited(patience.from.elapsed());
                return Err(TurnedAway { reason, because });
            }
        }
    }

    /// How many callers wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// What the gate says now.
    pub fn state(&self) -> Arc<GateState<T>> {
        self.state.load_full()
    }

    /// Lets all callers through.
    pub fn open(&self, behind: T) {
        self.set(GateState::Open(behind));
    }

    /// Makes callers wait.
    pub fn hold(&self, reason: impl Into<Arc<str>>) {
        self.set(GateState::Held(reason.into()));
    }

    /// Turns callers away, those that wait as well.
    pub fn shut(&self, reason: impl Into<Arc<str>>) {
        self.set(GateState::Shut(reason.into()));
    }

    /// Sets how the gate stands, and tells those who wait.
    pub fn set(&self, state: GateState<T>) {
        self.state.store(Arc::new(state));
        self.changed.notify_waiters();
    }
}

/// One caller's place in the queue; given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(hold: Duration, limit: usize) -> Patience {
        let policy = HoldPolicy { hold, limit, ..HoldPolicy::default() };
        Patience::new(&policy, &Context::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_waits_until_the_gate_opens() {
        let gate = Arc::new(Gate::held("starting"));
        let caller = tokio::spawn({
            let gate = gate.clone();
            async move { gate.pass(&patience(Duration::from_secs(5), 10)).await }
        });
        while gate.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        gate.hold("starting again");
        gate.open(7);
        assert_eq!(caller.await.unwrap(), Ok(7));
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_callers_patience_ends_with_the_reason_of_that_moment() {
        let gate: Gate<()> = Gate::held("killed by SIGKILL");
        let turned = gate.pass(&patience(Duration::from_secs(5), 10)).await.unwrap_err();
        assert_eq!(&*turned.reason, "killed by SIGKILL");
        assert_eq!(turned.because, Because::Waited(Duration::from_secs(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_sooner_than_the_hold_leaves_time_for_the_answer() {
        let gate: Gate<()> = Gate::held("away");
        let deadline = std::time::Instant::now() + Duration::from_secs(1);
        let cx = Context::with_deadline(Some(deadline));
        let patience = Patience::new(&HoldPolicy::default(), &cx);
        let turned = gate.pass(&patience).await.unwrap_err();
        let Because::Waited(waited) = turned.because else { panic!("{turned:?}") };
        assert!(waited < Duration::from_secs(1), "{waited:?}");
    }

    #[tokio::test]
    async fn callers_past_the_limit_and_callers_of_a_shut_gate_do_not_wait() {
        let gate: Gate<()> = Gate::held("away");
        let turned = gate.pass(&patience(Duration::from_secs(5), 0)).await.unwrap_err();
        assert_eq!(turned.because, Because::Crowded);
        gate.shut("Init failed");
        let turned = gate.pass(&patience(Duration::from_secs(5), 10)).await.unwrap_err();
        assert_eq!(turned.because, Because::Shut);
    }
}
