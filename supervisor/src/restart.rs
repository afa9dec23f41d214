//! When a plugin that ended is started again. Pure: it is told how long lives were, and knows no
//! clock, process or task. The one place that knows the `backoff` crate.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use backoff::backoff::Backoff as _;
use backoff::exponential::ExponentialBackoff;
use serde::{Deserialize, Serialize};

pub use self::exits::Exits;
use crate::process::Exit;

mod exits;

/// Delays grow by this factor.
const GROWTH: f64 = 2.0;

/// A delay is drawn from this far below to this far above the nominal one, as a fraction of it, so
/// that plugins that fell together do not rise together.
const JITTER: f64 = 0.2;

/// The shortest delay to begin with: doubling nothing would stay nothing.
const SHORTEST: Duration = Duration::from_millis(1);

/// The first and the longest delay between two tries to reach a socket that is there.
const DIAL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// The first and the longest delay between two looks through a folder that cannot be watched.
const LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(2));

/// The first and the longest delay between two tries to initialise a component that failed to be.
const INIT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What is a success whatever a plan says.
pub const SUCCESS: Exits = Exits::NONE.with_code(0);

/// The first delay between two tries of a probe that has not passed yet.
const PROBE: Duration = Duration::from_millis(50);

/// After which ends a plugin is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Restart {
    /// After every one.
    #[default]
    Always,
    /// After all but a success: an exit with status 0, or what [`RestartPolicy::success`] adds.
    OnFailure,
    /// After none.
    Never,
}

/// When a plugin that ended is started again.
///
/// - A life that was Ready for `stable_after` or longer wipes out what was before it.
/// - The first end in a row is followed by a start at once, if the plugin was Ready in that life: it
///   works, and callers are waiting. A plugin that was not Ready would most likely do the same
///   again, so it waits for `initial`.
/// - Every further end in the row doubles the delay, from `initial` to `max`.
/// - A delay has some chance in it, and is never longer than `max`.
/// - A plugin is crash-looping from when its delay has grown to `max` until it is stable again. It
///   is still tried.
/// - One that was restarted as often as `give_up` allows is left as it is, until somebody starts it.
/// - One that ended in a way that `prevent` lists is left so too, whatever `restart` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// After which ends.
    pub restart: Restart,
    /// Which ends are a success. Everything else is a failure.
    pub success: Exits,
    /// After which ends it is never started again by itself: starting it again cannot help.
    pub prevent: Exits,
    /// The first delay.
    pub initial: Duration,
    /// The longest delay; where it is below `initial`, it is the only one.
    pub max: Duration,
    /// How long a plugin has to be Ready for what was before to be forgotten.
    pub stable_after: Duration,
    /// When it is not tried any more; none: it is tried for ever.
    pub give_up: Option<GiveUp>,
}

/// When a plugin that keeps ending is not tried any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiveUp {
    /// So many restarts are made.
    pub restarts: usize,
    /// They count for this long.
    pub within: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            restart: Restart::Always,
            success: SUCCESS,
            prevent: Exits::NONE,
            initial: Duration::from_millis(100),
            max: Duration::from_secs(30),
            stable_after: Duration::from_secs(10),
            give_up: None,
        }
    }
}

/// How a life ended, as far as it counts here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The process ended by itself, unasked. The policy says whether that is a success.
    Exited(Exit),
    /// replug killed it, after a timeout or since it hung, or it could not be started at all.
    Failure,
}

/// What is done about a plugin that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is started again after this long; after zero, at once.
    RestartAfter(Duration),
    /// It stays as it is until somebody starts it.
    Stay,
}

/// Why a plugin that ended stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Left {
    /// It has done its work.
    Succeeded,
    /// It failed, and is not one that is started again.
    Failed,
    /// It failed in a way after which it is never started again.
    Prevented,
    /// It was restarted as often as it may be.
    GivenUp(GiveUp),
}

