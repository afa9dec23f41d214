//! What a change of a plugin's settings means for the plugin.

use super::{Differences, PluginChange, changed_keys};
use crate::plan::PluginSpec;
use crate::process::confinement::Confinement;
use crate::restart::RestartPolicy;

impl PluginChange {
    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Added(spec) | Self::Replaced(spec, _) | Self::Adjusted(spec, _) => &spec.name,
            Self::Removed(name) => name,
        }
    }

    /// The keys that differ; none where there is nothing to compare.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        match self {
            Self::Replaced(_, keys) | Self::Adjusted(_, keys) => keys,
            Self::Added(_) | Self::Removed(_) => &[],
        }
    }

    /// What happens to it, in words.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self {
            Self::Added(_) => "added",
            Self::Removed(_) => "removed",
            Self::Replaced(..) => "replaced",
            Self::Adjusted(..) => "adjusted",
        }
    }

    pub(super) fn between(old: &PluginSpec, new: &PluginSpec) -> Option<Self> {
        // Taken apart, so that whoever adds a setting says here what its change means.
        let PluginSpec {
            name: _,
            instances,
            launch,
            after,
            requires,
            start,
            env,
            cwd,
            restart,
            start_timeout,
            stop_timeout,
            stop_signal,
            drain_timeout,
            health,
            probe,
            notify,
            watchdog,
            watch,
            limits,
            confinement,
            log,
            socket,
        } = old;
        let mut found = Differences::default();
        found.deep("command", *launch != new.launch);
        found.deep.extend(changed_keys("env", env, &new.env));
        found.deep("cwd", *cwd != new.cwd);
        found.deep("socket", *socket != new.socket);
        found.deep("limits", *limits != new.limits);
        found.deep("user", confinement.account != new.confinement.account);
        found.deep("umask", confinement.umask != new.confinement.umask);
        found.deep("capabilities", confinement.capabilities != new.confinement.capabilities);
        let rest = Confinement {
            account: confinement.account.clone(),
            umask: confinement.umask,
            capabilities: confinement.capabilities,
            ..new.confinement.clone()
        };
        found.deep("sandbox", *confinement != rest);
        let scaled = format!("instances {instances} → {}", new.instances);
        found.shallow(&scaled, *instances != new.instances);
        found.shallow("after", *after != new.after);
        found.shallow("requires", *requires != new.requires);
        found.shallow("start", *start != new.start);
        let RestartPolicy { restart, success, prevent, initial, max, stable_after, give_up } =
            restart;
        let ends = (*restart, *success, *prevent);
        let delays = (*initial, *max, *stable_after);
        let policy = new.restart;
        found.shallow("restart", ends != (policy.restart, policy.success, policy.prevent));
        found.shallow("backoff", delays != (policy.initial, policy.max, policy.stable_after));
        found.shallow("max_restarts", *give_up != policy.give_up);
        found.shallow("start_timeout", *start_timeout != new.start_timeout);
        found.shallow("stop_timeout", *stop_timeout != new.stop_timeout);
        found.shallow("drain_timeout", *drain_timeout != new.drain_timeout);
        found.shallow("stop_signal", *stop_signal != new.stop_signal);
        found.deep("notify", *notify != new.notify);
        found.deep("watchdog", *watchdog != new.watchdog);
        found.shallow("health", *health != new.health || *probe != new.probe);
        found.shallow("watch", *watch != new.watch);
        found.shallow("log", *log != new.log);
        let deep = found.is_deep();
        let keys = found.keys()?;
        Some(if deep {
            Self::Replaced(new.clone(), keys)
        } else {
            Self::Adjusted(new.clone(), keys)
        })
    }
}
