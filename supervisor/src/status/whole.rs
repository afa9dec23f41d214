//! What the states of a plugin's processes amount to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Phase, PluginStatus};

/// What the plugin is in, the first of these that any of its processes is in. It is ready while one
/// of them is: then its components can be called.
const FIRST: [Phase; 6] =
    [Phase::Ready, Phase::Starting, Phase::Stopping, Phase::Backoff, Phase::Failed, Phase::Stopped];

/// The plugin as a whole, which was `before`. With one process it is what that is.
pub(super) fn whole(
    before: &PluginStatus,
    parts: &BTreeMap<u32, Arc<PluginStatus>>,
) -> PluginStatus {
    let (Some(first), Some(second)) = (parts.values().next(), parts.values().nth(1)) else {
        let only = parts.values().next().map(|only| PluginStatus::clone(only));
        return only.map_or_else(|| before.clone(), alone);
    };
    let all = || parts.values().map(|part| &**part);
    let mut whole = PluginStatus {
        instance: None,
        instances: parts.values().cloned().collect(),
        since: before.since,
        phase: before.phase,
        generation: all().map(|part| part.generation).max().unwrap_or_default(),
        process: None,
        successor: None,
        departing: all().map(|part| part.departing).sum(),
        restarts: all().map(|part| part.restarts).sum(),
        crash_looping: all().any(|part| part.crash_looping),
        next_start: all().filter_map(|part| part.next_start).min(),
        last_exit: last_exit(before, parts),
        reason: reason(parts),
        serves: Vec::new(),
        passed_over: Vec::new(),
        limits: bounds(first, second).limits.clone(),
        missing_limits: bounds(first, second).missing_limits.clone(),
        confinement: bounds(first, second).confinement.clone(),
        last_lines: Vec::new(),
        health: Vec::new(),
        says: String::new(),
        ..PluginStatus::clone(first)
    };
    for part in all() {
        let new = part.serves.iter().filter(|it| !whole.serves.contains(it));
        let new: Vec<_> = new.cloned().collect();
        whole.serves.extend(new);
        let new = part.passed_over.iter().filter(|it| !whole.passed_over.contains(it));
        let new: Vec<_> = new.cloned().collect();
        whole.passed_over.extend(new);
    }
    let phase = FIRST.into_iter().find(|phase| all().any(|part| part.phase == *phase));
    whole.enter(phase.unwrap_or(Phase::Stopped));
    whole
}

/// One that is left of several is not told by its number any more where it is the first.
fn alone(only: PluginStatus) -> PluginStatus {
    PluginStatus { instances: Vec::new(), ..only }
}

/// The one of two that has a process, if any: what it is held to is known.
fn bounds<'p>(first: &'p PluginStatus, second: &'p PluginStatus) -> &'p PluginStatus {
    if first.process.is_none() && second.process.is_some() { second } else { first }
}

/// Of the process that ended last.
fn last_exit(before: &PluginStatus, parts: &BTreeMap<u32, Arc<PluginStatus>>) -> Option<String> {
    let known = |part: &PluginStatus| {
        before.instances.iter().any(|known| {
            known.instance == part.instance
                && known.last_exit == part.last_exit
                && known.generation == part.generation
        })
    };
    let news = parts.values().find(|part| part.last_exit.is_some() && !known(part));
    let news = news.and_then(|part| part.last_exit.clone());
    let any = || parts.values().rev().find_map(|part| part.last_exit.clone());
    news.or_else(|| before.last_exit.clone()).or_else(any)
}

/// Of the first process that has one.
fn reason(parts: &BTreeMap<u32, Arc<PluginStatus>>) -> String {
    let part = parts.values().find(|part| !part.reason.is_empty());
    part.map(|part| format!("{}: {}", part.label(), part.reason)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn part(instance: u32, phase: Phase, reason: &str) -> (u32, Arc<PluginStatus>) {
        let mut status = PluginStatus::new("kv", Kind::Declared);
        status.instance = Some(instance);
        status.enter(phase);
        status.restarts = u64::from(instance);
        reason.clone_into(&mut status.reason);
        (instance, Arc::new(status))
    }

    fn of(parts: impl IntoIterator<Item = (u32, Arc<PluginStatus>)>) -> PluginStatus {
        whole(&PluginStatus::new("kv", Kind::Declared), &parts.into_iter().collect())
    }

    #[test]
    fn a_plugin_is_ready_while_one_of_its_processes_is() {
        let all = of([
            part(1, Phase::Backoff, "exit status 3"),
            part(2, Phase::Ready, ""),
            part(3, Phase::Stopped, ""),
        ]);
        assert_eq!((all.phase, all.ready_instances()), (Phase::Ready, (1, 3)));
        assert_eq!(all.reason, "kv@1: exit status 3");
        assert_eq!(all.restarts, 6);
        assert_eq!(all.label(), "kv");
    }

    #[test]
    fn a_plugin_is_down_when_all_its_processes_are() {
        let one_fails = [part(1, Phase::Failed, "exit status 3"), part(2, Phase::Stopped, "")];
        assert_eq!(of(one_fails).phase, Phase::Failed);
        let one_waits = [part(1, Phase::Failed, ""), part(2, Phase::Backoff, "")];
        assert_eq!(of(one_waits).phase, Phase::Backoff);
        assert_eq!(
            of([part(1, Phase::Stopped, ""), part(2, Phase::Stopped, "")]).phase,
            Phase::Stopped
        );
    }

    #[test]
    fn a_plugin_with_one_process_is_what_that_is() {
        let alone = of([part(1, Phase::Starting, "slow")]);
        assert_eq!((alone.phase, alone.reason.as_str()), (Phase::Starting, "slow"));
        assert!(alone.instances.is_empty());
    }
}
