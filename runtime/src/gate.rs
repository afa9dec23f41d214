//! A gate: where callers wait while what they need is away.
//!
//! Passing an open gate is one atomic load. A held gate lets callers wait, within their patience
//! and up to a number; a shut one turns them away at once. One that opens lets those who waited
//! through in their order, see [`queue`]. The gate knows nothing of what is behind it or why it is
//! away.

mod queue;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use replug_component::Context;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::queue::Turn;
use self::queue::{Number, Passage, Queue};
use crate::component::HoldPolicy;

/// What a caller is told whose patience ends after the gate has opened.
const IN_TURN: &str = "callers that have waited for longer go first";

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
    queue: Queue,
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
#[derive(Debug)]
pub struct Patience {
    from: Instant,
    until: Instant,
    limit: usize,
    /// The caller's place in the order, once it has waited.
    number: Option<Number>,
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
        Self { from, until: from + hold, limit: policy.limit, number: None }
    }
}

// === impl Gate ===

impl<T: Clone> Gate<T> {
    /// A gate that is held from the start.
    pub fn held(reason: impl Into<Arc<str>>) -> Self {
        Self {
            state: ArcSwap::from_pointee(GateState::Held(reason.into())),
            queue: Queue::default(),
        }
    }

    /// What is behind the gate, if it is open at this moment.
    pub fn behind(&self) -> Option<T> {
        match &**self.state.load() {
            GateState::Open(behind) => Some(behind.clone()),
            GateState::Held(_) | GateState::Shut(_) => None,
        }
    }

    /// The same for a caller, who does not go before those that wait.
    pub fn try_pass(&self) -> Option<T> {
        self.try_with(T::clone)
    }

