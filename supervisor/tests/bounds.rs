//! What processes are held to, seen from inside of real ones: limits, users, rights, paths, the
//! network; and that nothing outlives them, wherever it went.

mod support;

use std::fs;
use std::path::Path;

use replug_supervisor::process::abilities::Namespace;
use replug_supervisor::process::confinement::{Account, CapabilitySet};
use replug_supervisor::process::{Abilities, Confinement, Launch, Limits, adopt_orphans};
use support::{Host, Pidfd, reader, shell, spawner};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};

/// A user without rights that every machine has.
const NOBODY: &str = "nobody";

/// Says by name that a test does not run.
fn skipped(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
}

/// Whether this is root with all that belongs to it; where not, the test is said to be skipped.
fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skipped(test, "only root starts programs as another user");
    }
    root
}

fn as_nobody(mut launch: Launch) -> Launch {
    let account = Account { user: Some(NOBODY.into()), ..Account::default() };
    launch.identity = account.resolve().unwrap();
    launch
}

/// Everything that a process prints, and its end.
async fn said(launch: Launch) -> String {
    let spawner = spawner().await;
    let mut process = spawner.spawn(launch).await.unwrap();
    let (stdout, stderr) = process.take_output().unwrap();
    let mut text = String::new();
    reader(stdout).read_to_string(&mut text).await.unwrap();
    reader(stderr).read_to_string(&mut text).await.unwrap();
    process.exited().await;
    text
}

/// A line of `/proc/self/status`, as a process prints it.
fn field<'t>(status: &'t str, name: &str) -> &'t str {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim()
}

#[tokio::test]
async fn what_the_kernel_limits_of_one_process_is_seen_from_inside() {
    let mut launch =
        shell("ulimit -n; ulimit -c; umask; nice; cat /proc/self/oom_score_adj; ulimit -d");
    launch.limits = Limits {
        open_files: Some(77),
        core: Some(0),
        nice: Some(5),
        oom_score_adj: Some(321),
        ..Limits::default()
    };
    launch.confinement.umask = Some(0o027);
    assert_eq!(said(launch).await, "77\n0\n0027\n5\n321\nunlimited\n");
}

#[tokio::test]
async fn memory_is_limited_by_a_cgroup_or_by_process_and_it_is_said_which() {
    let spawner = spawner().await;
    let mut launch = shell("ulimit -d");
    launch.name = "limited.1".into();
    launch.limits.memory = Some(64 << 20);
    let mut process = spawner.spawn(launch).await.unwrap();
    let (stdout, _stderr) = process.take_output().unwrap();
    let mut data = String::new();
    reader(stdout).read_to_string(&mut data).await.unwrap();
    match process.bounds().limits.as_slice() {
        [by] if by == "memory 64M (cgroup)" => assert_eq!(data, "unlimited\n"),
        [by] if by == "memory 64M of each process (rlimit)" => assert_eq!(data, "65536\n"),
        other => panic!("{other:?}"),
    }
    assert_eq!(process.bounds().missing, [] as [&str; 0]);
}

#[tokio::test]
async fn a_process_runs_as_its_user_and_groups_and_without_the_rights_of_root() {
    if !is_root("a_process_runs_as_its_user_and_groups_and_without_the_rights_of_root") {
        return;
    }
    let account = Account {
        user: Some(NOBODY.into()),
        group: Some("daemon".into()),
        groups: vec!["bin".into()],
    };
    let mut launch = shell("cat /proc/self/status; echo Home: $HOME $USER; cat /proc/self/stat");
    launch.identity = account.resolve().unwrap();
    launch.env = launch.identity.clone().unwrap().env;
    let status = said(launch).await;
    let uid = nix::unistd::User::from_name(NOBODY).unwrap().unwrap().uid;
    assert_eq!(field(&status, "Uid"), format!("{uid}\t{uid}\t{uid}\t{uid}"));
    let gid = |name| nix::unistd::Group::from_name(name).unwrap().unwrap().gid;
    let daemon = gid("daemon");
    assert_eq!(field(&status, "Gid"), format!("{daemon}\t{daemon}\t{daemon}\t{daemon}"));
    let groups: Vec<_> = field(&status, "Groups").split_whitespace().collect();
    assert!(groups.contains(&gid("bin").to_string().as_str()), "{status}");
    assert_eq!(field(&status, "CapEff"), "0000000000000000");
    assert!(field(&status, "Home").ends_with(NOBODY), "{status}");
}

