//! Processes as the supervisor runs them: real ones, with real children, that end in every way.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use replug_supervisor::process::{Exit, Launch, Process, Signal, SpawnError};
use support::{Host, Pidfd, is_zombie, open_descriptors, poll_once, reader, shell, spawner};
use tokio::io::{AsyncBufReadExt, AsyncReadExt};

/// A patience that no test exhausts unless what it waits for does not happen.
const LONG: Duration = Duration::from_secs(60);

/// Reads the first line that a process prints.
async fn first_line(process: &mut Process) -> String {
    let (stdout, stderr) = process.take_output().unwrap();
    drop(stderr);
    let mut line = String::new();
    reader(stdout).read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

/// Signals one process from outside, as an operator does.
fn kill(process: &Process, signal: Signal) {
    let pid = nix::unistd::Pid::from_raw(process.pid().try_into().unwrap());
    nix::sys::signal::kill(pid, signal).unwrap();
}

#[tokio::test]
async fn the_exit_status_and_the_signal_that_ended_a_process_are_told() {
    let spawner = spawner().await;
    let mut code = spawner.spawn(shell("exit 3")).await.unwrap();
    assert_eq!(code.exited().await, Exit::Code(3));
    assert_eq!(code.exited().await, Exit::Code(3), "asked again it says the same");
    let mut aborted = spawner.spawn(shell("kill -SEGV $$")).await.unwrap();
    let Exit::Signal { signal, .. } = aborted.exited().await else { panic!("it exited") };
    assert_eq!(signal, Signal::SIGSEGV as i32);
}

#[tokio::test]
async fn a_process_starts_clean() {
    let spawner = spawner().await;
    // Signal masks and dispositions as the kernel shows them, every open descriptor, the group,
    // and whether a variable that is replug's own came through.
    let script = r#"
        grep -E '^Sig(Blk|Ign):' /proc/self/status
        ls /proc/self/fd
        readlink /proc/self/fd/0
        echo "var=$REPLUG_TEST"
        echo "pgid=$(cut -d' ' -f5 /proc/$$/stat) pid=$$"
    "#;
    let mut launch = shell(script);
    launch.env.push(("REPLUG_TEST".into(), "of the plan".into()));
    let mut process = spawner.spawn(launch).await.unwrap();
    let (stdout, _stderr) = process.take_output().unwrap();
    let mut text = String::new();
    reader(stdout).read_to_string(&mut text).await.unwrap();
    assert!(text.contains("SigBlk:\t0000000000000000"), "{text}");
    assert!(text.contains("SigIgn:\t0000000000000000"), "{text}");
    // ls itself opens the fourth, on the folder.
    assert!(text.contains("0\n1\n2\n3\n/dev/null\n"), "{text}");
    assert!(text.contains("var=of the plan"), "{text}");
    let pid = process.pid();
    assert!(text.contains(&format!("pgid={pid} pid={pid}")), "{text}");
    assert_eq!(process.exited().await, Exit::Code(0));
}

#[tokio::test]
async fn a_process_runs_in_the_folder_it_is_given_and_a_relative_program_is_found_there() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = spawner().await;
    symlink("/bin/sh", folder.path().join("own-shell")).unwrap();
    let mut launch = Launch::new("./own-shell", ["-c", "pwd -P"]);
    launch.cwd = Some(folder.path().to_owned());
    let mut process = spawner.spawn(launch).await.unwrap();
    let said = first_line(&mut process).await;
    assert_eq!(said, fs::canonicalize(folder.path()).unwrap().display().to_string());
}

#[tokio::test]
async fn a_name_is_looked_up_in_the_path_that_the_process_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    let open = folder.path().join("open");
    fs::create_dir(&closed).unwrap();
    fs::create_dir(&open).unwrap();
    // One that is not executable does not keep the next from being found.
    fs::write(closed.join("own-shell"), "").unwrap();
    symlink("/bin/sh", open.join("own-shell")).unwrap();
    let mut launch = Launch::new("own-shell", ["-c", "echo $PATH"]);
    let path = format!("/nowhere:{}:{}", closed.display(), open.display());
    launch.env = vec![("PATH".into(), path.clone().into())];
    let mut process = spawner().await.spawn(launch).await.unwrap();
    assert_eq!(first_line(&mut process).await, path);
}

