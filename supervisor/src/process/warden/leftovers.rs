//! What is left of plugins that left their groups, when replug is gone: found by their cgroups and
//! by their mark, killed, and waited for.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::super::cgroup::{SELF, is_populated, remove_home};
use super::super::mark::Mark;

/// How often it is looked for more: what was killed may just have started another.
const ROUNDS: usize = 10;

/// How long one that was killed may take to end before it is left to the kernel.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Kills everything in the cgroups of `home`, and removes these.
pub(super) fn end_cgroups(home: &Path) {
    let cgroups: Vec<_> = fs::read_dir(home)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name() != SELF)
        .map(|entry| entry.path())
        .collect();
    for cgroup in &cgroups {
        // Not there for what is no cgroup but a file of this one.
        let _ = fs::write(cgroup.join("cgroup.kill"), "1");
    }
    for cgroup in &cgroups {
        wait_until_empty(cgroup);
    }
    remove_home(home);
}

fn wait_until_empty(cgroup: &Path) {
    let events = cgroup.join("cgroup.events");
    let Ok(file) = fs::File::open(&events) else { return };
    for _ in 0..ROUNDS {
        // Through a descriptor of its own: what is watched has to be read to its end each time.
        let text = std::io::read_to_string(&file);
        let still = text.is_ok_and(|text| is_populated(&text));
        if !still || !happens(&file, PollFlags::PRI) {
            return;
        }
        if std::io::Seek::rewind(&mut &file).is_err() {
            return;
        }
    }
}

/// Kills every process that bears the mark, and those that these start meanwhile.
pub(super) fn end_marked(mark: &Mark) {
    for _ in 0..ROUNDS {
        let killed: Vec<_> = processes().filter_map(|pid| killed(pid, mark)).collect();
        if killed.is_empty() {
            return;
        }
        for process in &killed {
            happens(process, PollFlags::IN);
        }
    }
}

/// The process, killed, if it bears the mark.
fn killed(pid: u32, mark: &Mark) -> Option<impl AsFd> {
    mark.life_of(pid)?;
    let number = Pid::from_raw(i32::try_from(pid).ok()?)?;
    let process = pidfd_open(number, PidfdFlags::empty()).ok()?;
    // Once more: the number could have come to mean another.
    mark.life_of(pid)?;
    pidfd_send_signal(&process, Signal::KILL).ok()?;
    Some(process)
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Waits for what a descriptor tells of. False: it has not come in time.
fn happens(descriptor: &impl AsFd, what: PollFlags) -> bool {
    let mut waiting = [PollFd::new(descriptor, what)];
    poll(&mut waiting, Some(&PATIENCE)).is_ok_and(|ready| ready > 0)
}
