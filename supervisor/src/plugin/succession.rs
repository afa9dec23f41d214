//! A plugin's next generation beside the present one, and what becomes of both.
//!
//! ```text
//!  Ready ── replace ──▶ Ready, with an heir ── the heir is ready ──▶ Ready; the old one departs
//!                           │        │
//!                           │        └── the heir is lost ──▶ as before: the present one serves on
//!                           └── the present one ends ──▶ Starting: the heir is the present one now
//! ```
//!
//! Pure, as [`State`] is, which it leaves as it is: without an heir, only `replace` differs.

use super::{Effect, Event, State};

/// A declared plugin, with the next generation that is raised beside it, if one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Succession {
    /// The present generation's.
    pub state: State,
    /// Whether there is an heir.
    pub heir: bool,
}

/// What happens to a plugin and its heir.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// Something happens to the plugin by itself.
    To(Event),
    /// Somebody wants its next generation, and the present one to serve until then.
    Replace,
    /// The heir can do what the present generation can.
    HeirReady,
    /// The heir has ended, or does not become ready.
    HeirLost,
    /// Somebody wants the plugin not to run, and its calls to end before.
    Leave,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// What the plugin's own state asks for.
    Do(Effect),
    /// Start the next generation beside the present one, which goes on.
    Raise,
    /// The heir is the present generation from now on; the one before ends its calls and departs.
    Promote,
    /// The heir is the present generation from now on; there is none before it any more.
    Inherit,
    /// End the heir.
    Dismiss,
    /// The present generation ends its calls and departs; there is none after it.
    Depart,
}

impl Succession {
    /// What `happening` leads to.
    #[must_use]
    pub fn on(self, happening: Happening) -> (Self, Vec<Step>) {
        match (happening, self.state, self.heir) {
            (Happening::Replace, State::Ready, false) => {
                (Self { heir: true, ..self }, vec![Step::Raise])
            }
            // There is nothing that could go on serving.
            (Happening::Replace, _, false) => self.own(Event::Restart),
            (Happening::HeirReady, _, true) => {
                (Self { state: State::Ready, heir: false }, vec![Step::Promote])
            }
            (Happening::HeirLost, _, true) => (Self { heir: false, ..self }, Vec::new()),
            // One is on its way already; or none is.
            (Happening::Replace, _, true)
            | (Happening::HeirReady | Happening::HeirLost, _, false) => (self, Vec::new()),

            (Happening::To(Event::Ended(_)), _, true) => {
                let next = Self { state: State::Starting, heir: false };
                (next, vec![Step::Do(Effect::Suspend), Step::Inherit])
            }
            (Happening::To(event @ (Event::Stop | Event::Restart)), _, true) => {
                let (next, mut steps) = Self { heir: false, ..self }.own(event);
                steps.insert(0, Step::Dismiss);
                (next, steps)
            }
            (Happening::Leave, State::Ready, heir) => {
                let next = Self { state: State::Stopped, heir: false };
                let dismiss = heir.then_some(Step::Dismiss);
                let depart = [Step::Depart, Step::Do(Effect::Retire)];
                (next, dismiss.into_iter().chain(depart).collect())
            }
            // There are no calls that could end.
            (Happening::Leave, _, _) => self.on(Happening::To(Event::Stop)),
            (Happening::To(event), _, _) => self.own(event),
        }
    }