#[tokio::test]
async fn a_process_that_becomes_another_user_never_shares_the_memory_of_replug() {
    if !is_root("a_process_that_becomes_another_user_never_shares_the_memory_of_replug") {
        return;
    }
    // A change of user closes the memory of whoever changes, for all who share it.
    let open = nix::sys::prctl::get_dumpable().unwrap();
    assert!(open);
    said(as_nobody(shell("exit"))).await;
    assert_eq!(nix::sys::prctl::get_dumpable().unwrap(), open);
}

#[tokio::test]
async fn what_is_kept_of_the_rights_of_root_is_what_a_process_has() {
    if !is_root("what_is_kept_of_the_rights_of_root_is_what_a_process_has") {
        return;
    }
    let kept = CapabilitySet::NET_BIND_SERVICE;
    let hex = format!("{:016x}", kept.bits());
    for launch in [shell("cat /proc/self/status"), as_nobody(shell("cat /proc/self/status"))] {
        let mut launch = launch;
        launch.confinement.capabilities = Some(kept);
        launch.confinement.no_new_privs = true;
        let status = said(launch).await;
        for set in ["CapEff", "CapPrm", "CapBnd"] {
            assert_eq!(field(&status, set), hex, "{set} in {status}");
        }
        assert_eq!(field(&status, "NoNewPrivs"), "1");
    }
}

/// What is closed, tried from inside: the folder of a test with a secret and a place to write in it.
const TRIES: &str = "
    cd $HOME_OF_TEST
    cat secret/word 2>/dev/null && echo seen
    cat file >/dev/null && echo read
    (echo x >> file) 2>/dev/null && echo changed
    touch open/new && echo written
    echo x > /dev/null && echo null
    command -v bash >/dev/null && bash -c \"exec 3<>/dev/tcp/127.0.0.1/$PORT\" 2>/dev/null && echo connected
    echo end
";

/// A folder with something to hide, something to keep as it is, and something to change.
fn folder_to_close() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["secret", "open"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("secret/word"), "word\n").unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    folder
}

fn closed(folder: &Path, port: u16) -> Launch {
    let mut launch = shell(TRIES);
    launch.env =
        vec![("HOME_OF_TEST".into(), folder.into()), ("PORT".into(), port.to_string().into())];
    launch.confinement = Confinement {
        read_only: vec!["/".into()],
        writable: vec![folder.join("open")],
        hidden: vec![folder.join("secret")],
        no_network: true,
        ..Confinement::default()
    };
    launch
}

