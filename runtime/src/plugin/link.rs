//! The way from one component to its plugin, through all the plugin's lives.
//!
//! A link is what wrappers call through. It has an end for each process of the plugin
//! that serves the component, and a call takes the one with the least to do. The link outlives
//! connections: while there is none over which the component is initialised, callers wait at its
//! gate. It decides what is sent again when a connection is lost, and knows nothing of what the
//! calls mean.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderName, Uri};
use parking_lot::Mutex;
use prost::Message;
use replug_component::{Context, Error, RemoteError, Unavailable};
use tokio::sync::watch;
use tonic::Status;

use super::answer;
use super::call::{Call, headers, instance_header};
use super::connection::{Answer, Connection, ConnectionError};
use super::direct::Direct;
use super::ends::{Ends, Roll, Stage, Standing};
use super::stream::Streams;
use super::tally::{Calls, Others, Tally};
use super::{Learned, Seat};
use crate::component::{ComponentSpec, HoldPolicy, Replay};
use crate::gate::{Gate, GateState, Patience};
use crate::http2::message::{Only, decoded, framed_of};
use crate::registry::Unmade;
use crate::slot::{RETRY_AFTER, unavailable};

/// Dapr names the component in this header of every call to a plugin.
pub(super) static INSTANCE: HeaderName = HeaderName::from_static("x-component-instance");

/// The largest answer of a plugin, in bytes: gRPC's usual bound, and Dapr's towards plugins.
pub(crate) const MAX_ANSWER: usize = 4 << 20;

/// How often a call is sent again that a living plugin refuses unprocessed.
const MAX_REFUSALS: u32 = 8;

/// What a call does at the plugin, which decides whether it may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// It changes nothing.
    Read,
    /// It may change something, and may happen twice: publishing promises no less.
    Repeatable,
    /// It may change something.
    Write,
}

/// A method of a contract, as requests name it: `http://localhost/SERVICE/METHOD`, since a plugin
/// stands on a socket without a name.
pub(crate) type Method = LazyLock<Uri>;

/// The way from one component to its plugin. Clones are the same link.
#[derive(Debug, Clone)]
pub struct Link(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    component: String,
    /// Those of every call, the component's name among them.
    headers: HeaderMap,
    policy: ArcSwap<HoldPolicy>,
    /// What the roll means for callers.
    gate: Gate<Ends>,
    /// Where calls look first, of several ends.
    turn: AtomicUsize,
    tally: Tally,
    /// Changed by those who bring connections and by calls that lose one; never on a call's way.
    roll: Mutex<Roll>,
    /// How often the roll was changed, for those who follow it.
    changes: watch::Sender<u64>,
}

/// How a link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Calls go through, to one end at least.
    Open,
    /// Callers wait; the text says for what.
    Held(Arc<str>),
    /// Callers are turned away; the text says why.
    Shut(Arc<str>),
}

// === impl Link ===

impl Link {
    /// The link of a component; held until it has an end.
    #[must_use]
    pub fn new(spec: &ComponentSpec, reason: &str) -> Self {
        Self(Arc::new(Shared {
            component: spec.name.clone(),
            headers: headers(instance_header(&spec.name)),
            policy: ArcSwap::from_pointee(spec.hold),
            gate: Gate::held(reason),
            turn: AtomicUsize::new(0),
            tally: Tally::default(),
            roll: Mutex::new(Roll::new(reason)),
            changes: watch::Sender::new(0),
        }))
    }

    /// The component is about to be initialised over `connection`, which is the seat's end from then
    /// on; one that stands by takes no calls before it is admitted. Says whether there is anything
    /// to do: a newer connection of the same seat that is of use stays in place.
    pub(crate) fn expect(&self, seat: Seat, connection: &Connection, standby: bool) -> bool {
        self.0.change(|roll| roll.expect(seat, connection, standby))
    }

    /// What came of an initialisation: the end takes calls, or the component cannot be used over
    /// it. Callers are turned away only where there is no other end. `adopt` is given what counts
    /// from now on, before anybody calls. An end that was taken out meanwhile stays out, so that an
    /// initialisation that ends late undoes nothing.
    pub(crate) fn settle(
        &self,
        seat: Seat,
        connection: &Connection,
        result: Result<Learned, Unmade>,
        adopt: impl FnOnce(&Learned),
    ) {
        let standing = match result {
            Ok(learned) => Standing::Ready(learned),
            Err(Unmade::Waits(reason)) => Standing::Waits(reason.into()),
            Err(Unmade::Failed(reason)) => Standing::Failed(reason.into()),
        };
        self.0.change(|roll| roll.settle(seat, connection, standing).map(adopt));
    }