    /// Lets a caller look at what is behind the gate, without taking it along, if it is open at this
    /// moment and nobody waits.
    pub fn try_with<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        if self.queue.waiting() > 0 {
            return None;
        }
        match &**self.state.load() {
            GateState::Open(behind) => Some(look(behind)),
            GateState::Held(_) | GateState::Shut(_) => None,
        }
    }

    /// Waits until the gate is open and it is the caller's turn, for as long as `patience` lasts.
    /// The next goes when the turn is dropped, or is spent. Dropping the future leaves the queue.
    pub async fn pass(&self, patience: &mut Patience) -> Result<(T, Turn<'_>), TurnedAway> {
        let until = patience.until;
        loop {
            let turn = self.queue.turn(&mut patience.number, patience.limit);
            let waited = if until <= Instant::now() {
                // A timer takes a millisecond at least.
                turn.now_or_never()
            } else {
                timeout_at(until, turn).await.ok()
            };
            let because = match waited {
                Some(Some(turn)) => match &**self.state.load() {
                    GateState::Open(behind) => return Ok((behind.clone(), turn)),
                    GateState::Shut(_) => Because::Shut,
                    // It was open for a moment only.
                    GateState::Held(_) => continue,
                },
                Some(None) => Because::Crowded,
                None => Because::Waited(patience.from.elapsed()),
            };
            let reason = match &**self.state.load() {
                GateState::Open(_) => IN_TURN.into(),
                GateState::Held(reason) | GateState::Shut(reason) => reason.clone(),
            };
            return Err(TurnedAway { reason, because });
        }
    }

    /// How many callers wait.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// What the gate says now.
    pub fn state(&self) -> Arc<GateState<T>> {
        self.state.load_full()
    }

    /// Lets all callers through, those that wait in their order.
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
        let passage = match &state {
            GateState::Open(_) => Passage::Room,
            GateState::Held(_) => Passage::None,
            GateState::Shut(_) => Passage::All,
        };
        self.queue.set(passage, || self.state.store(Arc::new(state)));
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;

    use super::queue::FIRST;
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
            async move { gate.pass(&mut patience(Duration::from_secs(5), 10)).await.map(|it| it.0) }
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
        let turned = gate.pass(&mut patience(Duration::from_secs(5), 10)).await.unwrap_err();
        assert_eq!(&*turned.reason, "killed by SIGKILL");
        assert_eq!(turned.because, Because::Waited(Duration::from_secs(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_sooner_than_the_hold_leaves_time_for_the_answer() {
        let gate: Gate<()> = Gate::held("away");
        let deadline = std::time::Instant::now() + Duration::from_secs(1);
        let cx = Context::with_deadline(Some(deadline));
        let mut patience = Patience::new(&HoldPolicy::default(), &cx);
        let turned = gate.pass(&mut patience).await.unwrap_err();
        let Because::Waited(waited) = turned.because else { panic!("{turned:?}") };
        assert!(waited < Duration::from_secs(1), "{waited:?}");
    }

    #[tokio::test]
    async fn callers_past_the_limit_and_callers_of_a_shut_gate_do_not_wait() {
        let gate: Gate<()> = Gate::held("away");
        let turned = gate.pass(&mut patience(Duration::from_secs(5), 0)).await.unwrap_err();
        assert_eq!(turned.because, Because::Crowded);
        gate.shut("Init failed");
        let turned = gate.pass(&mut patience(Duration::from_secs(5), 10)).await.unwrap_err();
        assert_eq!(turned.because, Because::Shut);
    }

    /// A caller that waits and tells its name when it is through, with a turn that it keeps.
    fn caller(
        gate: &Arc<Gate<()>>,
        name: usize,
        told: &mpsc::UnboundedSender<usize>,
    ) -> JoinHandle<()> {
        let (gate, told) = (gate.clone(), told.clone());
        tokio::spawn(async move {
            let mut patience = patience(Duration::from_secs(5), usize::MAX);
            let ((), turn) = gate.pass(&mut patience).await.unwrap();
            told.send(name).ok();
            turn.spend_on(std::future::pending::<()>()).await;
        })
    }

    /// Lets every task run until it waits for time to pass.
    async fn settle() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    fn drained(told: &mut mpsc::UnboundedReceiver<usize>) -> Vec<usize> {
        std::iter::from_fn(|| told.try_recv().ok()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_waited_go_in_their_order_a_few_at_a_time() {
        let gate = Arc::new(Gate::held("starting"));
        let (tell, mut told) = mpsc::unbounded_channel();
        let callers: Vec<_> = (0..1000).map(|name| caller(&gate, name, &tell)).collect();
        settle().await;
        assert_eq!(gate.waiting(), 1000);
        gate.open(());
        settle().await;
        assert_eq!(drained(&mut told), (0..FIRST).collect::<Vec<_>>());
        // Nobody goes before those that wait.
        assert_eq!(gate.try_pass(), None);
        // One that is done makes room for two.
        callers[0].abort();
        settle().await;
        assert_eq!(drained(&mut told), [FIRST, FIRST + 1]);
        // One that hung up is not waited for.
        callers[FIRST + 2].abort();
        callers[1].abort();
        settle().await;
        assert_eq!(drained(&mut told), [FIRST + 3, FIRST + 4]);
        // Nor are calls that take long.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(drained(&mut told), (FIRST + 5..1000).collect::<Vec<_>>());
        assert_eq!((gate.waiting(), gate.try_pass()), (0, Some(())));
        callers.iter().for_each(JoinHandle::abort);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_to_wait_again_keeps_its_place() {
        let gate = Arc::new(Gate::held("starting"));
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut early = patience(Duration::from_secs(5), 1);
        let waited = async {
            let ((), turn) = gate.pass(&mut early).await.unwrap();
            drop(turn);
        };
        let opened = async {
            gate.open(());
            gate.hold("starting again");
        };
        tokio::join!(waited, async {
            settle().await;
            gate.open(());
        });
        opened.await;
        let later = caller(&gate, 1, &tell);
        settle().await;
        // The limit is for those who come anew.
        let again = async {
            gate.pass(&mut early).await.unwrap();
            tell.send(0).ok();
        };
        tokio::join!(again, async {
            settle().await;
            assert_eq!(gate.waiting(), 2);
            gate.open(());
        });
        settle().await;
        assert_eq!(drained(&mut told), [0, 1]);
        later.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_hang_up_leave_the_queue_at_once() {
        let gate = Arc::new(Gate::held("starting"));
        let (tell, mut told) = mpsc::unbounded_channel();
        let callers: Vec<_> = (0..100).map(|name| caller(&gate, name, &tell)).collect();
        settle().await;
        callers.iter().for_each(JoinHandle::abort);
        for caller in callers {
            caller.await.unwrap_err();
        }
        assert_eq!(gate.waiting(), 0);
        gate.open(());
        assert_eq!((gate.try_pass(), drained(&mut told)), (Some(()), vec![]));
    }
}