    fn own(self, event: Event) -> (Self, Vec<Step>) {
        let (state, effects) = self.state.on(event);
        (Self { state, ..self }, effects.iter().copied().map(Step::Do).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::plugin::Then;
    use crate::restart::Decision;

    fn happenings() -> impl Strategy<Value = Happening> {
        prop_oneof![
            2 => Just(Happening::Replace),
            2 => Just(Happening::HeirReady),
            1 => Just(Happening::HeirLost),
            1 => Just(Happening::Leave),
            1 => Just(Happening::To(Event::Start)),
            1 => Just(Happening::To(Event::Stop)),
            1 => Just(Happening::To(Event::Restart)),
            3 => Just(Happening::To(Event::Usable)),
            1 => Just(Happening::To(Event::Unusable)),
            1 => Just(Happening::To(Event::TimedOut)),
            1 => Just(Happening::To(Event::Hung)),
            1 => Just(Happening::To(Event::Ended(Decision::Stay))),
            1 => Just(Happening::To(Event::Ended(Decision::RestartAfter(Duration::ZERO)))),
            1 => Just(Happening::To(Event::Ended(Decision::RestartAfter(Duration::from_secs(1))))),
            1 => Just(Happening::To(Event::DelayOver)),
        ]
    }

    /// The processes as they are outside, and whether somebody wants any.
    #[derive(Debug, Default)]
    struct World {
        present: bool,
        heir: bool,
        wanted: bool,
    }

    impl World {
        fn allows(&self, happening: Happening) -> bool {
            match happening {
                Happening::HeirReady | Happening::HeirLost => self.heir,
                Happening::To(Event::Ended(_) | Event::Usable | Event::Unusable | Event::Hung) => {
                    self.present
                }
                Happening::To(_) | Happening::Replace | Happening::Leave => true,
            }
        }

        fn see(&mut self, happening: Happening) {
            match happening {
                Happening::To(Event::Ended(_)) => self.present = false,
                Happening::HeirLost => self.heir = false,
                Happening::To(Event::Start | Event::Restart) | Happening::Replace => {
                    self.wanted = true;
                }
                Happening::To(Event::Stop) | Happening::Leave => self.wanted = false,
                _ => {}
            }
        }

        fn perform(&mut self, step: Step) {
            match step {
                Step::Do(Effect::Launch) => {
                    assert!(!self.present && !self.heir, "a process beside another");
                    assert!(self.wanted, "a process that nobody wants");
                    self.present = true;
                }
                Step::Do(Effect::Stop | Effect::Kill) => assert!(self.present, "nothing to end"),
                Step::Do(_) => {}
                Step::Raise => {
                    assert!(self.present && !self.heir, "an heir to nobody, or a second one");
                    self.heir = true;
                }
                Step::Promote => {
                    assert!(self.present && self.heir, "nobody to succeed");
                    self.heir = false;
                }
                Step::Inherit => {
                    assert!(!self.present && self.heir, "nothing to inherit");
                    self.heir = false;
                    self.present = true;
                }
                Step::Depart => {
                    assert!(self.present && !self.heir, "nobody to depart, or an heir to nobody");
                    self.present = false;
                }
                Step::Dismiss => {
                    assert!(self.heir, "no heir to dismiss");
                    self.heir = false;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_order_of_happenings_leaves_two_present_or_an_heir_to_nobody(
            happenings in prop::collection::vec(happenings(), 0..80)
        ) {
            let mut now = Succession { state: State::Stopped, heir: false };
            let mut world = World::default();
            for happening in happenings {
                if !world.allows(happening) {
                    continue;
                }
                world.see(happening);
                let (next, steps) = now.on(happening);
                for step in steps {
                    world.perform(step);
                }
                now = next;
                prop_assert_eq!(now.state.has_process(), world.present, "{:?}", now);
                prop_assert_eq!(now.heir, world.heir, "{:?}", now);
                prop_assert!(!now.heir || now.state.has_process(), "{:?}", now);
                if !world.wanted {
                    prop_assert!(!now.heir);
                    prop_assert!(
                        matches!(now.state, State::Stopped | State::Stopping(Then::Stay)),
                        "{:?}", now
                    );
                }
            }
        }
    }

    #[test]
    fn an_heir_that_is_lost_changes_nothing_for_the_present_generation() {
        let ready = Succession { state: State::Ready, heir: false };
        let (raised, steps) = ready.on(Happening::Replace);
        assert_eq!(steps, [Step::Raise]);
        assert_eq!(raised.on(Happening::HeirLost), (ready, vec![]));
        assert_eq!(raised.on(Happening::HeirReady), (ready, vec![Step::Promote]));
    }
}