    /// Lets the end of a seat that stands by take calls, as soon as it is initialised.
    pub(crate) fn admit(&self, seat: Seat, adopt: impl FnOnce(&Learned)) {
        self.0.change(|roll| roll.admit(seat).map(adopt));
    }

    /// Has callers go by other rules. Those that wait already go by the old ones.
    pub(crate) fn set_policy(&self, policy: HoldPolicy) {
        self.0.policy.store(Arc::new(policy));
    }

    /// Takes out the end of one seat, or all of them; callers wait where none is left.
    pub(crate) fn remove(&self, seat: Option<Seat>, reason: &str) {
        self.0.change(|roll| roll.remove(seat, reason));
    }

    /// Takes out one connection, which is of no use any more.
    pub(crate) fn lose(&self, connection: &Connection, reason: &str) {
        self.0.lost(connection, reason);
    }

    /// Turns callers away for good: something else serves the component.
    pub(crate) fn close(&self, reason: &str) {
        self.0.change(|roll| roll.close(reason));
    }

    /// Turns away who waits, now and from now on; calls that need not wait go through.
    pub(crate) fn part(&self, reason: &str) {
        self.0.change(|roll| roll.part(reason));
    }

    /// Whether the component can be used over the seat's end, calls being let onto it or not; none
    /// while it has none that is initialised. An error says why the initialisation failed.
    pub(crate) fn usable_by(&self, seat: Seat) -> Option<Result<(), Arc<str>>> {
        match self.0.roll.lock().standing(seat)?.1 {
            Standing::Awaited => None,
            Standing::Ready(_) => Some(Ok(())),
            Standing::Waits(reason) | Standing::Failed(reason) => Some(Err(reason.clone())),
        }
    }

    /// Whether the last initialisation over one end at least failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.roll.lock().has_failed()
    }

    /// The component that it is for.
    pub(crate) fn component(&self) -> &str {
        &self.0.component
    }

    /// How the link stands.
    #[must_use]
    pub fn state(&self) -> LinkState {
        match &*self.0.gate.state() {
            GateState::Open(_) => LinkState::Open,
            GateState::Held(reason) => LinkState::Held(reason.clone()),
            GateState::Shut(reason) => LinkState::Shut(reason.clone()),
        }
    }

    /// The calls of the component so far.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.0.tally.calls(self.0.gate.waiting())
    }

    /// The component is initialised over `connection`, and what lasts can be opened there, before
    /// callers are let through. Gives the number of the change.
    pub(crate) fn begin(&self, connection: &Connection) -> u64 {
        self.0.change(|roll| roll.begin(connection));
        *self.0.changes.borrow()
    }

    /// Tells of every change, by numbers that grow.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Where what lasts is to be open at this moment; none once something else serves the component.
    pub(crate) fn stages(&self) -> Option<Vec<Stage>> {
        self.0.roll.lock().stages()
    }

    /// Calls that last, over `connection`.
    pub(crate) fn streams(&self, connection: &Connection) -> Streams {
        Streams::new(connection, &self.0.headers[&INSTANCE])
    }

    /// Calls over `connection` as this component, past the gate and without sending anything
    /// again: for the component's initialisation.
    #[must_use]
    pub fn directly(&self, connection: &Connection) -> Direct {
        Direct::of(connection, &self.0.headers[&INSTANCE])
    }

    /// Makes a call with one message each way. The error is that of a generated client: see
    /// [`failure_of`].
    pub(crate) async fn unary<A: Message + Default>(
        &self,
        cx: &Context,
        kind: CallKind,
        method: &Method,
        message: &impl Message,
    ) -> Result<A, Status> {
        let failed = |error: CallError| Status::from_error(Box::new(error));
        let size = message.encoded_len();
        let (_counted, others) = self.0.tally.begin(size);
        self.0.has_room(&others, size).map_err(|overloaded| failed(overloaded.into()))?;
        let call = Call { method, headers: &self.0.headers, body: framed_of(message, size) };
        let answer = self.0.call(cx, kind, call).await.map_err(failed)?;
        decoded(answer::message(answer)?)
    }
}

impl Shared {
    /// Whether another call of that size may begin, beside others. One that is alone may.
    fn has_room(&self, others: &Others, size: usize) -> Result<(), Unavailable> {
        let policy = self.policy.load();
        let (most, bytes) = (policy.max_calls, policy.max_bytes);
        if others.calls >= most as u64 {
            let reason = format!("{most} calls are under way already, its `max_calls`");
            return Err(self.overloaded(reason));
        }
        if others.bytes > 0 && others.bytes.saturating_add(size as u64) > bytes {
            let reason = ConnectionError::Crowded { most: bytes }.to_string();
            return Err(self.overloaded(reason));
        }
        Ok(())
    }

