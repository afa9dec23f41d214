//! The kernel: how old it is, and the calls that replug stands on.

use super::{Finding, Machine};
use crate::process::Abilities;

/// The first kernel that marks all descriptors close-on-exec in one call.
const CLOSE_RANGE: (u32, u32) = (5, 11);

pub(super) fn examine(machine: &Machine, abilities: &Abilities) -> Vec<Finding> {
    let release = machine.read("proc/sys/kernel/osrelease").unwrap_or_default();
    vec![
        judge_release(&release),
        judge_pidfd(abilities.pidfd),
        judge_orphans(nix::sys::prctl::get_child_subreaper().is_ok(), abilities.children),
    ]
}

fn judge_release(release: &str) -> Finding {
    let Some(version) = version(release) else {
        return Finding::warn("kernel", format!("a release that says nothing: {release:?}"))
            .costs("nothing is known of what it can do")
            .remedy("mount /proc, if it is not there");
    };
    if version < CLOSE_RANGE {
        return Finding::warn("kernel", format!("Linux {release}, without close_range for exec"))
            .costs("descriptors that replug itself was started with stay open in plugins")
            .remedy(
                "Linux 5.11 or later; or start replug with no descriptors but the first three",
            );
    }
    Finding::ok("kernel", format!("Linux {release}"))
}

fn judge_pidfd(there: bool) -> Finding {
    if there {
        Finding::ok("pidfd", "the end of a process is known when it happens")
    } else {
        Finding::fail("pidfd", "pidfd_open is refused")
            .costs("replug cannot start plugins: it would not learn of their ends")
            .remedy("Linux 5.3 or later, and a system call filter that allows pidfd_open")
    }
}

fn judge_orphans(subreaper: bool, children: bool) -> Finding {
    const TOPIC: &str = "subreaper";
    let short = |found: &str| {
        Finding::warn(TOPIC, found)
            .costs("children that left a plugin's process group may outlive the plugin")
    };
    if !subreaper {
        short("prctl refuses PR_GET_CHILD_SUBREAPER").remedy("a filter that allows prctl")
    } else if children {
        Finding::ok(TOPIC, "children that left their plugin's group are found")
    } else {
        short("the kernel does not list the children of a process")
            .remedy("a kernel with CONFIG_PROC_CHILDREN, or a delegated cgroup")
    }
}

/// Major and minor number of a release such as `6.1.0-18-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[test]
    fn a_kernel_is_judged_by_its_number_and_not_by_its_text() {
        for (release, grade) in [
            ("6.1.0-18-amd64", Grade::Ok),
            ("5.11.0", Grade::Ok),
            ("5.4.0-170-generic", Grade::Warn),
            ("4.19", Grade::Warn),
            ("10.2", Grade::Ok),
            ("", Grade::Warn),
        ] {
            assert_eq!(judge_release(release).grade, grade, "{release:?}");
        }
    }

    #[test]
    fn without_process_descriptors_nothing_runs_and_it_is_said_why() {
        let finding = judge_pidfd(false);
        assert_eq!(finding.grade, Grade::Fail);
        assert!(finding.costs.is_some() && finding.remedy.is_some());
    }
}
