//! What can be asked of the kernel for limits and confinement: cgroups, Landlock, namespaces, and
//! the right to give plugins users of their own.

use rustix::thread::CapabilitySet;

use super::Finding;
use crate::process::abilities::Namespace;
use crate::process::{Abilities, CgroupPlace};

/// The controllers that limits of the plan are made of.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

pub(super) fn examine(abilities: &Abilities) -> Vec<Finding> {
    vec![
        cgroup(&abilities.cgroup),
        landlock(abilities.landlock),
        namespace("files", "read-only and hidden paths", &abilities.mounts),
        namespace("networks", "`network = false`", &abilities.networks),
        users(abilities),
    ]
}

fn cgroup(found: &Result<CgroupPlace, String>) -> Finding {
    const TOPIC: &str = "cgroup v2";
    let short = |found: String| {
        Finding::warn(TOPIC, found)
            .costs("limits of memory, tasks and processor time are kept by rlimits, or not at all")
            .remedy(
                "Delegate=yes in the unit; in a container, a cgroup namespace of its own that is \
                 mounted to be written to; systemd.unified_cgroup_hierarchy=1 at boot where the \
                 controllers are those of version 1",
            )
    };
    let place = match found {
        Ok(place) => place,
        Err(reason) => return short(reason.clone()),
    };
    let has = |wanted: &&str| place.controllers.iter().any(|controller| controller == wanted);
    let missing: Vec<_> = CONTROLLERS.into_iter().filter(|wanted| !has(wanted)).collect();
    let folder = place.folder.display();
    if missing.is_empty() {
        Finding::ok(TOPIC, format!("{folder} is replug's, with {}", CONTROLLERS.join(", ")))
    } else {
        short(format!("{folder} is replug's, without {}", missing.join(", ")))
    }
}

fn landlock(version: Option<u32>) -> Finding {
    const TOPIC: &str = "Landlock";
    match version {
        Some(version) => Finding::ok(TOPIC, format!("ABI {version}")),
        None => Finding::warn(TOPIC, "the kernel has none, or has it turned off")
            .costs("paths are closed to plugins by mount namespaces only, which need a privilege")
            .remedy(
                "Linux 5.13 or later with CONFIG_SECURITY_LANDLOCK, and `landlock` in lsm= at boot",
            ),
    }
}

fn namespace(topic: &str, what: &str, found: &Result<Namespace, String>) -> Finding {
    match found {
        Ok(Namespace::Own) => Finding::ok(topic, format!("{what}: by namespaces")),
        Ok(Namespace::InUserNamespace) => {
            Finding::ok(topic, format!("{what}: by namespaces within a user namespace"))
        }
        Err(error) => Finding::warn(topic, format!("no namespaces for {what}: {error}"))
            .costs(format!("{what} can be had as far as Landlock goes, or not at all"))
            .remedy(
                "root, or sysctl user.max_user_namespaces above 0 and, on Debian, \
                 kernel.unprivileged_userns_clone=1; in a container, a seccomp profile that allows \
                 unshare",
            ),
    }
}

fn users(abilities: &Abilities) -> Finding {
    const TOPIC: &str = "users";
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::CHOWN;
    if abilities.can(needed) {
        return Finding::ok(TOPIC, "plugins can have users of their own");
    }
    // Not a warning: it is how a service should run that asks for nothing of the kind.
    Finding::ok(TOPIC, format!("all plugins run as uid {}, as replug does", abilities.uid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[test]
    fn a_cgroup_is_good_with_all_controllers_only() {
        let place = |controllers: &[&str]| {
            let controllers = controllers.iter().map(|&controller| controller.into()).collect();
            Ok(CgroupPlace { folder: "/sys/fs/cgroup/replug".into(), controllers })
        };
        assert_eq!(cgroup(&place(&["cpu", "io", "memory", "pids"])).grade, Grade::Ok);
        let few = cgroup(&place(&["cpu", "pids"]));
        assert_eq!(few.grade, Grade::Warn);
        assert!(few.found.ends_with("without memory"), "{}", few.found);
        let none = cgroup(&Err("cgroup v2 is mounted nowhere".into()));
        assert_eq!(
            (none.grade, none.found.as_str()),
            (Grade::Warn, "cgroup v2 is mounted nowhere")
        );
    }

    #[test]
    fn what_is_missing_has_a_cost_and_a_way_to_get_it() {
        for finding in [
            landlock(None),
            namespace("files", "hidden paths", &Err("EPERM".into())),
            cgroup(&Err("none".into())),
        ] {
            assert_eq!(finding.grade, Grade::Warn);
            assert!(finding.costs.is_some() && finding.remedy.is_some(), "{finding:?}");
        }
    }
}