#[tokio::test]
async fn what_is_closed_is_closed_from_inside_and_the_rest_is_open() {
    let test = "what_is_closed_is_closed_from_inside_and_the_rest_is_open";
    let abilities = Abilities::probe();
    if abilities.mounts.is_err() && abilities.landlock.is_none() {
        return skipped(test, "neither namespaces nor Landlock");
    }
    let folder = folder_to_close();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = Launch { confinement: Confinement::default(), ..closed(folder.path(), port) };
    let all = said(open).await;
    assert!(all.starts_with("word\nseen\nread\nchanged\nwritten\nnull\n"), "{all}");
    let launch = closed(folder.path(), port);
    assert_eq!(said(launch.clone()).await, "read\nwritten\nnull\nend\n");
    if abilities.mounts == Ok(Namespace::Own) {
        std::os::unix::fs::chown(folder.path().join("open"), Some(65534), None).unwrap();
        set_mode(folder.path(), 0o711);
        fs::remove_file(folder.path().join("open/new")).unwrap();
        assert_eq!(said(as_nobody(launch)).await, "read\nwritten\nnull\nend\n");
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn where_namespaces_are_refused_landlock_closes_the_same() {
    let test = "where_namespaces_are_refused_landlock_closes_the_same";
    let abilities = Abilities::probe();
    if abilities.landlock.is_none_or(|version| version < 4) || abilities.networks.is_err() {
        return skipped(test, "no Landlock that knows TCP, or no namespaces to refuse");
    }
    // A user namespace in which there may be no further namespaces.
    let refuse = "for kind in user mnt net; do echo 0 > /proc/sys/user/max_${kind}_namespaces; done; \
                  exec \"$@\"";
    let by = ["unshare", "--user", "--map-root-user", "sh", "-c", refuse, "sh"];
    let mut host = Host::start_by(&by, "landlocked");
    assert_eq!(host.line().await, "no TCP network (Landlock)");
    assert_eq!(host.line().await, r#""read\nwritten\nnull\nend\n""#);
}

/// The role behind [`where_namespaces_are_refused_landlock_closes_the_same`].
async fn landlocked() {
    let folder = folder_to_close();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let launch = closed(folder.path(), listener.local_addr().unwrap().port());
    let spawner = spawner().await;
    let process = spawner.spawn(launch.clone()).await.unwrap();
    Host::say(process.bounds().confinement.last().unwrap());
    drop(process);
    let _ = fs::remove_file(folder.path().join("open/new"));
    Host::say(&format!("{:?}", said(launch).await));
}

#[tokio::test]
async fn a_process_without_a_network_can_still_talk_to_itself() {
    if Abilities::probe().networks.is_err() {
        return skipped("a_process_without_a_network_can_still_talk_to_itself", "no namespaces");
    }
    let mut launch = shell("grep -c : /proc/net/dev; grep -om1 127.0.0.1 /proc/net/fib_trie");
    launch.confinement.no_network = true;
    let text = said(launch).await;
    assert_eq!(text, "1\n127.0.0.1\n");
}

#[tokio::test]
async fn what_a_child_cannot_do_to_itself_is_named() {
    if !is_root("what_a_child_cannot_do_to_itself_is_named") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o700);
    let mut launch = as_nobody(shell("exit"));
    launch.cwd = Some(folder.path().to_owned());
    let error = spawner().await.spawn(launch).await.unwrap_err();
    let folder = folder.path().display();
    assert_eq!(error.to_string(), format!("the working directory {folder}: Permission denied"));
}

#[tokio::test]
async fn a_limit_that_cannot_be_had_is_missing_or_refuses_the_start_as_the_plan_asks() {
    let mut host = Host::start("powerless");
    let missing = "nice -5: replug has nice 0 and not the capability sys_nice";
    assert_eq!(host.line().await, format!("started without {missing}"));
    let refused = format!("limits that are required cannot be had here: {missing}");
    assert_eq!(host.line().await, refused);
    assert!(host.line().await.contains("only root"), "a user of its own");
}

/// The role behind [`a_limit_that_cannot_be_had_is_missing_or_refuses_the_start_as_the_plan_asks`].
async fn powerless() {
    let none = CapabilitySet::empty();
    let sets =
        rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none };
    // Of this thread, whose children the spawner's and its children are.
    rustix::thread::set_capabilities(None, sets).unwrap();
    let spawner = spawner().await;
    let mut launch = shell("exit");
    launch.limits.nice = Some(-5);
    let process = spawner.spawn(launch.clone()).await.unwrap();
    Host::say(&format!("started without {}", process.bounds().missing.join("; ")));
    launch.limits.required = true;
    Host::say(&spawner.spawn(launch).await.unwrap_err().to_string());
    let account = Account { user: Some("daemon".into()), ..Account::default() };
    Host::say(&account.resolve().unwrap_err());
}

#[tokio::test]
async fn a_fork_bomb_stays_within_its_limit_and_others_go_on() {
    let test = "a_fork_bomb_stays_within_its_limit_and_others_go_on";
    if !is_root(test) {
        return;
    }
    let spawner = spawner().await;
    let mut other = spawner.spawn(shell("read line; echo still here")).await.unwrap();
    let account = Account { user: Some("games".into()), ..Account::default() };
    // Every fork starts another; the shell says what it cannot start.
    let mut bomb = shell("bomb() { bomb | bomb & }; bomb; wait; sleep 1000");
    bomb.name = "bomb.1".into();
    bomb.identity = account.resolve().unwrap();
    bomb.limits.tasks = Some(20);
    let mut bomb = spawner.spawn(bomb).await.unwrap();
    let [by] = bomb.bounds().limits.as_slice() else { panic!("{:?}", bomb.bounds()) };
    assert!(by.starts_with("tasks 20"), "{by}");
    let (_stdout, stderr) = bomb.take_output().unwrap();
    let mut line = String::new();
    reader(stderr).read_line(&mut line).await.unwrap();
    assert!(line.contains("fork"), "{line}");
    bomb.kill_group();
    bomb.exited().await;
    other.kill_group();
    other.exited().await;
    spawner.finish().await;
    assert_eq!(processes_of("games"), 0, "of the bomb");
}

/// How many processes a user has, zombies aside.
fn processes_of(user: &str) -> usize {
    let uid = nix::unistd::User::from_name(user).unwrap().unwrap().uid.as_raw();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("status")).ok())
        .filter(|status| {
            status.lines().any(|line| line.starts_with(&format!("Uid:\t{uid}\t")))
                && !status.contains("State:\tZ")
        })
        .count()
}

