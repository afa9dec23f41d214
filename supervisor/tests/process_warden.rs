//! What is left of plugins when replug itself is killed: nothing.

mod support;

use std::fs;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use replug_supervisor::process::{Process, Spawner};
use support::{Host, Pidfd, children, reader, shell, spawner};
use tokio::io::AsyncBufReadExt;

/// A plugin with a child and a grandchild; says their numbers.
const FAMILY: &str = r"
    sh -c 'sleep 1000 & echo $!; echo up; wait' &
    echo $!
    wait
";

/// A process of a family, and what is needed to see its end.
struct Member {
    pid: u32,
    pidfd: Pidfd,
}

/// Starts a family and says all its numbers.
async fn start_family(spawner: &Spawner) -> Process {
    let mut process = spawner.spawn(shell(FAMILY)).await.unwrap();
    let (stdout, _stderr) = process.take_output().unwrap();
    Host::say(&process.pid().to_string());
    let mut lines = reader(stdout).lines();
    let mut said = 0;
    while said < 3 {
        let line = lines.next_line().await.unwrap().unwrap();
        if line != "up" {
            Host::say(&line);
        }
        said += 1;
    }
    process
}

/// The role: keeps two families; between their starts, what the role's name says happens.
async fn supervisor(role: String) {
    let spawner = spawner().await;
    let guarded = std::env::temp_dir().join(format!("replug-test-{}", std::process::id()));
    if role == "with a folder" {
        fs::create_dir_all(guarded.join("deep")).unwrap();
        fs::write(guarded.join("deep/file"), "x").unwrap();
        spawner.remove_on_death(&guarded);
        Host::say(&guarded.display().to_string());
    }
    let first = start_family(&spawner).await;
    if role == "whose warden is killed" {
        let warden = the_warden(first.pid());
        kill(pid(warden.pid), Signal::SIGKILL).unwrap();
        warden.pidfd.gone().await;
    }
    let second = start_family(&spawner).await;
    let warden =
        children().into_iter().find(|child| *child != first.pid() && *child != second.pid());
    Host::say(&warden.unwrap().to_string());
    std::future::pending::<()>().await;
}

/// The warden, among whose siblings is one other process.
fn the_warden(sibling: u32) -> Member {
    let warden = children().into_iter().find(|child| *child != sibling).unwrap();
    Member { pid: warden, pidfd: Pidfd::open(warden) }
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(number.try_into().unwrap())
}

/// The next `count` processes that a host says.
async fn members(host: &mut Host, count: usize) -> Vec<Member> {
    let mut members = Vec::new();
    for _ in 0..count {
        let pid = host.line().await.parse().unwrap();
        members.push(Member { pid, pidfd: Pidfd::open(pid) });
    }
    members
}

async fn all_gone(members: &[Member]) {
    for member in members {
        member.pidfd.gone().await;
    }
}

#[tokio::test]
async fn no_child_or_grandchild_outlives_a_killed_supervisor() {
    let mut host = Host::start("plain");
    let members = members(&mut host, 7).await;
    host.kill();
    all_gone(&members).await;
}

#[tokio::test]
async fn no_child_outlives_a_supervisor_whose_whole_group_is_killed() {
    let mut host = Host::start("plain");
    let members = members(&mut host, 7).await;
    killpg(pid(host.pid()), Signal::SIGKILL).unwrap();
    all_gone(&members).await;
}

#[tokio::test]
async fn what_a_terminal_sends_does_not_keep_the_warden_from_its_work() {
    let mut host = Host::start("plain");
    let members = members(&mut host, 7).await;
    let warden = members.last().unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        kill(pid(warden.pid), signal).unwrap();
    }
    host.kill();
    all_gone(&members).await;
}

#[tokio::test]
async fn a_killed_warden_is_replaced_by_one_that_knows_every_group() {
    let mut host = Host::start("whose warden is killed");
    let members = members(&mut host, 7).await;
    host.kill();
    all_gone(&members).await;
}

#[tokio::test]
async fn the_warden_holds_no_descriptor_but_its_own_and_sits_in_its_own_session() {
    let mut host = Host::start("plain");
    let members = members(&mut host, 7).await;
    let warden = members.last().unwrap();
    let held = |fd: u32| fs::read_link(format!("/proc/{}/fd/{fd}", warden.pid)).unwrap();
    assert!(held(0).to_str().unwrap().starts_with("socket:"));
    assert_eq!(held(1).to_str(), Some("/dev/null"));
    assert_eq!(held(2).to_str(), Some("/dev/null"));
    assert_eq!(fs::read_dir(format!("/proc/{}/fd", warden.pid)).unwrap().count(), 3);
    assert_eq!(nix::unistd::getsid(Some(pid(warden.pid))).unwrap(), pid(warden.pid));
    host.kill();
    all_gone(&members).await;
}

#[tokio::test]
async fn a_folder_of_replug_goes_with_it() {
    let mut host = Host::start("with a folder");
    let folder = host.line().await;
    let members = members(&mut host, 7).await;
    assert!(fs::exists(&folder).unwrap());
    host.kill();
    // The warden is the last of them, and ends when its work is done.
    all_gone(&members).await;
    assert!(!fs::exists(&folder).unwrap());
}

#[test]
#[ignore = "a role of this program, started by a test"]
fn host_entry() {
    Host::play(supervisor);
}

#[test]
#[ignore = "a role of this program, started by a test"]
fn warden_entry() {
    support::warden_entry();
}