#[tokio::test]
async fn a_process_that_ends_takes_its_children_with_it() {
    let spawner = spawner().await;
    let script = "trap 'exit 0' USR1; sleep 1000 & echo $!; wait";
    let mut process = spawner.spawn(shell(script)).await.unwrap();
    let child = Pidfd::open(first_line(&mut process).await.parse().unwrap());
    // To the shell alone: the child is to end by what follows, not by this.
    kill(&process, Signal::SIGUSR1);
    assert_eq!(process.exited().await, Exit::Code(0));
    child.gone().await;
}

#[tokio::test]
async fn stopping_sends_the_stop_signal_to_the_whole_group() {
    let spawner = spawner().await;
    let script = "trap 'exit 7' INT; echo up; while :; do sleep 1000 & wait; done";
    let mut process = spawner.spawn(shell(script)).await.unwrap();
    assert_eq!(first_line(&mut process).await, "up");
    assert_eq!(process.stop(Signal::SIGINT, LONG).await, Exit::Code(7));
}

#[tokio::test]
async fn a_process_that_ignores_the_stop_signal_is_killed_after_the_timeout() {
    let spawner = spawner().await;
    let mut process =
        spawner.spawn(shell("trap '' TERM; echo up; while :; do sleep 1000; done")).await.unwrap();
    assert_eq!(first_line(&mut process).await, "up");
    let exit = process.stop(Signal::SIGTERM, Duration::from_millis(50)).await;
    assert_eq!(exit, Exit::by(Signal::SIGKILL));
}

#[tokio::test]
async fn a_process_that_is_stopped_hears_the_stop_signal() {
    let spawner = spawner().await;
    let mut process = spawner.spawn(shell("kill -STOP $$; exit 1")).await.unwrap();
    // It stays stopped until it is woken, whether it has come so far or not; what counts is that
    // the end is by SIGTERM, and long before the patience is over.
    let exit = process.stop(Signal::SIGTERM, LONG).await;
    assert_eq!(exit, Exit::by(Signal::SIGTERM));
}

#[tokio::test]
async fn a_dropped_process_is_killed_with_its_group_and_leaves_no_zombie() {
    let spawner = spawner().await;
    let mut process = spawner.spawn(shell("sleep 1000 & echo $!; wait")).await.unwrap();
    let leader = Pidfd::open(process.pid());
    let pid = process.pid();
    let child = Pidfd::open(first_line(&mut process).await.parse().unwrap());
    drop(process);
    leader.gone().await;
    child.gone().await;
    // Finishing waits until all are reaped.
    spawner.finish().await;
    assert!(!is_zombie(pid));
}

#[tokio::test]
async fn a_process_whose_spawning_was_given_up_does_not_stay() {
    // In a process of its own, which has no other children.
    let mut host = Host::start("given up");
    assert_eq!(host.line().await, "all gone");
}

/// The role behind [`a_process_whose_spawning_was_given_up_does_not_stay`].
async fn given_up() {
    let spawner = spawner().await;
    for _ in 0..20 {
        // Asked for and given up, as a task that is aborted does it: mostly before the answer.
        let mut asked = Box::pin(spawner.spawn(shell("sleep 1000")));
        drop(poll_once(asked.as_mut()).await);
    }
    // Started after all the others were, for one comes after the other.
    let mut last = spawner.spawn(shell("exit")).await.unwrap();
    last.exited().await;
    let warden = support::children()[0];
    for child in support::children() {
        if child != warden
            && let Some(child) = Pidfd::try_open(child)
        {
            child.gone().await;
        }
    }
    Host::say("all gone");
}

#[tokio::test]
async fn nothing_is_started_any_more_when_replug_is_stopping() {
    let spawner = spawner().await;
    spawner.finish().await;
    assert!(matches!(spawner.spawn(shell("exit")).await, Err(SpawnError::Stopping)));
}

#[tokio::test]
async fn finishing_kills_what_is_left() {
    let spawner = spawner().await;
    let mut first = spawner.spawn(shell("trap '' TERM; sleep 1000")).await.unwrap();
    let second = spawner.spawn(shell("sleep 1000")).await.unwrap();
    spawner.finish().await;
    assert_eq!(first.exited().await, Exit::by(Signal::SIGKILL));
    assert!(!is_zombie(second.pid()));
}