    async fn call(
        &self,
        cx: &Context,
        kind: CallKind,
        call: Call<'_>,
    ) -> Result<Answer<Only>, CallError> {
        // Most calls meet an open gate and never need it.
        let mut patience = None;
        let mut refusals = 0;
        loop {
            let at_once = self.gate.try_with(|ends| ends.admit(&self.turn)).flatten();
            let (mut end, turn) = if let Some(end) = at_once {
                (end, None)
            } else {
                let patience =
                    patience.get_or_insert_with(|| Patience::new(&self.policy.load(), cx));
                let passed = self.gate.pass(patience).await;
                let (ends, turn) = passed.map_err(|turned| unavailable(&self.component, turned))?;
                let Some(end) = ends.admit(&self.turn) else { continue };
                (end, Some(turn))
            };
            let most = self.policy.load().max_bytes;
            let mut room = self.tally.intake(call.body.len(), most);
            let answered = match turn {
                None => call.over(&mut end, cx, &mut room).await,
                // Apart, so that a call that never waits has no timer and no room for one.
                Some(turn) => Box::pin(turn.spend_on(call.over(&mut end, cx, &mut room))).await,
            };
            let error = match answered {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match error {
                ConnectionError::Unsent(_) => self.lost(end.connection(), &error.to_string()),
                ConnectionError::Lost(_) => {
                    self.lost(end.connection(), &error.to_string());
                    if kind == CallKind::Write && self.policy.load().replay != Replay::All {
                        return Err(self.outcome_unknown(&error).into());
                    }
                }
                ConnectionError::Refused if refusals < MAX_REFUSALS => {
                    refusals += 1;
                    drop(end);
                    tokio::task::yield_now().await;
                }
                ConnectionError::Refused
                | ConnectionError::Reset(_)
                | ConnectionError::Crowded { .. }
                | ConnectionError::TooLarge { .. } => return Err(error.into()),
            }
            self.tally.again();
        }
    }

    /// The connection is no end any more, if it still is one.
    fn lost(&self, connection: &Connection, reason: &str) {
        let mut roll = self.roll.lock();
        if roll.lose(connection, reason) {
            self.gate.set(roll.state());
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    /// Changes the roll, and the gate with it.
    fn change<T>(&self, change: impl FnOnce(&mut Roll) -> T) -> T {
        let mut roll = self.roll.lock();
        let done = change(&mut roll);
        self.gate.set(roll.state());
        self.changes.send_modify(|changes| *changes += 1);
        done
    }

    fn overloaded(&self, reason: String) -> Unavailable {
        self.tally.turned_away();
        Unavailable {
            component: self.component.clone(),
            reason,
            retry_after: RETRY_AFTER,
            outcome_unknown: false,
        }
    }

    fn outcome_unknown(&self, error: &ConnectionError) -> Unavailable {
        Unavailable {
            component: self.component.clone(),
            reason: format!("{error}; whether the request was carried out is not known"),
            retry_after: RETRY_AFTER,
            outcome_unknown: true,
        }
    }
}

/// Why a call has no answer. The source of the [`Status`] that is given for it.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The caller was turned away, or the call's outcome is not known.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The plugin or the connection failed this call.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The request could not be encoded.
    #[error(transparent)]
    Request(#[from] Status),
}

/// What a failed call says: the link's own answer where the plugin gave
/// none, else what `by_plugin` makes of the plugin's status.
pub(crate) fn failure_of(status: Status, by_plugin: impl Fn(Status) -> Error) -> Error {
    let from_link = std::error::Error::source(&status).and_then(|source| source.downcast_ref());
    match from_link {
        Some(CallError::Unavailable(unavailable)) => unavailable.clone().into(),
        Some(CallError::Connection(
            lost @ (ConnectionError::TooLarge { .. } | ConnectionError::Crowded { .. }),
        )) => by_plugin(Status::resource_exhausted(lost.to_string())),
        Some(CallError::Connection(lost)) => by_plugin(Status::unavailable(lost.to_string())),
        Some(CallError::Request(status)) => by_plugin(status.clone()),
        None => by_plugin(status),
    }
}

/// The same where a plugin's status has no meaning beyond its code and message.
pub(crate) fn failure(status: Status) -> Error {
    failure_of(status, |status| RemoteError::from(status).into())
}
