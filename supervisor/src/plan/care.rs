//! How a plugin is looked after: when it is started again, how long things may take, how it is seen
//! that it hangs. Said by a plugin, or by `[defaults]` for all that do not say it.

use std::time::Duration;

use nix::sys::signal::Signal;

use toml::de::DeValue;

use super::place::{Fault, Findings};
use super::plugin::one_of;
use super::reader::{Entry, Section};
use super::{health, instances, value};
use crate::health::HealthPolicy;
use crate::health::probe::Probing;
use crate::restart::{Exits, GiveUp, Restart, RestartPolicy, SUCCESS};

const DEFAULT_START_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_STOP_SIGNAL: Signal = Signal::SIGTERM;

const RESTARTS: [(&str, Restart); 3] =
    [("always", Restart::Always), ("on-failure", Restart::OnFailure), ("never", Restart::Never)];

/// How a plugin is looked after.
#[derive(Debug, Clone)]
pub(super) struct Care {
    /// How many processes of it there are.
    pub(super) instances: u32,
    pub(super) restart: RestartPolicy,
    pub(super) start_timeout: Duration,
    pub(super) stop_timeout: Duration,
    pub(super) drain_timeout: Duration,
    pub(super) stop_signal: Signal,
    pub(super) health: HealthPolicy,
    pub(super) probe: Option<Probing>,
}

impl Default for Care {
    fn default() -> Self {
        Self {
            instances: 1,
            restart: RestartPolicy::default(),
            start_timeout: DEFAULT_START_TIMEOUT,
            stop_timeout: DEFAULT_STOP_TIMEOUT,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            stop_signal: DEFAULT_STOP_SIGNAL,
            health: HealthPolicy::default(),
            probe: None,
        }
    }
}

impl Care {
    /// What the table says; `base` where it says nothing.
    pub(super) fn read(
        section: &mut Section<'_>,
        base: &Self,
        findings: &mut Findings<'_>,
    ) -> Self {
        let instances =
            section.get("instances").and_then(|entry| instances::read(&entry, findings));
        let restart = section
            .get("restart")
            .map_or(base.restart, |entry| restart(&entry, base.restart, findings));
        let delays = section
            .get("backoff")
            .and_then(|entry| entry.table("a table, such as { initial = \"100ms\" }", findings))
            .map_or(restart, |table| backoff(table, restart, findings));
        let give_up = section.get("max_restarts").and_then(|entry| {
            let wanted = "a table, such as { count = 5, within = \"1m\" }";
            let table = entry.table(wanted, findings)?;
            Some(give_up(table, findings))
        });
        let (health, probe) = section
            .get("health")
            .and_then(|entry| entry.table("a table, such as { interval = \"5s\" }", findings))
            .map_or_else(
                || (base.health, base.probe.clone()),
                |table| health::read(table, base, findings),
            );
        let start_timeout =
            section.get("start_timeout").and_then(|entry| entry.some_time(findings));
        let stop_timeout = section.get("stop_timeout").and_then(|entry| entry.duration(findings));
        let drain_timeout = section.get("drain_timeout").and_then(|entry| entry.duration(findings));
        let stop_signal = section.get("stop_signal").and_then(|entry| {
            entry.parsed("a signal's name, such as \"SIGTERM\"", findings, value::signal)
        });
        Self {
            instances: instances.unwrap_or(base.instances),
            restart: RestartPolicy { give_up: give_up.or(base.restart.give_up), ..delays },
            start_timeout: start_timeout.unwrap_or(base.start_timeout),
            stop_timeout: stop_timeout.unwrap_or(base.stop_timeout),
            drain_timeout: drain_timeout.unwrap_or(base.drain_timeout),
            stop_signal: stop_signal.unwrap_or(base.stop_signal),
            health,
            probe,
        }
    }
}

