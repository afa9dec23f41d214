//! The states of a declared plugin, and what leads from one to the other.
//!
//! ```text
//!             start                 socket, reflection, ping
//!  Stopped ──────────▶ Starting ───────────────────────────▶ Ready
//!     ▲ ▲                 │ exit, or start_timeout             │ exit, or hung
//!     │ └──── stop ────── ▼                                    ▼
//!     │                Backoff ◀───────────────────────────────┘
//!     │ exit              │ the delay has passed: Starting, next generation
//!  Stopping ◀── stop, restart, start_timeout: from Starting and Ready
//! ```
//!
//! Pure: a state and an event give the next state and what is to be done. [`task`] does it.

mod departure;
mod family;
mod handed;
mod heir;
mod life;
mod spec;
mod succession;
pub mod task;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::family::Family;
pub(crate) use self::family::WeakFamily;
pub use self::handed::Handed;
pub(crate) use self::life::nameless;
pub use self::succession::{Happening, Step, Succession};
use crate::restart::Decision;

/// Where a declared plugin is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is no process and none is to come.
    Stopped,
    /// The process runs and cannot be used yet.
    Starting,
    /// It can be used.
    Ready,
    /// The process was told to end.
    Stopping(Then),
    /// There is no process; the next comes after the delay.
    Backoff {
        /// How long the wait is as a whole.
        delay: Duration,
    },
}

/// What follows when a process that was told to end has done so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Then {
    /// Nothing.
    Stay,
    /// The next generation, at once.
    Start,
    /// What the restart policy says, as if it had ended by itself.
    AsDecided,
}

/// What happens to a declared plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants it to run.
    Start,
    /// Somebody wants it not to run.
    Stop,
    /// Somebody wants its next generation.
    Restart,
    /// A socket of it is served: it can be used.
    Usable,
    /// Its process runs, and none of its sockets can be used any more: its callers wait already.
    Unusable,
    /// It has not become usable in time.
    TimedOut,
    /// It hangs: it does not say that it is alive.
    Hung,
    /// Its process has ended, or could not be started at all.
    Ended(Decision),
    /// The delay before its next start has passed.
    DelayOver,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Make the callers of its components wait.
    Suspend,
    /// Take its components back.
    Retire,
    /// Start a process. It is the next generation.
    Launch,
    /// Give the process that runs its time to become usable again.
    Await,
    /// Tell the process to end; kill it when it does not.
    Stop,
    /// Kill the process.
    Kill,
    /// Wait for the delay of the state.
    Delay,
}

impl State {
    /// What `event` leads to.
    #[must_use]
    pub fn on(self, event: Event) -> (Self, &'static [Effect]) {
        use Effect::{Await, Delay, Kill, Launch, Retire, Stop, Suspend};
        match (self, event) {
            (Self::Stopped | Self::Backoff { .. }, Event::Start | Event::Restart)
            | (Self::Backoff { .. }, Event::DelayOver)
            | (Self::Stopping(Then::Start), Event::Ended(_)) => (Self::Starting, &[Launch]),

            (Self::Starting, Event::Usable) => (Self::Ready, &[]),
            (Self::Starting, Event::TimedOut) | (Self::Starting | Self::Ready, Event::Hung) => {
                (Self::Stopping(Then::AsDecided), &[Suspend, Kill])
            }
            (Self::Ready, Event::Unusable) => (Self::Starting, &[Await]),

            (Self::Starting | Self::Ready, Event::Stop) => {
                (Self::Stopping(Then::Stay), &[Suspend, Stop])
            }
            (Self::Starting | Self::Ready, Event::Restart) => {
                (Self::Stopping(Then::Start), &[Suspend, Stop])
            }
            (Self::Stopping(_), Event::Stop) => (Self::Stopping(Then::Stay), &[]),
            (Self::Stopping(_), Event::Start | Event::Restart) => {
                (Self::Stopping(Then::Start), &[])
            }
            (Self::Backoff { .. }, Event::Stop) | (Self::Stopping(Then::Stay), Event::Ended(_)) => {
                (Self::Stopped, &[Retire])
            }

            (
                Self::Starting | Self::Ready | Self::Stopping(Then::AsDecided),
                Event::Ended(decision),
            ) => match decision {
                Decision::Stay => (Self::Stopped, &[Retire]),
                Decision::RestartAfter(Duration::ZERO) => (Self::Starting, &[Suspend, Launch]),
                Decision::RestartAfter(delay) => (Self::Backoff { delay }, &[Suspend, Delay]),
            },

            // Too late, or no news.
            (
                Self::Stopped,
                Event::Stop
                | Event::Usable
                | Event::Unusable
                | Event::TimedOut
                | Event::Hung
                | Event::Ended(_)
                | Event::DelayOver,
            )
            | (Self::Starting, Event::Start | Event::Unusable | Event::DelayOver)
            | (Self::Ready, Event::Start | Event::Usable | Event::TimedOut | Event::DelayOver)
            | (
                Self::Stopping(_),
                Event::Usable | Event::Unusable | Event::TimedOut | Event::Hung | Event::DelayOver,
            )
            | (
                Self::Backoff { .. },
                Event::Usable | Event::Unusable | Event::TimedOut | Event::Hung | Event::Ended(_),
            ) => (self, &[]),
        }
    }