// === nothing outlives its life

/// Starts something in a session of its own, says its number, and goes on until it is killed.
const DAEMON: &str = "setsid sh -c 'echo $$; exec sleep 1000' & sleep 1000";

#[tokio::test]
async fn a_daemon_ends_with_its_life_by_its_cgroup() {
    let test = "a_daemon_ends_with_its_life_by_its_cgroup";
    if let Err(why) = Abilities::probe().cgroup {
        return skipped(test, &why);
    }
    let spawner = spawner().await;
    // Without its environment, so that nothing but the cgroup gives it away.
    let mut launch = shell(&DAEMON.replace("exec sleep", "exec env -i sleep"));
    launch.name = "daemon.1".into();
    let mut process = spawner.spawn(launch).await.unwrap();
    let (stdout, _stderr) = process.take_output().unwrap();
    let mut line = String::new();
    reader(stdout).read_line(&mut line).await.unwrap();
    let daemon = Pidfd::open(line.trim().parse().unwrap());
    process.kill_group();
    process.exited().await;
    daemon.gone().await;
    spawner.finish().await;
}

#[tokio::test]
async fn a_daemon_without_a_cgroup_ends_with_its_life_by_its_mark() {
    let mut host = Host::start("daemons");
    assert_eq!(host.line().await, "marked: gone with its life");
    assert_eq!(host.line().await, "unmarked: gone with replug");
}

/// The role behind [`a_daemon_without_a_cgroup_ends_with_its_life_by_its_mark`].
async fn daemons() {
    adopt_orphans().unwrap();
    let spawner = spawner().await;
    let mut unmarked = spawner.spawn(shell(&DAEMON.replace("exec", "exec env -i"))).await.unwrap();
    let (stdout, _unmarked_stderr) = unmarked.take_output().unwrap();
    let mut line = String::new();
    reader(stdout).read_line(&mut line).await.unwrap();
    let nameless = Pidfd::open(line.trim().parse().unwrap());
    unmarked.kill_group();
    unmarked.exited().await;

    let mut marked = spawner.spawn(shell(DAEMON)).await.unwrap();
    let (stdout, _marked_stderr) = marked.take_output().unwrap();
    line.clear();
    reader(stdout).read_line(&mut line).await.unwrap();
    let daemon = Pidfd::open(line.trim().parse().unwrap());
    marked.kill_group();
    marked.exited().await;
    daemon.gone().await;
    Host::say("marked: gone with its life");
    spawner.finish().await;
    nameless.gone().await;
    Host::say("unmarked: gone with replug");
}

#[tokio::test]
async fn a_daemon_does_not_outlive_a_replug_that_is_killed() {
    let mut host = Host::start("killed");
    let daemon = Pidfd::open(host.line().await.parse().unwrap());
    host.kill();
    daemon.gone().await;
}

/// The role behind [`a_daemon_does_not_outlive_a_replug_that_is_killed`].
async fn killed() {
    let spawner = spawner().await;
    let mut process = spawner.spawn(shell(DAEMON)).await.unwrap();
    let (stdout, _stderr) = process.take_output().unwrap();
    let mut line = String::new();
    reader(stdout).read_line(&mut line).await.unwrap();
    Host::say(line.trim());
    std::future::pending::<()>().await;
}

#[test]
#[ignore = "a role of this program, started by a test"]
fn host_entry() {
    Host::play(|role| async move {
        match role.as_str() {
            "landlocked" => landlocked().await,
            "powerless" => powerless().await,
            "daemons" => daemons().await,
            "killed" => killed().await,
            _ => panic!("no such role"),
        }
    });
}

#[test]
#[ignore = "a role of this program, started by a test"]
fn warden_entry() {
    support::warden_entry();
}
