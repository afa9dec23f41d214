//! What plugins are held to, as the application and `replug status` see it.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::rig::{Application, Home, Process, Replug, misbehave, run, text};

/// Whether this is root; where not, the test is said to be skipped.
fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: {test}: only root starts programs as another user");
    }
    root
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Starts replug where nothing can be written to but its home. A folder below a mount that is open
/// to writes is the only one that a container may have, too.
const NOTHING_ELSE_WRITABLE: &str = "mount --bind \"$0\" \"$0\" && \
     mount -o remount,bind,ro / && exec \"$@\"";

#[tokio::test]
async fn replug_needs_no_other_folder_to_write_to_than_its_own() {
    if !is_root("replug_needs_no_other_folder_to_write_to_than_its_own") {
        return;
    }
    let home = Home::new(&format!(
        "[plugins.store]\ncommand = [{:?}, \"well\"]\n\
         [plugins.settings]\nbuiltin = \"state.sqlite\"\n\
         [components.kv]\ntype = \"state.misbehave\"\n\
         [components.settings]\ntype = \"state.sqlite\"\n\
         metadata = {{ connectionString = \"settings.db\" }}\n",
        misbehave()
    ));
    let folder = text(&home.path(""));
    let args = ["--mount", "sh", "-c", NOTHING_ELSE_WRITABLE, &folder];
    let mut replug = Replug::spawn_under(&home, "unshare", &args);
    let status = replug.until_ready("settings").await;
    replug.until_ready("store").await;
    let root = format!("/proc/{}/root/written", replug.pid());
    assert_eq!(std::fs::write(root, "").unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    for component in ["kv", "settings"] {
        let application = Application::new(&status, component);
        application.save("key", "kept").await.unwrap();
    }
    replug.process_of("settings").await.kill();
    assert_eq!(Application::new(&status, "settings").get("key").await.unwrap(), "kept");
    replug.stop(&home).await;
}

/// A home that others pass through, with the misbehaving plugin in it.
fn open_home() -> (Home, String) {
    let home = Home::empty();
    set_mode(home.path("sockets").parent().unwrap(), 0o711);
    let program = home.path("plugin");
    // By another process: one that has just been written by this one may be busy.
    run(Command::new("cp").arg(misbehave()).arg(&program));
    let program = text(&program);
    (home, program)
}

#[tokio::test]
async fn a_plugin_in_a_strict_sandbox_serves_as_its_own_user() {
    if !is_root("a_plugin_in_a_strict_sandbox_serves_as_its_own_user") {
        return;
    }
    let (home, program) = open_home();
    home.write_plan(&format!(
        "[plugins.store]\n\
         command = [{program:?}, \"well\"]\n\
         user = \"nobody\"\n\
         sandbox = \"strict\"\n\
         network = false\n\
         limits = {{ open_files = 256 }}\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n"
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    Application::new(&status, "kv").assert_works().await;
    let process = replug.process_of("store").await;
    let seen = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap().uid;
    for line in [&format!("Uid:\t{nobody}\t"), "NoNewPrivs:\t1", "CapBnd:\t0000000000000000"] {
        assert!(seen.contains(line), "no {line} in {seen}");
    }
    let store = status.plugin("store").unwrap();
    assert_eq!(store.limits, ["open_files 256", "core 0"]);
    let said = store.confinement.join(", ");
    for part in ["user nobody", "read-only /", "no network", "capabilities none", "no_new_privs"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let table = replug.command(&["status"]).await.stdout;
    assert!(table.contains("Held to:\n  plugin store: open_files 256"), "{table}");

    // All of it holds for the next life as well.
    let status = replug.kill_plugin("store").await;
    Application::new(&status, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_daemon_that_holds_its_plugins_socket_does_not_outlive_it() {
    let home = Home::empty();
    let socket = home.path("fixed.sock");
    home.write_plan(&format!(
        "[plugins.store]\n\
         command = [{:?}, \"leave-daemon\", {socket:?}]\n\
         socket = {socket:?}\n\
         [components.kv]\n\
         type = \"state.fixed\"\n",
        misbehave(),
    ));
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;
    let daemon = daemon_of(&replug);
    let status = replug.kill_plugin("store").await;
    daemon.gone().await;
    Application::new(&status, "kv").assert_works().await;

    // Nor a replug that has no time to end it.
    let daemon = daemon_of(&replug);
    drop(replug);
    daemon.gone().await;
}

fn daemon_of(replug: &Replug) -> Process {
    let daemon = replug.processes().into_iter().find(|it| it.command_line().contains("sleep 600"));
    daemon.expect("the plugin has left a daemon")
}

#[tokio::test]
async fn a_hog_ends_at_its_limit_and_others_go_on() {
    let home = Home::new(&format!(
        "[plugins.hog]\n\
         command = [\"tail\", \"/dev/zero\"]\n\
         restart = \"never\"\n\
         limits = {{ memory = \"32M\" }}\n\
         [plugins.store]\n\
         command = [{:?}, \"well\"]\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n",
        misbehave(),
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug
        .until("the hog has ended", |status| {
            status.plugin("hog").is_some_and(|hog| hog.last_exit.is_some())
        })
        .await;
    let hog = status.plugin("hog").unwrap();
    match hog.limits.as_slice() {
        [by] if by == "memory 32M (cgroup)" => {
            assert_eq!(hog.end(), "killed by the kernel: out of memory (limit 32M)");
        }
        // The program's own way of ending when it gets no more.
        [by] if by == "memory 32M of each process (rlimit)" => {
            assert_eq!(hog.end(), "exit status 1");
        }
        other => panic!("{other:?}"),
    }
    let status = replug.until_usable("kv").await;
    Application::new(&status, "kv").assert_works().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_limit_that_cannot_be_had_is_shown_or_refuses_the_start_as_the_plan_asks() {
    let home = Home::new(&format!(
        "[plugins.asks]\n\
         command = [{0:?}, \"well\"]\n\
         limits = {{ cpu_weight = 50 }}\n\
         [plugins.requires]\n\
         command = [{0:?}, \"well\", \"other.sock\"]\n\
         limits = {{ cpu_weight = 50 }}\n\
         require_limits = true\n",
        misbehave(),
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_ready("asks").await;
    let asks = status.plugin("asks").unwrap();
    if asks.limits == ["cpu_weight 50 (cgroup)"] {
        replug.until_ready("requires").await;
    } else {
        assert_eq!(asks.missing_limits.len(), 1);
        assert!(asks.missing_limits[0].starts_with("cpu_weight 50: "), "{:?}", asks.missing_limits);
        let table = replug.command(&["status"]).await.stdout;
        assert!(table.contains("plugin asks: not limited: cpu_weight 50: "), "{table}");
        replug
            .until("the other is refused", |status| {
                let reason = status.plugin("requires").unwrap().why();
                reason.starts_with("limits that are required cannot be had here: cpu_weight 50: ")
            })
            .await;
    }
    replug.stop(&home).await;
}
