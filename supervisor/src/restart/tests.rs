//! The restart rules, by example and by property.

use nix::sys::signal::Signal;
use proptest::prelude::*;

use super::*;

const POLICY: RestartPolicy = RestartPolicy {
    restart: Restart::Always,
    success: SUCCESS,
    prevent: Exits::NONE,
    initial: Duration::from_millis(100),
    max: Duration::from_secs(2),
    stable_after: Duration::from_secs(10),
    give_up: None,
};

const STABLE: Option<Duration> = Some(Duration::from_secs(10));
const SHORT: Option<Duration> = Some(Duration::from_millis(30));
const NEVER_READY: Option<Duration> = None;

fn failed(backoff: &mut Backoff, ready_for: Option<Duration>) -> Duration {
    match backoff.ended(ready_for, Ending::Failure) {
        Decision::RestartAfter(delay) => delay,
        Decision::Stay => panic!("a plugin that failed stays down"),
    }
}

fn is_about(delay: Duration, nominal: Duration) -> bool {
    delay >= nominal.mul_f64(1.0 - JITTER) && delay <= nominal.mul_f64(1.0 + JITTER + 0.001)
}

#[test]
fn the_first_restart_after_a_stable_life_is_immediate() {
    let mut backoff = Backoff::new(POLICY);
    for _ in 0..500 {
        assert_eq!(failed(&mut backoff, STABLE), Duration::ZERO);
        assert!(!backoff.crash_looping());
    }
}

#[test]
fn a_plugin_that_was_ready_only_shortly_is_restarted_at_once_the_first_time_only() {
    let mut backoff = Backoff::new(POLICY);
    assert_eq!(failed(&mut backoff, SHORT), Duration::ZERO);
    assert!(is_about(failed(&mut backoff, SHORT), POLICY.initial));
    assert!(is_about(failed(&mut backoff, SHORT), POLICY.initial * 2));
}

#[test]
fn a_plugin_that_was_never_ready_waits_from_the_first_time_on() {
    let mut backoff = Backoff::new(POLICY);
    assert!(is_about(failed(&mut backoff, NEVER_READY), POLICY.initial));
    assert!(is_about(failed(&mut backoff, NEVER_READY), POLICY.initial * 2));
}

#[test]
fn a_plugin_that_keeps_failing_crash_loops_at_the_longest_delay_until_it_is_stable() {
    let mut backoff = Backoff::new(POLICY);
    let mut ends = 0;
    while !backoff.crash_looping() {
        failed(&mut backoff, NEVER_READY);
        ends += 1;
        assert!(ends < 20, "the longest delay is never reached");
    }
    // 100, 200, 400, 800, 1600 ms, and the sixth is the longest.
    assert_eq!(ends, 6);
    assert!(failed(&mut backoff, SHORT) >= POLICY.max.mul_f64(1.0 - JITTER));
    assert!(backoff.crash_looping());
    assert_eq!(failed(&mut backoff, STABLE), Duration::ZERO);
    assert!(!backoff.crash_looping());
    assert_eq!(backoff.in_a_row(), 1);
}

/// What becomes of a plugin of that policy that was stable and ended so.
fn left(policy: RestartPolicy, ending: Ending) -> Option<Left> {
    let mut backoff = Backoff::new(policy);
    let decision = backoff.ended(STABLE, ending);
    assert_eq!(decision == Decision::Stay, backoff.left().is_some());
    backoff.left()
}

#[test]
fn a_success_is_restarted_only_by_a_policy_that_always_does() {
    for (restart, after_success, after_failure) in [
        (Restart::Always, None, None),
        (Restart::OnFailure, Some(Left::Succeeded), None),
        (Restart::Never, Some(Left::Succeeded), Some(Left::Failed)),
    ] {
        let policy = RestartPolicy { restart, ..POLICY };
        assert_eq!(left(policy, Ending::Exited(Exit::Code(0))), after_success);
        assert_eq!(left(policy, Ending::Exited(Exit::Code(1))), after_failure);
        assert_eq!(left(policy, Ending::Exited(Exit::by(Signal::SIGTERM))), after_failure);
        assert_eq!(left(policy, Ending::Failure), after_failure);
    }
}

#[test]
fn which_ends_are_a_success_is_a_setting() {
    let success = SUCCESS.with_code(3).with_signal(Signal::SIGTERM);
    let policy = RestartPolicy { restart: Restart::OnFailure, success, ..POLICY };
    for exit in [Exit::Code(0), Exit::Code(3), Exit::by(Signal::SIGTERM)] {
        assert_eq!(left(policy, Ending::Exited(exit)), Some(Left::Succeeded), "{exit}");
    }
    for exit in [Exit::Code(1), Exit::by(Signal::SIGKILL)] {
        assert_eq!(left(policy, Ending::Exited(exit)), None, "{exit}");
    }
}