/// The ends so far, for the next program of replug.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    in_a_row: u32,
    crash_looping: bool,
    /// The next delay, without its chance.
    delay: Duration,
    /// How long ago the restarts were decided that still count.
    restarts: Vec<Duration>,
    left: Option<Left>,
}

/// A policy together with the ends so far.
#[derive(Debug, Clone)]
pub struct Backoff {
    policy: RestartPolicy,
    delays: Delays,
    /// Ends since the last stable life.
    in_a_row: u32,
    crash_looping: bool,
    /// When the restarts were decided that still count for giving up.
    restarts: VecDeque<Instant>,
    left: Option<Left>,
}

impl Backoff {
    /// Nothing has ended yet.
    #[must_use]
    pub fn new(policy: RestartPolicy) -> Self {
        let delays = Delays::new(policy.initial, policy.max);
        Self {
            policy,
            delays,
            in_a_row: 0,
            crash_looping: false,
            restarts: VecDeque::new(),
            left: None,
        }
    }

    /// Goes on from what another one remembers.
    #[must_use]
    pub fn remembering(policy: RestartPolicy, memory: Memory) -> Self {
        let mut backoff = Self::new(policy);
        let Memory { in_a_row, crash_looping, delay, restarts, left } = memory;
        backoff.delays.go_on_with(delay);
        let ago = |ago| Instant::now().checked_sub(ago);
        let restarts = restarts.into_iter().filter_map(ago).collect();
        Self { in_a_row, crash_looping, restarts, left, ..backoff }
    }

    /// What another one has to remember.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory {
            in_a_row: self.in_a_row,
            crash_looping: self.crash_looping,
            delay: self.delays.backoff.current_interval,
            restarts: self.restarts.iter().map(Instant::elapsed).collect(),
            left: self.left,
        }
    }

    /// A life ended. `ready_for` is how long it had been Ready, if it ever was. Not for a plugin
    /// that was stopped because somebody asked for it: see [`Backoff::forget`].
    pub fn ended(&mut self, ready_for: Option<Duration>, ending: Ending) -> Decision {
        self.ended_at(Instant::now(), ready_for, ending)
    }

    fn ended_at(&mut self, now: Instant, ready_for: Option<Duration>, ending: Ending) -> Decision {
        if ready_for.is_some_and(|life| life >= self.policy.stable_after) {
            self.forget();
        }
        self.left = self.leaves(ending, now);
        if self.left.is_some() {
            return Decision::Stay;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row == 1 && ready_for.is_some() {
            return Decision::RestartAfter(Duration::ZERO);
        }
        self.crash_looping |= self.delays.longest_reached();
        Decision::RestartAfter(self.delays.next())
    }

    /// Why the plugin is left as it is; none where it is started again, which is counted.
    fn leaves(&mut self, ending: Ending, now: Instant) -> Option<Left> {
        let (succeeded, prevented) = match ending {
            Ending::Exited(exit) => {
                (self.policy.success.contains(exit), self.policy.prevent.contains(exit))
            }
            Ending::Failure => (false, false),
        };
        if prevented {
            return Some(if succeeded { Left::Succeeded } else { Left::Prevented });
        }
        match self.policy.restart {
            Restart::Always => {}
            Restart::OnFailure if !succeeded => {}
            Restart::OnFailure | Restart::Never => {
                return Some(if succeeded { Left::Succeeded } else { Left::Failed });
            }
        }
        self.has_had_enough(now).map(Left::GivenUp)
    }

    /// Counts a restart, unless there were as many as there may be.
    fn has_had_enough(&mut self, now: Instant) -> Option<GiveUp> {
        let give_up = self.policy.give_up?;
        while self.restarts.front().is_some_and(|at| now.duration_since(*at) >= give_up.within) {
            self.restarts.pop_front();
        }
        if self.restarts.len() >= give_up.restarts {
            return Some(give_up);
        }
        self.restarts.push_back(now);
        None
    }

    /// Why the plugin is left as it is, where the last end led to that.
    #[must_use]
    pub fn left(&self) -> Option<Left> {
        self.left
    }

    /// Whether the plugin keeps failing, and is tried at the longest delay only.
    #[must_use]
    pub fn crash_looping(&self) -> bool {
        self.crash_looping
    }

    /// Ends in a row, the last included.
    #[must_use]
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Takes another policy. What was so far counts for it as well.
    pub fn follow(&mut self, policy: RestartPolicy) {
        if (policy.initial, policy.max) != (self.policy.initial, self.policy.max) {
            self.delays = Delays::new(policy.initial, policy.max);
        }
        self.policy = policy;
    }

    /// What was before does not count any more: the plugin has been Ready for
    /// [`RestartPolicy::stable_after`], or somebody started it by hand.
    pub fn forget(&mut self) {
        self.restarts.clear();
        self.left = None;
        self.delays.reset();
        self.in_a_row = 0;
        self.crash_looping = false;
    }
}

