//! replug as the first process of a container, to which the kernel gives every orphan.

use rustix::process::Signal;

use crate::rig::{Home, Process, Replug, misbehave};

/// How a plugin is wrapped that leaves orphans: it serves, and has made a daemon of a child. In a plan
/// `$$` stands for one `$`.
const LEAVES_A_DAEMON: &str = "(setsid sh -c 'echo the daemon is $$$$; exec sleep 1000' &); exec";

/// Leaves orphans that end at once, and ends itself with a status of its own.
const LEAVES_AND_FAILS: &str = "(setsid true &); (setsid true &); (setsid true &); exit 3";

/// How often that one ends while orphans do.
const ENDS: u64 = 40;

/// Whether a container can be made here. It cannot in many a container; the test is skipped then,
/// in CI too.
fn containers_can_be_made() -> bool {
    let made = std::process::Command::new("unshare").args(CONTAINER).arg("true").output();
    let made = made.is_ok_and(|made| made.status.success());
    if !made {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        eprintln!("SKIPPED {test}: unshare is not there, or not permitted");
    }
    made
}

/// Orphans are told of where there is much to be told.
const LOG: &str = "REPLUG_LOG=info,replug_supervisor::process=debug";

const CONTAINER: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];

/// Starts replug as the first process of a container. What is started is the container; its only
/// child is replug.
fn start(home: &Home) -> Replug {
    Replug::spawn_under(home, "unshare", &[&CONTAINER[..], &["env", LOG]].concat())
}

#[tokio::test]
async fn the_first_process_reaps_the_daemon_that_a_plugin_left() {
    if !containers_can_be_made() {
        return;
    }
    let home = Home::new(&format!(
        "[plugins.store]\ncommand = [\"/bin/sh\", \"-c\", {:?}]\n",
        format!("{LEAVES_A_DAEMON} {} well", misbehave()),
    ));
    let mut container = start(&home);
    assert_eq!(container.until_ready("store").await.pid, 1);

    let said = container.line("the daemon is").await;
    let (_, number) = said.split_once("the daemon is ").unwrap();
    let daemon = container.processes().into_iter().find(|p| p.command_line() == "sleep 1000 ");
    daemon.expect("the daemon runs").kill();
    container.line(&format!("reaped the orphan {number}")).await;
    stops_well(container, &home).await;
}

#[tokio::test]
async fn the_first_process_takes_no_exit_status_that_somebody_waits_for() {
    if !containers_can_be_made() {
        return;
    }
    let home = Home::new(&format!(
        "[plugins.fails]\n\
         command = [\"/bin/sh\", \"-c\", {LEAVES_AND_FAILS:?}]\n\
         backoff = {{ initial = \"1ms\", max = \"2ms\" }}\n",
    ));
    let mut container = start(&home);
    container.line("reaped the orphan").await;
    container
        .until("it has ended often", |now| {
            let Some(fails) = now.plugin("fails") else { return false };
            assert!(["", "exit status 3"].contains(&fails.end()), "{}", fails.end());
            fails.restarts >= ENDS
        })
        .await;
    stops_well(container, &home).await;
}

#[tokio::test]
async fn the_first_process_ends_with_a_code_of_its_own_when_everything_has_failed() {
    if !containers_can_be_made() {
        return;
    }
    let failing = "command = [\"/bin/sh\", \"-c\", \"exit 3\"]\nrestart = \"never\"\n";
    let home = Home::new(&format!("[plugins.one]\n{failing}[plugins.two]\n{failing}"));
    let mut container = start(&home);
    let said = container.line("failed for good").await;
    assert!(said.contains("no component can be used"), "{said}");
    assert_eq!(container.ended().await.code(), Some(6));
    container.assert_nothing_left();

    // Where something works, it goes on.
    let home = Home::new(&format!(
        "[plugins.one]\n{failing}[components.kv]\ntype = \"state.in-memory\"\n"
    ));
    let mut container = start(&home);
    container.until("one has failed", |status| status.plugin_is("one", "failed")).await;
    container.until_usable("kv").await;
    stops_well(container, &home).await;
}

async fn stops_well(mut container: Replug, home: &Home) {
    let mut children = Process::find(container.pid()).unwrap().children();
    assert_eq!(children.len(), 1, "the container has one child, which is replug");
    children.remove(0).signal(Signal::TERM);
    assert_eq!(container.ended().await.code(), Some(0));
    container.assert_nothing_left();
    assert_eq!(home.private_folders(), Vec::<String>::new());
}