#[tokio::test]
async fn two_hundred_lives_leave_no_descriptor_and_no_zombie() {
    // In a process of its own: the other tests of this one open and close descriptors too.
    let mut host = Host::start("rounds");
    let before = host.line().await;
    assert_eq!(host.line().await, before);
    assert_eq!(host.line().await, "children: 1", "only the warden is left");
}

/// The role behind [`two_hundred_lives_leave_no_descriptor_and_no_zombie`].
async fn rounds() {
    let spawner = spawner().await;
    for round in 0..201 {
        let mut process = spawner.spawn(shell("echo up; sleep 1000 & wait")).await.unwrap();
        assert_eq!(first_line(&mut process).await, "up");
        match round % 3 {
            0 => process.kill_group(),
            1 => drop(process.stop(Signal::SIGTERM, LONG).await),
            _ => kill(&process, Signal::SIGKILL),
        }
        process.exited().await;
        if round == 0 {
            Host::say(&format!("descriptors: {}", open_descriptors()));
        }
    }
    Host::say(&format!("descriptors: {}", open_descriptors()));
    Host::say(&format!("children: {}", support::children().len()));
}

// === why something does not start

async fn refused(launch: Launch) -> SpawnError {
    spawner().await.spawn(launch).await.unwrap_err()
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let error = refused(Launch::new("/nowhere/plugin", [""; 0])).await;
    assert_eq!(error, SpawnError::NotFound { program: "/nowhere/plugin".into() });
    assert_eq!(error.to_string(), "/nowhere/plugin does not exist");
    let error = refused(Launch::new("no-such-plugin-anywhere", [""; 0])).await;
    assert_eq!(error, SpawnError::NotInPath { name: "no-such-plugin-anywhere".into() });
}

#[tokio::test]
async fn a_file_that_is_not_executable_is_told_from_one_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("plugin");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
    let error = refused(Launch::new(&script, [""; 0])).await;
    assert!(
        error.to_string().ends_with("is not executable: make it so with `chmod +x`"),
        "{error}"
    );
    let error = refused(Launch::new(folder.path(), [""; 0])).await;
    assert!(error.to_string().ends_with("is not executable: it is a folder"), "{error}");
}

#[tokio::test]
async fn a_script_whose_interpreter_is_missing_says_which() {
    // Files of the repository, because one that was just written can be busy.
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    for (script, shown) in
        [("interpreter-missing", "/opt/no/python3"), ("carriage-return", "/bin/sh\\r")]
    {
        let error = refused(Launch::new(scripts.join(script), [""; 0])).await;
        assert!(matches!(error, SpawnError::InterpreterMissing { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("is a script for `{shown}`")), "{error}");
    }
}

#[tokio::test]
async fn a_script_that_names_no_interpreter_is_refused_whatever_the_c_library_would_do() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/no-interpreter");
    let error = refused(Launch::new(&script, [""; 0])).await;
    assert_eq!(error, SpawnError::WrongFormat { program: script });
}

#[tokio::test]
async fn a_working_directory_that_cannot_be_entered_is_told_from_a_missing_program() {
    let mut launch = shell("exit");
    launch.cwd = Some("/nowhere".into());
    assert_eq!(
        refused(launch.clone()).await.to_string(),
        "the working directory /nowhere does not exist"
    );
    launch.cwd = Some("/etc/passwd".into());
    assert_eq!(refused(launch).await.to_string(), "the working directory /etc/passwd is no folder");
}

#[tokio::test]
async fn arguments_that_are_too_long_or_have_a_nul_byte_are_refused() {
    let error = refused(Launch::new("/bin/sh", ["x".repeat(4 << 20)])).await;
    assert_eq!(error, SpawnError::TooLong { program: "/bin/sh".into() });
    assert_eq!(refused(Launch::new("/bin/sh", ["a\0b"])).await, SpawnError::NulByte);
}

#[test]
#[ignore = "a role of this program, started by a test"]
fn host_entry() {
    Host::play(|role| async move {
        match role.as_str() {
            "rounds" => rounds().await,
            "given up" => given_up().await,
            _ => panic!("no such role"),
        }
    });
}

#[test]
#[ignore = "a role of this program, started by a test"]
fn warden_entry() {
    support::warden_entry();
}
