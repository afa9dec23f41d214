//! What the machine lets one user have, against what the plan's plugins need: inotify, open files.

use rustix::fs::inotify;
use rustix::process::{Resource, getrlimit, getuid};
use std::os::unix::fs::MetadataExt as _;

use super::machine::descriptors;
use super::{Finding, Machine};
use crate::plan::Plan;

/// The descriptors that replug has without any plugin, at the most.
const OWN_FILES: u64 = 64;

/// The descriptors that a plugin takes: its process, two pipes, its connection, and what they need
/// while one generation follows another.
const FILES_OF_A_PLUGIN: u64 = 8;

/// Room for connections of applications below which a warning is in place.
const CONNECTIONS: u64 = 256;

/// What the kernel lets one user watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Inotify {
    /// None: no such setting, so no inotify.
    instances: Option<u64>,
    watches: Option<u64>,
    /// Instances that processes of this user have, as far as they can be seen.
    in_use: u64,
    /// Why one more instance cannot be had.
    refused: Option<String>,
}

pub(super) fn examine(machine: &Machine, plan: Option<&Plan>) -> Vec<Finding> {
    let plugins =
        plan.map_or(0, |plan| plan.plugins.iter().map(|plugin| u64::from(plugin.instances)).sum());
    let folders = plugins + plan.map_or(0, |plan| u64::from(plan.runtime.socket_dir.is_some()));
    let inotify = Inotify {
        instances: machine.number("proc/sys/fs/inotify/max_user_instances"),
        watches: machine.number("proc/sys/fs/inotify/max_user_watches"),
        in_use: instances_in_use(machine),
        refused: inotify::init(inotify::CreateFlags::CLOEXEC).err().map(|error| error.to_string()),
    };
    // No maximum means that there is no limit.
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    vec![judge_inotify(&inotify, folders), judge_files(files, plugins)]
}

/// How many inotify instances processes of this user have.
fn instances_in_use(machine: &Machine) -> u64 {
    let own = getuid().as_raw();
    let of_user = |folder: &std::path::Path| folder.metadata().is_ok_and(|it| it.uid() == own);
    let processes = machine.processes().into_iter().filter(|(_, folder)| of_user(folder));
    let open = processes.flat_map(|(_, folder)| descriptors(&folder));
    open.filter(|target| target.to_string_lossy() == "anon_inode:inotify").count() as u64
}

fn judge_inotify(found: &Inotify, folders: u64) -> Finding {
    const TOPIC: &str = "inotify";
    let (Some(instances), Some(watches)) = (found.instances, found.watches) else {
        return Finding::warn(TOPIC, "the kernel has none")
            .costs("sockets of plugins are looked for again and again instead of being announced")
            .remedy("a kernel with CONFIG_INOTIFY_USER, and /proc mounted");
    };
    let in_use = found.in_use;
    if let Some(refused) = &found.refused {
        return Finding::warn(
            TOPIC,
            format!("no instance is left ({in_use} of {instances} are seen in use): {refused}"),
        )
        .costs("sockets of plugins are looked for again and again instead of being announced")
        .remedy(format!("sysctl fs.inotify.max_user_instances={}", instances.max(64) * 2));
    }
    if watches < folders {
        return Finding::warn(
            TOPIC,
            format!("{watches} watches, and the plan's plugins need {folders}"),
        )
        .costs("sockets of some plugins are looked for again and again instead of being announced")
        .remedy(format!("sysctl fs.inotify.max_user_watches={}", (folders * 2).max(8192)));
    }
    Finding::ok(
        TOPIC,
        format!(
            "{in_use} of {instances} instances in use; {watches} watches, of which the plan needs \
             {folders}"
        ),
    )
}

fn judge_files(limit: u64, plugins: u64) -> Finding {
    const TOPIC: &str = "open files";
    let needed = OWN_FILES + FILES_OF_A_PLUGIN * plugins;
    let remedy = format!(
        "LimitNOFILE={} in the unit, or `ulimit -n` before replug is started",
        (needed + CONNECTIONS).next_power_of_two().max(1024)
    );
    if limit < needed {
        Finding::fail(TOPIC, format!("at most {limit}, and {plugins} plugins need {needed}"))
            .costs("not every plugin can be started")
            .remedy(remedy)
    } else if limit - needed < CONNECTIONS {
        Finding::warn(TOPIC, format!("at most {limit}, of which plugins need {needed}"))
            .costs(format!("{} are left for connections of applications", limit - needed))
            .remedy(remedy)
    } else if limit == u64::MAX {
        Finding::ok(TOPIC, format!("no limit; plugins need {needed}"))
    } else {
        Finding::ok(TOPIC, format!("at most {limit}, of which plugins need {needed}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    fn inotify(instances: u64, watches: u64) -> Inotify {
        Inotify { instances: Some(instances), watches: Some(watches), ..Inotify::default() }
    }

    #[test]
    fn inotify_is_measured_against_what_the_plan_needs() {
        assert_eq!(judge_inotify(&inotify(128, 8192), 1001).grade, Grade::Ok);
        let few = judge_inotify(&inotify(128, 100), 101);
        assert_eq!(few.grade, Grade::Warn);
        assert!(few.remedy.unwrap().contains("max_user_watches=8192"));
        let none = Inotify { refused: Some("EMFILE".into()), in_use: 2, ..inotify(2, 8192) };
        let none = judge_inotify(&none, 1);
        assert_eq!(none.grade, Grade::Warn);
        assert!(none.remedy.unwrap().contains("max_user_instances=128"));
        assert_eq!(judge_inotify(&Inotify::default(), 0).grade, Grade::Warn);
    }

    #[test]
    fn open_files_have_to_do_for_all_plugins_and_for_applications() {
        assert_eq!(judge_files(1024, 10).grade, Grade::Ok);
        assert_eq!(judge_files(u64::MAX, 1000).grade, Grade::Ok);
        assert_eq!(judge_files(1024, 100).grade, Grade::Warn);
        let few = judge_files(1024, 1000);
        assert_eq!(few.grade, Grade::Fail);
        assert!(few.remedy.unwrap().contains("LimitNOFILE=16384"));
    }

    #[test]
    fn this_process_sees_its_own_instances() {
        let before = instances_in_use(&Machine::this());
        let held = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
        // Other tests may end theirs meanwhile, but not this one's.
        assert!(instances_in_use(&Machine::this()) >= 1, "{before} before");
        drop(held);
    }
}