impl Left {
    /// Whether it is one that somebody has to look after.
    #[must_use]
    pub fn is_failure(self) -> bool {
        self != Self::Succeeded
    }
}

/// The delays between two tries to reach a socket that is there: they never end. A socket file
/// appears when a plugin binds it, a moment before it accepts, so the first tries come fast.
#[must_use]
pub fn dial_backoff() -> Delays {
    Delays::new(DIAL.0, DIAL.1)
}

/// The delays between two looks through a folder of sockets that the kernel does not watch for
/// replug: they never end. Short where something is about to happen, as after a plugin's start.
#[must_use]
pub fn look_backoff() -> Delays {
    Delays::new(LOOK.0, LOOK.1)
}

/// The delays between two tries to initialise components whose plugin is there and refused them:
/// they never end. What they need, a database say, is likely to take its time.
#[must_use]
pub fn init_backoff() -> Delays {
    Delays::new(INIT.0, INIT.1)
}

/// The delays between two tries of a probe that has not passed yet: they never end, and grow to the
/// probe's own interval.
#[must_use]
pub fn probe_backoff(interval: Duration) -> Delays {
    Delays::new(PROBE, interval)
}

/// Delays that double up to a longest one, with jitter, for ever.
#[derive(Debug, Clone)]
pub struct Delays {
    backoff: ExponentialBackoff<Still>,
}

impl Delays {
    fn new(initial: Duration, max: Duration) -> Self {
        let max = max.max(SHORTEST);
        let initial = initial.clamp(SHORTEST, max);
        let clock = Still(Instant::now());
        Self {
            backoff: ExponentialBackoff {
                current_interval: initial,
                initial_interval: initial,
                randomization_factor: JITTER,
                multiplier: GROWTH,
                max_interval: max,
                start_time: clock.0,
                max_elapsed_time: None,
                clock,
            },
        }
    }

    /// The next delay, never above the longest.
    #[allow(clippy::should_implement_trait, reason = "delays never end, so there is no Option")]
    pub fn next(&mut self) -> Duration {
        let longest = self.backoff.max_interval;
        // It says None only past a longest time in all, and none is set.
        self.backoff.next_backoff().unwrap_or(longest).min(longest)
    }

    /// Goes on with this delay, as far as the policy knows any such.
    fn go_on_with(&mut self, delay: Duration) {
        let (initial, max) = (self.backoff.initial_interval, self.backoff.max_interval);
        self.backoff.current_interval = delay.clamp(initial, max);
    }

    /// Begins with the first delay again.
    pub fn reset(&mut self) {
        self.backoff.reset();
    }

    /// Whether the next delay is a longest one.
    fn longest_reached(&self) -> bool {
        self.backoff.current_interval >= self.backoff.max_interval
    }
}

/// A clock that stands still: what counts is the number of tries, not the time they take.
#[derive(Debug, Clone, Copy)]
struct Still(Instant);

impl backoff::Clock for Still {
    fn now(&self) -> Instant {
        self.0
    }
}

#[cfg(test)]
mod tests;