    /// Whether there is a process.
    #[must_use]
    pub fn has_process(self) -> bool {
        matches!(self, Self::Starting | Self::Ready | Self::Stopping(_))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Start),
            Just(Event::Stop),
            Just(Event::Restart),
            Just(Event::Usable),
            Just(Event::Unusable),
            Just(Event::TimedOut),
            Just(Event::Hung),
            Just(Event::Ended(Decision::Stay)),
            Just(Event::Ended(Decision::RestartAfter(Duration::ZERO))),
            Just(Event::Ended(Decision::RestartAfter(Duration::from_secs(1)))),
            Just(Event::DelayOver),
        ]
    }

    /// What the world looks like from outside: whether there is a process, whether somebody wants
    /// one, and whether a delay runs.
    #[derive(Debug, Default)]
    #[allow(clippy::struct_excessive_bools, reason = "facts that are independent of each other")]
    struct World {
        process: bool,
        told_to_end: bool,
        delay: bool,
        wanted: bool,
        suspended: bool,
        retired: bool,
    }

    impl World {
        /// Whether the event can happen at all: a process that is not there does not end.
        fn allows(&self, event: Event) -> bool {
            match event {
                Event::Ended(_) | Event::Usable | Event::Unusable | Event::Hung => self.process,
                Event::DelayOver => self.delay,
                _ => true,
            }
        }

        fn see(&mut self, event: Event) {
            match event {
                Event::Start | Event::Restart => self.wanted = true,
                Event::Stop | Event::Ended(Decision::Stay) => self.wanted = false,
                _ => {}
            }
            match event {
                Event::Ended(_) => {
                    self.process = false;
                    self.told_to_end = false;
                }
                Event::DelayOver => self.delay = false,
                Event::Unusable => self.suspended = true,
                _ => {}
            }
        }

        fn perform(&mut self, effect: Effect) {
            match effect {
                Effect::Launch => {
                    assert!(!self.process, "a second process beside the first");
                    self.process = true;
                    self.delay = false;
                    self.retired = false;
                }
                Effect::Stop | Effect::Kill => {
                    assert!(self.process && !self.told_to_end, "nothing to end");
                    self.told_to_end = true;
                }
                Effect::Suspend => self.suspended = true,
                // Whatever takes a retired plugin's place, no caller reaches the plugin itself.
                Effect::Retire => {
                    self.retired = true;
                    self.suspended = true;
                }
                Effect::Await => assert!(self.process, "nothing to wait for"),
                Effect::Delay => {
                    assert!(!self.process, "a delay beside a process");
                    self.delay = true;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_order_of_events_leaves_state_and_world_apart(
            events in prop::collection::vec(events(), 0..60)
        ) {
            let mut state = State::Stopped;
            let mut world = World { retired: true, suspended: true, ..World::default() };
            for event in events {
                if !world.allows(event) {
                    continue;
                }
                world.see(event);
                let before = state;
                let (next, effects) = state.on(event);
                for effect in effects {
                    world.perform(*effect);
                }
                state = next;
                if state == State::Ready && before == State::Starting {
                    world.suspended = false;
                }
                if !matches!(state, State::Backoff { .. }) {
                    world.delay = false;
                }
                prop_assert_eq!(state.has_process(), world.process, "{:?}", state);
                prop_assert_eq!(
                    matches!(state, State::Stopping(_)), world.told_to_end, "{:?}", state
                );
                prop_assert_eq!(matches!(state, State::Backoff { .. }), world.delay);
                prop_assert!(state == State::Ready || world.suspended || world.retired);
                if state == State::Stopped {
                    prop_assert!(world.retired);
                }
            }
        }

        #[test]
        fn a_plugin_that_is_told_to_stop_stays_so_until_it_is_wanted_again(
            before in prop::collection::vec(events(), 0..40),
            after in prop::collection::vec(events(), 0..40),
        ) {
            let mut state = State::Stopped;
            for event in before {
                state = state.on(event).0;
            }
            state = state.on(Event::Stop).0;
            for event in after {
                if matches!(event, Event::Start | Event::Restart) {
                    break;
                }
                let (next, effects) = state.on(event);
                prop_assert!(!effects.contains(&Effect::Launch), "{:?} on {:?}", state, event);
                state = next;
            }
        }
    }

    #[test]
    fn a_first_death_after_a_stable_life_starts_the_next_generation_at_once() {
        let ended = Event::Ended(Decision::RestartAfter(Duration::ZERO));
        assert_eq!(
            State::Ready.on(ended),
            (State::Starting, &[Effect::Suspend, Effect::Launch][..])
        );
    }

    #[test]
    fn a_restart_waits_for_the_old_process_to_end() {
        let (state, effects) = State::Ready.on(Event::Restart);
        assert_eq!(effects, [Effect::Suspend, Effect::Stop]);
        let (state, effects) = state.on(Event::Ended(Decision::Stay));
        assert_eq!((state, effects), (State::Starting, &[Effect::Launch][..]));
    }
}