#[test]
fn an_end_that_prevents_it_is_never_followed_by_a_start() {
    let prevent = Exits::NONE.with_code(0).with_code(78).with_signal(Signal::SIGABRT);
    let policy = RestartPolicy { prevent, ..POLICY };
    let prevented = |exit| left(policy, Ending::Exited(exit));
    assert_eq!(prevented(Exit::Code(78)), Some(Left::Prevented));
    assert_eq!(prevented(Exit::by(Signal::SIGABRT)), Some(Left::Prevented));
    assert_eq!(prevented(Exit::Code(0)), Some(Left::Succeeded));
    assert_eq!(prevented(Exit::Code(1)), None);
    assert_eq!(left(policy, Ending::Failure), None);
}

#[test]
fn dialling_begins_after_a_millisecond_and_goes_on_every_tenth_of_a_second() {
    let mut delays = dial_backoff();
    assert!(is_about(delays.next(), DIAL.0));
    let later: Vec<Duration> = (0..1000).map(|_| delays.next()).collect();
    assert!(later.iter().all(|delay| *delay <= DIAL.1));
    assert!(later[10..].iter().all(|delay| *delay >= DIAL.1.mul_f64(1.0 - JITTER)));
    delays.reset();
    assert!(is_about(delays.next(), DIAL.0));
}

fn lives() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![
        Just(None),
        (0u64..10_000).prop_map(|ms| Some(Duration::from_millis(ms))),
        (10_000u64..1_000_000).prop_map(|ms| Some(Duration::from_millis(ms))),
    ]
}

proptest! {
    #[test]
    fn a_delay_is_never_above_the_longest_and_never_zero_twice_in_a_row(
        initial in 0u64..100_000,
        max in 0u64..100_000,
        lives in prop::collection::vec(lives(), 1..60),
    ) {
        let policy = RestartPolicy {
            initial: Duration::from_millis(initial),
            max: Duration::from_millis(max),
            ..POLICY
        };
        let mut backoff = Backoff::new(policy);
        let longest = policy.max.max(SHORTEST);
        for life in lives {
            let stable = life.is_some_and(|life| life >= policy.stable_after);
            let first = stable || backoff.in_a_row() == 0;
            let delay = failed(&mut backoff, life);
            prop_assert!(delay <= longest);
            prop_assert_eq!(delay.is_zero(), first && life.is_some());
            prop_assert!(!stable || !backoff.crash_looping());
        }
    }

    #[test]
    fn delays_in_a_row_double_until_the_longest(
        initial in 1u64..1_000,
        max in 1_000u64..100_000,
        ends in 1u32..40,
    ) {
        let policy = RestartPolicy {
            initial: Duration::from_millis(initial),
            max: Duration::from_millis(max),
            ..POLICY
        };
        let mut backoff = Backoff::new(policy);
        let mut nominal = policy.initial;
        for _ in 0..ends {
            let delay = failed(&mut backoff, NEVER_READY);
            prop_assert!(is_about(delay, nominal) || delay == policy.max);
            prop_assert_eq!(backoff.crash_looping(), nominal == policy.max);
            nominal = (nominal * 2).min(policy.max);
        }
    }
}

#[test]
fn a_plugin_is_given_up_after_so_many_restarts_within_a_time_until_somebody_starts_it() {
    let give_up = GiveUp { restarts: 3, within: Duration::from_secs(60) };
    let mut backoff = Backoff::new(RestartPolicy { give_up: Some(give_up), ..POLICY });
    let start = Instant::now();
    let ends = |backoff: &mut Backoff, second| {
        let at = start + Duration::from_secs(second);
        backoff.ended_at(at, NEVER_READY, Ending::Failure) != Decision::Stay
    };
    assert!(ends(&mut backoff, 0) && ends(&mut backoff, 10) && ends(&mut backoff, 20));
    // The first does not count any more, so there may be another.
    assert!(ends(&mut backoff, 60));
    assert_eq!(backoff.left(), None);
    assert!(!ends(&mut backoff, 69));
    assert_eq!(backoff.left(), Some(Left::GivenUp(give_up)));

    backoff.forget();
    assert_eq!(backoff.left(), None);
    assert!(ends(&mut backoff, 70));
}
