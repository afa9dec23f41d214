//! From two looks at the plugins to what happens in a second.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use replug_proto::replug::control::v1 as pb;

use crate::status::processes;

/// What one plugin does in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rates {
    /// Of one processor, in percent; none where another process has come meanwhile.
    pub(super) cpu: Option<f64>,
    /// Calls that ended, in a second.
    pub(super) calls: Option<f64>,
}

/// One look at everything.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) status: pb::StatusResponse,
}

/// The rates of every plugin that was there both times, by its name.
pub(super) fn between(before: &Look, after: &Look) -> HashMap<String, Rates> {
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    if seconds <= 0.0 {
        return HashMap::new();
    }
    let earlier: HashMap<&str, &pb::Plugin> =
        lines(before).map(|plugin| (plugin.name.as_str(), plugin)).collect();
    let both = lines(after);
    let both = both.filter_map(|now| Some((earlier.get(now.name.as_str())?, now)));
    both.map(|(before, now)| (now.name.clone(), rates(before, now, seconds))).collect()
}

/// The plugins, and the processes of those that have several.
fn lines(look: &Look) -> impl Iterator<Item = &pb::Plugin> {
    look.status.plugins.iter().flat_map(|it| std::iter::once(it).chain(&it.instances))
}

fn rates(before: &pb::Plugin, now: &pb::Plugin, seconds: f64) -> Rates {
    let cpu = |plugin: &pb::Plugin| {
        let cpu = Duration::try_from(plugin.usage?.cpu?).ok()?;
        Some(cpu.as_secs_f64())
    };
    let pids = |plugin: &pb::Plugin| -> Vec<u32> {
        processes(plugin).iter().filter_map(|process| process.pid).collect()
    };
    let same = !pids(now).is_empty() && pids(before) == pids(now);
    let used = cpu(now).zip(cpu(before)).filter(|_| same);
    let ended = |plugin: &pb::Plugin| plugin.calls.unwrap_or_default().ended;
    // Fewer than before: its components were made anew. Of one process of several none are known.
    let calls = ended(now).checked_sub(ended(before)).filter(|_| now.instance == 0);
    #[allow(clippy::cast_precision_loss, reason = "a rate for eyes")]
    Rates {
        cpu: used.map(|(now, before)| ((now - before) * 100.0 / seconds).max(0.0)),
        calls: calls.map(|calls| calls as f64 / seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at: Instant, pid: u32, cpu: u64, calls: u64) -> Look {
        let plugin = pb::Plugin {
            name: "kv".into(),
            pid: Some(pid),
            usage: Some(pb::Usage {
                cpu: Duration::from_millis(cpu).try_into().ok(),
                ..pb::Usage::default()
            }),
            calls: Some(pb::Calls { ended: calls, ..pb::Calls::default() }),
            ..pb::Plugin::default()
        };
        Look { at, status: pb::StatusResponse { plugins: vec![plugin], ..Default::default() } }
    }

    #[test]
    fn rates_are_for_a_second_and_another_process_starts_anew() {
        let at = Instant::now();
        let later = at + Duration::from_secs(2);
        let rates = between(&look(at, 7, 1000, 10), &look(later, 7, 2000, 210));
        assert_eq!(rates["kv"], Rates { cpu: Some(50.0), calls: Some(100.0) });
        let rates = between(&look(at, 7, 1000, 10), &look(later, 8, 20, 5));
        assert_eq!(rates["kv"], Rates { cpu: None, calls: None });
        assert!(between(&look(at, 7, 0, 0), &look(at, 7, 0, 0)).is_empty());
    }
}
