//! Who may ask a running replug, and what clients do to it that do not behave.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use nix::unistd::Uid;
use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::watch_response::What;
use replug_supervisor::control::Client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::rig::{Home, PATIENCE, Replug, misbehave, text};

/// Clients at once.
const CLIENTS: usize = 200;
/// A user and a group that have nothing to do with the tests.
const STRANGER: u32 = 64_999;
const GROUP: u32 = 64_998;

fn plan() -> String {
    format!("[plugins.store]\ncommand = [{:?}, \"well\"]\n", misbehave())
}

/// Runs `replug status` as another user, with the group if it is given.
fn status_as(home: &Home, uid: u32, gid: u32) -> (Option<i32>, String) {
    let control = home.run_dir().join("control.sock");
    let output = Command::new("setpriv")
        .args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()])
        .arg(home.path("replug"))
        .args(["status", "--control", &text(&control)])
        .env_clear()
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A home whose folders anybody may go through, with a copy of the binary that anybody may run.
fn open_home() -> Home {
    let home = Home::empty();
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(home.path(""), readable.clone()).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_replug"), home.path("replug")).unwrap();
    std::fs::set_permissions(home.path("replug"), readable).unwrap();
    home
}

/// Only root can become another user.
fn is_root(test: &str) -> bool {
    let root = Uid::effective().is_root();
    if !root {
        eprintln!("SKIPPED {test}: needs root, to become another user");
    }
    root
}

#[tokio::test]
async fn only_root_and_replugs_own_user_may_ask_where_no_group_is_named() {
    if !is_root("only_root_and_replugs_own_user_may_ask_where_no_group_is_named") {
        return;
    }
    let home = open_home();
    home.write_plan(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let (code, errors) = status_as(&home, STRANGER, STRANGER);
    assert_eq!(code, Some(5), "{errors}");
    assert!(errors.contains("permission denied") && errors.contains("control_group"), "{errors}");
    replug.stop(&home).await;
}

#[tokio::test]
async fn the_members_of_the_control_group_may_ask_and_others_may_not() {
    if !is_root("the_members_of_the_control_group_may_ask_and_others_may_not") {
        return;
    }
    let home = open_home();
    let runtime = format!(
        "[runtime]\napp_id = \"app\"\ngrpc = false\nhttp = false\n\
         run_dir = {:?}\ncontrol_group = \"{GROUP}\"\n",
        text(&home.run_dir())
    );
    home.write_raw_plan((runtime + &plan()).as_bytes());
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let control = home.run_dir().join("control.sock");
    let socket = std::fs::metadata(&control).unwrap();
    assert_eq!((socket.mode() & 0o777, socket.gid()), (0o660, GROUP));

    let (code, errors) = status_as(&home, STRANGER, GROUP);
    assert_eq!(code, Some(0), "{errors}");
    let (code, errors) = status_as(&home, STRANGER, STRANGER);
    assert_eq!(code, Some(5), "{errors}");
    // Somebody has opened the file to all: replug itself does not answer them.
    std::fs::set_permissions(&control, std::fs::Permissions::from_mode(0o666)).unwrap();
    let (code, errors) = status_as(&home, STRANGER, STRANGER);
    assert_eq!(code, Some(4), "{errors}");
    replug.line("the control socket is not for user 64999").await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn two_hundred_clients_are_answered_while_others_send_garbage_or_do_not_read() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let control = home.run_dir().join("control.sock");

    // One sends what is no HTTP/2, one sends nothing, and one watches and never reads.
    let mut garbage = UnixStream::connect(&control).await.unwrap();
    garbage.write_all(&[0xff; 4096]).await.unwrap();
    let silent = UnixStream::connect(&control).await.unwrap();
    let deaf = Client::connect(&control).await.unwrap();
    let unread = deaf.watch(pb::WatchRequest::default()).await.unwrap();

    let mut watching = Vec::new();
    for _ in 0..CLIENTS {
        let client = Client::connect(&control).await.unwrap();
        let mut events = client.watch(pb::WatchRequest::default()).await.unwrap();
        let Some(What::Snapshot(snapshot)) = events.next().await.unwrap() else {
            panic!("the state of everything comes first");
        };
        watching.push(tokio::spawn(async move {
            let mut next = snapshot.sequence + 1;
            while let Some(what) = events.next().await.unwrap() {
                let What::Event(event) = what else { panic!("nothing is missed: {what:?}") };
                assert_eq!(event.sequence, next, "no event is left out");
                next += 1;
                let ready = event.state() == pb::plugin::State::Ready;
                if ready && event.generation == 2 {
                    return client.status().await.unwrap().plugins.len();
                }
            }
            panic!("replug has ended");
        }));
    }
    replug.kill_plugin("store").await;
    for watching in watching {
        let plugins = tokio::time::timeout(PATIENCE, watching).await.unwrap().unwrap();
        assert_eq!(plugins, 1);
    }
    // Whoever sends garbage is told to go, and the connection ends: well, or with what was not read.
    let mut rest = Vec::new();
    let ended = garbage.read_to_end(&mut rest);
    let _ = tokio::time::timeout(PATIENCE, ended).await.expect("the connection ends");
    // Neither of those who are left keeps replug from ending.
    replug.stop(&home).await;
    drop((silent, deaf, unread));
}
