//! The kernel's limits for watching folders are reached: plugins start all the same, and it is said
//! what is missing.

use tokio::process::Command;

use crate::rig::{Application, Home, Replug, misbehave};

/// Starts replug in a user namespace whose limits are these, as they are in a container.
fn start(home: &Home, instances: u32, watches: u32) -> Replug {
    let limited = format!(
        "echo {instances} > /proc/sys/user/max_inotify_instances && \
         echo {watches} > /proc/sys/user/max_inotify_watches && exec \"$@\""
    );
    let args = ["--user", "--map-root-user", "sh", "-c", &limited, "sh"];
    Replug::spawn_under(home, "unshare", &args)
}

/// Whether a user namespace can be had here. It cannot in many a container; the test is skipped
/// then, in CI too.
fn namespaces_can_be_made() -> bool {
    let mut unshare = std::process::Command::new("unshare");
    let made = unshare.args(["--user", "--map-root-user", "true"]).output();
    let made = made.is_ok_and(|made| made.status.success());
    if !made {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        eprintln!("SKIPPED {test}: unshare is not there, or not permitted");
    }
    made
}

fn home() -> Home {
    let program = misbehave();
    Home::new(&format!(
        "[plugins.one]\ncommand = [{program:?}, \"well\", \"one.sock\"]\n\
         [plugins.two]\ncommand = [{program:?}, \"well\", \"two.sock\"]\n\
         [plugins.three]\ncommand = [{program:?}, \"well\", \"three.sock\"]\n\
         [components.kv]\ntype = \"state.three\"\n"
    ))
}

#[tokio::test]
async fn without_an_inotify_instance_plugins_are_found_by_looking_and_it_is_said_why() {
    if !namespaces_can_be_made() {
        return;
    }
    let home = home();
    let mut replug = start(&home, 0, 100);
    let told = replug.line("sockets of plugins are noticed late").await;
    assert!(told.contains("raise fs.inotify.max_user_instances"), "{told}");
    for plugin in ["one", "two", "three"] {
        replug.until_ready(plugin).await;
    }
    let told = replug.line("is looked through again and again").await;
    assert!(told.contains("no inotify instance is left"), "{told}");
    Application::new(&replug.until_usable("kv").await, "kv").assert_works().await;

    // A plugin that comes back is found anew, and one that somebody else runs is found at all.
    replug.kill_plugin("three").await;
    let mut found = Command::new(misbehave());
    found.args(["well", "found.sock"]).env("DAPR_COMPONENTS_SOCKETS_FOLDER", home.sockets());
    let mut found = found.kill_on_drop(true).spawn().unwrap();
    replug.until_ready("found").await;
    found.kill().await.unwrap();
    replug.stop(&home).await;
}

#[tokio::test]
async fn plugins_beyond_the_last_inotify_watch_are_found_by_looking() {
    if !namespaces_can_be_made() {
        return;
    }
    let home = home();
    // The socket folder takes one, and one of the plugins another.
    let mut replug = start(&home, 100, 2);
    for plugin in ["one", "two", "three"] {
        replug.until_ready(plugin).await;
    }
    let told = replug.line("no inotify watch is left for").await;
    assert!(told.contains("raise fs.inotify.max_user_watches"), "{told}");
    replug.stop(&home).await;
}