/// After which ends it is started again: a word, or a table that also says which ends are which.
fn restart(entry: &Entry<'_>, base: RestartPolicy, findings: &mut Findings<'_>) -> RestartPolicy {
    let word = |entry: &Entry<'_>, wanted: &str, findings: &mut Findings<'_>| {
        let restart = entry.parsed(wanted, findings, |text| one_of(text, &RESTARTS));
        restart.unwrap_or(base.restart)
    };
    if !matches!(entry.value, DeValue::Table(_)) {
        let wanted = "\"always\", \"on-failure\" or \"never\", or a table, such as \
                      { policy = \"on-failure\", success = [3] }";
        return RestartPolicy { restart: word(entry, wanted, findings), ..base };
    }
    let Some(mut table) = entry.table("a table", findings) else { return base };
    let policy = table.get("policy").map_or(base.restart, |entry| {
        word(&entry, "\"always\", \"on-failure\" or \"never\"", findings)
    });
    let success = table.get("success").map(|entry| exits(&entry, SUCCESS, findings));
    let prevent = table.get("prevent").map(|entry| exits(&entry, Exits::NONE, findings));
    table.finish(&[], findings);
    RestartPolicy {
        restart: policy,
        success: success.unwrap_or(base.success),
        prevent: prevent.unwrap_or(base.prevent),
        ..base
    }
}

/// Exit statuses and signals' names, besides those of `base`.
fn exits(entry: &Entry<'_>, base: Exits, findings: &mut Findings<'_>) -> Exits {
    let wanted = "an array of exit statuses and signals, such as [3, \"SIGTERM\"]";
    let ends = entry.array(wanted, findings).unwrap_or_default();
    ends.iter().fold(base, |exits, end| {
        if let DeValue::Integer(written) = end.value {
            let code = value::integer(written).and_then(|code| u8::try_from(code).ok());
            if code.is_none() {
                let fault =
                    Fault::new(format!("is {written}"), "write an exit status from 0 to 255");
                findings.error(&end.place, fault);
            }
            return code.map_or(exits, |code| exits.with_code(code));
        }
        let wanted = "an exit status, such as 3, or a signal's name, such as \"SIGTERM\"";
        let signal = end.parsed(wanted, findings, value::signal);
        signal.map_or(exits, |signal| exits.with_signal(signal))
    })
}

/// How often is often enough.
fn give_up(mut table: Section<'_>, findings: &mut Findings<'_>) -> GiveUp {
    const DEFAULT: GiveUp = GiveUp { restarts: 5, within: Duration::from_secs(60) };
    let count = table
        .get("count")
        .and_then(|entry| entry.count("a number of restarts, such as 5", 1, findings));
    let within = table.get("within").and_then(|entry| entry.some_time(findings));
    table.finish(&[], findings);
    GiveUp { restarts: count.unwrap_or(DEFAULT.restarts), within: within.unwrap_or(DEFAULT.within) }
}

/// The delays of a policy.
fn backoff(
    mut table: Section<'_>,
    default: RestartPolicy,
    findings: &mut Findings<'_>,
) -> RestartPolicy {
    let initial = table.get("initial").and_then(|entry| entry.some_time(findings));
    let max = table.get("max").and_then(|entry| entry.some_time(findings));
    let stable_after = table.get("stable_after").and_then(|entry| entry.duration(findings));
    let policy = RestartPolicy {
        initial: initial.unwrap_or(default.initial),
        max: max.unwrap_or(default.max),
        stable_after: stable_after.unwrap_or(default.stable_after),
        ..default
    };
    if policy.max < policy.initial {
        let wrong = if max.is_some() { "max" } else { "initial" };
        let fault = Fault::new(
            format!(
                "makes the longest delay ({}) shorter than the first one ({})",
                humantime::format_duration(policy.max),
                humantime::format_duration(policy.initial),
            ),
            "write a `max` that is at least `initial`",
        );
        findings.error(&table.place_of(wrong), fault);
    }
    table.finish(&[], findings);
    policy
}
