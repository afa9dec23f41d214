//! Who starts replug: whether systemd runs here, and whether it has a unit that lets replug use it.

use super::{Finding, Machine};

/// What is there where systemd is the first process.
const SYSTEMD: &str = "run/systemd/system";

/// Where units are looked for, in systemd's own order.
const UNITS: [&str; 5] = [
    "etc/systemd/system/replug.service",
    "run/systemd/system/replug.service",
    "usr/local/lib/systemd/system/replug.service",
    "usr/lib/systemd/system/replug.service",
    "lib/systemd/system/replug.service",
];

/// What a unit has to say for what replug can do, and what is missed without it.
const WANTED: [(&str, &str); 3] = [
    ("Type=notify", "systemd does not know when applications can call, nor how plugins stand"),
    ("WatchdogSec=", "a replug that hangs is not replaced"),
    ("Delegate=yes", "memory, tasks and processor time of plugins cannot be limited by cgroups"),
];

const TOPIC: &str = "service";

pub(super) fn examine(machine: &Machine) -> Vec<Finding> {
    vec![judge(machine)]
}

fn judge(machine: &Machine) -> Finding {
    if !machine.has(SYSTEMD) {
        return Finding::ok(TOPIC, "no systemd here: whoever starts replug has to start it again");
    }
    let unit = UNITS.iter().find_map(|path| Some((path, machine.read(path)?)));
    let Some((path, unit)) = unit else {
        return Finding::warn(TOPIC, "systemd runs here, and has no replug.service")
            .costs("nobody starts replug with the machine, or again when it ends")
            .remedy("replug install --systemd");
    };
    let says = |wanted: &str| unit.lines().any(|line| line.trim().starts_with(wanted));
    let missing: Vec<_> = WANTED.iter().filter(|(wanted, _)| !says(wanted)).collect();
    if missing.is_empty() {
        return Finding::ok(TOPIC, format!("/{path}: notify, watchdog, delegated cgroup"));
    }
    let named: Vec<_> = missing.iter().map(|(wanted, _)| *wanted).collect();
    let costs: Vec<_> = missing.iter().map(|(_, costs)| *costs).collect();
    Finding::warn(TOPIC, format!("/{path} does not say {}", named.join(", ")))
        .costs(costs.join("; "))
        .remedy("replug install --systemd --force writes a unit that does; drop-ins are kept")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::doctor::Grade;

    /// A machine on which systemd runs, with this unit.
    fn machine(unit: Option<&str>) -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(SYSTEMD)).unwrap();
        fs::create_dir_all(root.path().join("etc/systemd/system")).unwrap();
        if let Some(unit) = unit {
            fs::write(root.path().join(UNITS[0]), unit).unwrap();
        }
        let machine = Machine::below(root.path());
        (root, machine)
    }

    #[test]
    fn the_unit_of_this_repository_lacks_nothing() {
        let (_root, machine) = machine(Some(include_str!("../../../deploy/replug.service")));
        assert_eq!(judge(&machine).grade, Grade::Ok);
    }

    #[test]
    fn what_a_unit_lacks_is_said_with_what_is_missed() {
        let (_root, told) = machine(Some("[Service]\nType=simple\nWatchdogSec=30\nDelegate=yes\n"));
        let finding = judge(&told);
        assert_eq!(finding.grade, Grade::Warn);
        assert!(finding.found.ends_with("does not say Type=notify"), "{}", finding.found);
        let (_root, none) = machine(None);
        assert_eq!(judge(&none).remedy.as_deref(), Some("replug install --systemd"));
        let elsewhere = tempfile::tempdir().unwrap();
        assert_eq!(judge(&Machine::below(elsewhere.path())).grade, Grade::Ok);
    }
}
