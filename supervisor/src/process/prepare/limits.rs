//! How each limit is held: by the cgroup where there is one, else by what the kernel limits of a single
//! process; or not, with the reason.

use rustix::process::{Resource, getrlimit};
use rustix::thread::CapabilitySet;

use super::super::act::Act;
use super::super::limits::size;
use super::Start;

/// The period, in microseconds, in which a share of the processors' time is counted.
const CPU_PERIOD: u64 = 100_000;

impl Start<'_> {
    /// What is limited of the process and all that it starts.
    pub(super) fn limit_by_cgroup(&mut self) {
        let limits = self.launch.limits;
        let Some(cgroup) = self.cgroup.take() else {
            self.lacks("cpu_weight", limits.cpu_weight.map(|it| it.to_string()), "cpu");
            self.lacks("cpu_quota", limits.cpu_quota.map(|it| format!("{it}%")), "cpu");
            return;
        };
        match cgroup.entrance() {
            Ok(entrance) => self.acts.push(Act::JoinCgroup(entrance)),
            Err(error) => tracing::warn!(%error, "a cgroup cannot be joined"),
        }
        let quota = |percent: u64| format!("{} {CPU_PERIOD}", percent * CPU_PERIOD / 100);
        let settings = [
            ("memory", "memory.max", limits.memory.map(|it| (size(it), it.to_string())), "memory"),
            ("tasks", "pids.max", limits.tasks.map(|it| (it.to_string(), it.to_string())), "pids"),
            (
                "cpu_weight",
                "cpu.weight",
                limits.cpu_weight.map(|it| (it.to_string(), it.to_string())),
                "cpu",
            ),
            (
                "cpu_quota",
                "cpu.max",
                limits.cpu_quota.map(|it| (format!("{it}%"), quota(it))),
                "cpu",
            ),
        ];
        for (name, file, asked, controller) in settings {
            let Some((shown, value)) = asked else { continue };
            if !self.has(controller) {
                // Memory and tasks have another way.
                if controller == "cpu" {
                    self.lacks(name, Some(shown), controller);
                }
                continue;
            }
            match cgroup.set(file, &value) {
                Ok(()) => self.bounds.limits.push(format!("{name} {shown} (cgroup)")),
                Err(error) => self.bounds.missing.push(format!("{name} {shown}: {error}")),
            }
        }
        if limits.memory.is_some() && self.has("memory") {
            // One that lost a part of itself is no longer what it was; it ends as a whole.
            let _ = cgroup.set("memory.oom.group", "1");
            // Not there where the kernel swaps nothing.
            let _ = cgroup.set("memory.swap.max", "0");
        }
        self.cgroup = Some(cgroup);
    }

    fn has(&self, controller: &str) -> bool {
        self.grounds.cgroups.as_ref().is_some_and(|cgroups| cgroups.has(controller))
    }

    /// Notes a limit that only a cgroup could hold.
    fn lacks(&mut self, name: &str, asked: Option<String>, controller: &str) {
        let Some(asked) = asked else { return };
        let why = match &self.grounds.abilities.cgroup {
            Err(why) => why.clone(),
            Ok(place) => {
                format!("the cgroup {} has no {controller} controller", place.folder.display())
            }
        };
        self.bounds.missing.push(format!("{name} {asked}: {why}"));
    }

    pub(super) fn set_priorities(&mut self) {
        let limits = self.launch.limits;
        if let Some(nice) = limits.nice {
            let now = rustix::process::getpriority_process(None).unwrap_or(0);
            if nice >= now || self.can(CapabilitySet::SYS_NICE) {
                self.acts.push(Act::Nice(nice));
                self.bounds.limits.push(format!("nice {nice}"));
            } else {
                let why = format!("replug has nice {now} and not the capability sys_nice");
                self.bounds.missing.push(format!("nice {nice}: {why}"));
            }
        }
        if let Some(score) = limits.oom_score_adj {
            let now = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
            let now = now.trim().parse().unwrap_or(0);
            if score >= now || self.can(CapabilitySet::SYS_RESOURCE) {
                let text = score.to_string().into_bytes();
                self.acts.push(Act::Tell("oom_score_adj", c"/proc/self/oom_score_adj", text));
                self.bounds.limits.push(format!("oom_score_adj {score}"));
            } else {
                let why = format!("replug has {now} and not the capability sys_resource");
                self.bounds.missing.push(format!("oom_score_adj {score}: {why}"));
            }
        }
    }

    /// What the kernel limits of a single process: what it always does, and what has no cgroup here.
    pub(super) fn limit_by_kernel(&mut self) {
        let limits = self.launch.limits;
        if let Some(most) = limits.memory.filter(|_| !self.has("memory") || self.cgroup.is_none()) {
            // What a program can write to; unlike its whole address space it has something to do
            // with memory in use.
            let shown = format!("memory {} of each process (rlimit)", size(most));
            self.limit("memory", Resource::Data, most, shown);
        }
        if let Some(most) = limits.tasks.filter(|_| !self.has("pids") || self.cgroup.is_none()) {
            match &self.launch.identity {
                // The kernel counts all of a user's, so this is a limit where the user is the
                // plugin's own.
                Some(identity)
                    if identity.uid != 0 && identity.uid != self.grounds.abilities.uid =>
                {
                    let shown = format!("tasks {most} of {} (rlimit)", identity.name);
                    self.limit("tasks", Resource::Nproc, most, shown);
                }
                _ => self.bounds.missing.push(format!(
                    "tasks {most}: the kernel counts them by user without the pids controller of \
                     cgroup v2: give the plugin a `user` of its own, or delegate a cgroup"
                )),
            }
        }
        if let Some(most) = limits.open_files {
            self.limit("open_files", Resource::Nofile, most, format!("open_files {most}"));
        }
        if let Some(most) = limits.core {
            self.limit("core", Resource::Core, most, format!("core {}", size(most)));
        }
    }

    fn limit(&mut self, name: &'static str, resource: Resource, most: u64, shown: String) {
        match getrlimit(resource).maximum {
            Some(hard) if hard < most && !self.can(CapabilitySet::SYS_RESOURCE) => {
                let why = format!("replug itself has no more than {hard}");
                self.bounds.missing.push(format!("{name} {most}: {why}"));
            }
            _ => {
                self.acts.push(Act::Limit(name, resource, most));
                self.bounds.limits.push(shown);
            }
        }
    }
}
