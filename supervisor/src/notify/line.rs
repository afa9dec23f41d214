//! All plugins in one line, for whoever looks at the service from outside.

use std::fmt::Write as _;

use crate::status::{Phase, PluginStatus};

/// How many plugins of one phase are named; the others are counted.
const NAMED: usize = 3;

/// How much of a reason is shown, in characters.
const REASON: usize = 120;

/// What is wrong comes after what is well, in the order in which somebody has to look after it.
const PHASES: [(Phase, &str); 6] = [
    (Phase::Failed, "failed"),
    (Phase::Backoff, "waiting to start again"),
    (Phase::Away, "away"),
    (Phase::Starting, "starting"),
    (Phase::Stopping, "stopping"),
    (Phase::Stopped, "stopped"),
];

/// Such as `3 plugins ready, 1 starting: settings (no socket has appeared within 30s)`.
pub(super) fn status_line(plugins: &[PluginStatus]) -> String {
    if plugins.is_empty() {
        return "no plugins".to_owned();
    }
    let ready = plugins.iter().filter(|plugin| plugin.phase == Phase::Ready).count();
    let mut line = format!("{ready} {} ready", if ready == 1 { "plugin" } else { "plugins" });
    let partly: Vec<_> = plugins.iter().filter_map(partly).collect();
    if !partly.is_empty() {
        let more = partly.len().saturating_sub(NAMED);
        let named = partly.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        // Writing to a string does not fail.
        let _ = write!(line, ", in part: {named}{more}");
    }
    for (phase, doing) in PHASES {
        let those: Vec<_> = plugins.iter().filter(|plugin| plugin.phase == phase).collect();
        if those.is_empty() {
            continue;
        }
        let named: Vec<_> = those.iter().take(NAMED).map(|plugin| described(plugin)).collect();
        // Writing to a string does not fail.
        let _ = write!(line, ", {} {doing}: {}", those.len(), named.join(", "));
        if those.len() > NAMED {
            let _ = write!(line, " and {} more", those.len() - NAMED);
        }
    }
    line
}

/// A plugin that is ready, and some of whose processes are not.
fn partly(plugin: &PluginStatus) -> Option<String> {
    let (ready, all) = plugin.ready_instances();
    let is_so = plugin.phase == Phase::Ready && ready < all;
    is_so.then(|| format!("{} ({ready}/{all})", plugin.name))
}

/// The plugin's name, and why it is not ready. Names and reasons come from outside, and must not
/// begin another line.
fn described(plugin: &PluginStatus) -> String {
    let text = match plugin.reason.as_str() {
        "" => plugin.name.clone(),
        reason if reason.chars().count() > REASON => {
            let start: String = reason.chars().take(REASON).collect();
            format!("{} ({start}…)", plugin.name)
        }
        reason => format!("{} ({reason})", plugin.name),
    };
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Kind;

    fn plugin(name: &str, phase: Phase, reason: &str) -> PluginStatus {
        let mut status = PluginStatus::new(name, Kind::Declared);
        status.enter(phase);
        reason.clone_into(&mut status.reason);
        status
    }

    #[test]
    fn what_is_not_ready_is_named_with_its_reason() {
        let plugins = [
            plugin("a", Phase::Ready, ""),
            plugin("settings", Phase::Starting, "no socket has appeared within 30s"),
            plugin("b", Phase::Ready, "one component of it is unavailable"),
            plugin("c", Phase::Backoff, "exit status 3"),
            plugin("d", Phase::Stopped, ""),
            plugin("e", Phase::Failed, "exit status 78"),
        ];
        assert_eq!(
            status_line(&plugins),
            "2 plugins ready, 1 failed: e (exit status 78), 1 waiting to start again: c (exit status 3), \
             1 starting: settings (no socket has appeared within 30s), 1 stopped: d"
        );
    }

    #[test]
    fn a_plugin_some_of_whose_processes_are_ready_is_named() {
        let mut several = plugin("kv", Phase::Ready, "kv@2: exit status 3");
        let of = |phase| std::sync::Arc::new(plugin("kv", phase, ""));
        several.instances = [Phase::Ready, Phase::Backoff, Phase::Ready].map(of).into();
        let plugins = [plugin("a", Phase::Ready, ""), several];
        assert_eq!(status_line(&plugins), "2 plugins ready, in part: kv (2/3)");
    }

    #[test]
    fn many_are_counted_and_not_named() {
        let plugins: Vec<_> =
            (0..1000).map(|n| plugin(&format!("p{n}"), Phase::Starting, "")).collect();
        assert_eq!(
            status_line(&plugins),
            "0 plugins ready, 1000 starting: p0, p1, p2 and 997 more"
        );
        assert_eq!(status_line(&[plugin("one", Phase::Ready, "")]), "1 plugin ready");
        assert_eq!(status_line(&[]), "no plugins");
    }

    #[test]
    fn a_reason_begins_no_line_of_its_own_and_has_an_end() {
        let reason = format!("first\nREADY=1\n{}", "é".repeat(500));
        let line = status_line(&[plugin("a", Phase::Away, &reason)]);
        assert!(line.starts_with("0 plugins ready, 1 away: a (first READY=1 é"), "{line}");
        assert!(line.ends_with("é…)") && line.chars().count() < 200, "{line}");
    }
}
