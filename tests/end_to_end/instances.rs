//! Several processes of one plugin: calls are spread over them, each has its own life, and what
//! happens to one is the others' to make up for.

use std::collections::{BTreeMap, BTreeSet};

use crate::rig::{Application, BINARY, Home, Process, Replug, Status, misbehave};
use crate::storm::load::{Load, Outcome};

/// How many calls are made where their spread is looked at.
const CALLS: usize = 30;

/// A plugin of so many processes, which keep what they are told in one place. Nobody waits for a
/// process that is away: a call that no other takes fails.
fn plan(instances: u32, settings: &str) -> String {
    let script = format!("echo I am $REPLUG_INSTANCE; exec {:?} tally", misbehave());
    format!(
        "[plugins.p]\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\ninstances = {instances}\n\
         {settings}\n[components.kv]\ntype = \"state.misbehave\"\nhold = \"0s\"\nreplay = \"all\"\n"
    )
}

async fn until_all_ready(replug: &mut Replug, instances: usize) -> Status {
    let what = format!("{instances} ready");
    replug.until(&what, |status| are_ready(status, instances)).await
}

fn are_ready(status: &Status, instances: usize) -> bool {
    let pids = pids(status);
    pids.len() == instances
        && status.plugin("p").is_some_and(|p| {
            p.instances.iter().all(|one| one.state == "ready") && p.state == "ready"
        })
}

/// The processes of the plugin, by their names.
fn pids(status: &Status) -> BTreeMap<String, u32> {
    let Some(plugin) = status.plugin("p") else { return BTreeMap::new() };
    let alone = plugin.instances.is_empty().then_some(plugin);
    let all = plugin.instances.iter().chain(alone);
    all.filter_map(|one| Some((one.name.clone(), one.pid?))).collect()
}

fn process(status: &Status, name: &str) -> Process {
    Process::find(pids(status)[name]).unwrap()
}

/// Who answers, of those that are asked one after the other.
async fn who_serve(application: &Application) -> BTreeSet<u32> {
    let mut who = BTreeSet::new();
    for _ in 0..CALLS {
        let told = application.get("who-serves").await.unwrap();
        let told = String::from_utf8(told.to_vec()).unwrap();
        who.insert(told.split(' ').next().unwrap().parse().unwrap());
    }
    who
}

fn assert_unnoticed(outcomes: Vec<Outcome>) {
    let mut acknowledged = 0;
    for outcome in outcomes {
        assert_eq!(outcome.failed, Vec::<String>::new());
        assert_eq!(outcome.unknown, Vec::<String>::new());
        acknowledged += outcome.acknowledged.len();
    }
    assert!(acknowledged > 0);
}

#[tokio::test]
async fn calls_are_spread_over_processes_that_are_told_apart_everywhere() {
    let home = Home::new(&plan(3, ""));
    let mut replug = Replug::start(&home).await;
    let status = until_all_ready(&mut replug, 3).await;
    let application = Application::new(&status, "kv");
    assert_eq!(who_serve(&application).await, BTreeSet::from([1, 2, 3]));
    let names: Vec<_> = pids(&status).into_keys().collect();
    assert_eq!(names, ["p@1", "p@2", "p@3"]);
    assert_eq!(home.private_folders(), ["p@1.1", "p@2.1", "p@3.1"]);
    replug.line("plugin p@2.1: I am 2").await;
    replug.line("plugin ready, serves state.misbehave plugin=\"p@3\"").await;

    let table = replug.command(&["status"]).await.stdout;
    assert!(table.contains("3/3 ready"), "{table}");
    let details = replug.command(&["status", "p"]).await.stdout;
    assert!(details.contains("\np@1\n") && details.contains("\np@3\n"), "{details}");
    let one = replug.command(&["status", "p@2"]).await.stdout;
    assert!(one.starts_with("p@2\n") && !one.contains("p@1"), "{one}");
    let all = replug.command(&["logs", "p"]).await.stdout;
    assert!(all.contains("p@1 | I am 1") && all.contains("p@3 | I am 3"), "{all}");
    let of_one = replug.command(&["logs", "p@2"]).await.stdout;
    assert!(of_one.contains("I am 2") && of_one.lines().count() == 1, "{of_one}");
    replug.stop(&home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_when_one_of_three_is_killed_under_load() {
    let home = Home::new(&plan(3, ""));
    let mut replug = Replug::start(&home).await;
    let before = until_all_ready(&mut replug, 3).await;
    let load = Load::start(&[Application::new(&before, "kv")], "killed");
    for round in 2..=4 {
        let status = replug.status().await;
        let killed = process(&status, "p@2");
        killed.kill();
        killed.gone().await;
        let back = replug
            .until("it is back", |now| {
                are_ready(now, 3) && now.plugin("p").unwrap().instances[1].generation == round
            })
            .await;
        let (before, back) = (pids(&before), pids(&back));
        assert_eq!((before["p@1"], before["p@3"]), (back["p@1"], back["p@3"]));
    }
    assert_unnoticed(load.stop().await);
    let status = replug.status().await;
    let plugin = status.plugin("p").unwrap();
    assert_eq!((plugin.restarts, plugin.end()), (3, "killed by SIGKILL"));
    assert_eq!(plugin.instances[0].restarts, 0);
    let events = replug.command(&["status", "--json"]).await;
    assert_eq!(events.code, Some(0));
    replug.stop(&home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_is_replaced_while_the_others_serve() {
    let health = "health = { interval = \"100ms\", timeout = \"300ms\", failures = 2 }";
    let home = Home::new(&plan(2, health));
    let mut replug = Replug::start(&home).await;
    let before = until_all_ready(&mut replug, 2).await;
    let load = Load::start(&[Application::new(&before, "kv")], "hung");
    process(&before, "p@1").hang().await;
    replug.line("hangs: asked 2 times").await;
    let after = replug
        .until("it is replaced", |now| {
            are_ready(now, 2) && now.plugin("p").unwrap().instances[0].generation == 2
        })
        .await;
    assert_eq!(pids(&before)["p@2"], pids(&after)["p@2"]);
    assert_unnoticed(load.stop().await);
    replug.stop(&home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_go_through_the_processes_one_after_the_other() {
    let home = Home::new(&plan(3, ""));
    let mut replug = Replug::start(&home).await;
    let status = until_all_ready(&mut replug, 3).await;
    let load = Load::start(&[Application::new(&status, "kv")], "restarted");
    for (generation, how) in [(2, Some("--rolling")), (3, None)] {
        let arguments: Vec<_> = ["restart", "p"].into_iter().chain(how).collect();
        let run = replug.command(&arguments).await;
        assert_eq!((run.code, run.stdout.as_str()), (Some(0), "p: 3/3 ready\n"), "{}", run.stderr);
        let now = replug.status().await;
        let plugin = now.plugin("p").unwrap();
        assert!(plugin.instances.iter().all(|one| one.generation == generation), "{plugin:?}");
    }
    let one = replug.command(&["restart", "p@2", "--rolling"]).await;
    assert!(one.stdout.starts_with("p@2: ready, generation 4, pid "), "{}", one.stdout);
    assert_unnoticed(load.stop().await);
    replug.line("ended: exit status 0 plugin=\"p@2\" generation=3").await;
    replug.stop(&home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_starts_and_ends_processes_and_leaves_the_others_alone() {
    let home = Home::new(&plan(1, ""));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_ready("p").await;
    let first = pids(&status)["p"];
    let load = Load::start(&[Application::new(&status, "kv")], "scaled");

    home.write_plan(&plan(3, ""));
    let dry = replug.command(&["reload", "--dry-run"]).await;
    assert!(dry.stdout.contains("plugin p: would be adjusted (instances 1 → 3)"), "{}", dry.stdout);
    let done = replug.command(&["reload"]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let three = until_all_ready(&mut replug, 3).await;
    assert_eq!(pids(&three)["p@1"], first);

    home.write_plan(&plan(2, ""));
    let done = replug.command(&["reload"]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let two = replug.status().await;
    let mut wanted = pids(&three);
    wanted.remove("p@3");
    assert_eq!(pids(&two), wanted);
    assert_eq!(home.private_folders(), ["p.1", "p@2.1"]);

    // Another process of each, and one more.
    home.write_plan(&plan(3, "env = { A = \"x\" }"));
    let done = replug.command(&["reload"]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let other = until_all_ready(&mut replug, 3).await;
    assert!(pids(&other).values().all(|pid| !wanted.values().any(|it| it == pid)));

    home.write_plan(&plan(1, "env = { A = \"x\" }"));
    let done = replug.command(&["reload"]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let alone = pids(&replug.status().await);
    assert_eq!(alone, BTreeMap::from([("p".to_owned(), pids(&other)["p@1"])]));
    assert_unnoticed(load.stop().await);
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plan_that_does_not_work_stops_at_the_first_process() {
    let home = Home::new(&plan(2, ""));
    let mut replug = Replug::start(&home).await;
    let before = until_all_ready(&mut replug, 2).await;
    let broken = plan(2, "start_timeout = \"5s\"").replace(" tally", " exit-at-once");
    home.write_plan(&broken);
    let run = replug.command(&["reload"]).await;
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    let told = format!("{}{}", run.stdout, run.stderr);
    assert!(told.contains("plugin `p@1` was not replaced"), "{told}");
    let after = replug.status().await;
    assert_eq!(pids(&after), pids(&before));
    assert!(after.plugin("p").unwrap().why().contains("what plugins.toml said before"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_name_means_all_processes_and_a_number_one_of_them() {
    let home = Home::new(&plan(2, ""));
    let mut replug = Replug::start(&home).await;
    let status = until_all_ready(&mut replug, 2).await;
    let application = Application::new(&status, "kv");
    let phases = async |replug: &Replug| {
        let status = replug.status().await;
        let instances = status.plugin("p").unwrap().instances.clone();
        instances.into_iter().map(|one| one.state).collect::<Vec<_>>()
    };

    let stopped = replug.command(&["stop", "p@1"]).await;
    assert_eq!(stopped.stdout, "p@1: stopped, generation 1\n", "{}", stopped.stderr);
    assert_eq!(phases(&replug).await, ["stopped", "ready"]);
    let status = replug.status().await;
    assert!(status.component_is("kv", "ready") && status.plugin_is("p", "ready"));
    assert_eq!(who_serve(&application).await, BTreeSet::from([2]));
    let table = replug.command(&["status"]).await.stdout;
    assert!(table.contains("1/2 ready"), "{table}");

    // Nobody is left: the component waits.
    replug.command(&["stop", "p@2"]).await;
    assert_eq!(phases(&replug).await, ["stopped", "stopped"]);
    let status = replug.status().await;
    assert!(status.plugin_is("p", "stopped") && !status.component_is("kv", "ready"));
    assert_eq!(replug.command(&["signal", "p", "HUP"]).await.code, Some(1));
    let run = replug.command(&["start", "p"]).await;
    assert_eq!(run.stdout, "p: 2/2 ready\n", "{}", run.stderr);

    // A signal reaches whom it is for.
    let status = replug.status().await;
    replug.command(&["signal", "p@2", "KILL"]).await;
    process(&status, "p@1");
    let waited = replug.command(&["wait", "p", "--for", "ready", "--timeout", "30s"]).await;
    assert_eq!(waited.code, Some(0), "{}", waited.stderr);
    replug
        .until("it is back", |now| {
            are_ready(now, 2) && now.plugin("p").unwrap().instances[1].generation == 3
        })
        .await;
    let events = replug.command(&["stop", "p"]).await;
    assert_eq!(events.stdout, "p: stopped\n", "{}", events.stderr);
    let none = replug.command(&["restart", "p@3"]).await;
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("plugin `p` has no process 3: there are 2"), "{}", none.stderr);
    replug.stop(&home).await;
}

#[tokio::test]
async fn plugins_after_it_start_when_the_first_of_its_processes_is_ready() {
    let program = misbehave();
    let script = format!(
        "[ $REPLUG_INSTANCE = 1 ] && exec {program:?} well || exec {program:?} never-socket"
    );
    let home = Home::new(&format!(
        "[plugins.p]\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\ninstances = 2\n\
         [plugins.later]\nbuiltin = \"state.in-memory\"\nrequires = [\"p\"]\n"
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_ready("later").await;
    let phases: Vec<_> = status.plugin("p").unwrap().instances.iter().map(|p| &p.state).collect();
    assert_eq!(phases, ["ready", "starting"]);
    // It does not run without any.
    let stopped = replug.command(&["stop", "p@1"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    assert!(replug.status().await.plugin_is("later", "ready"), "the other one is starting still");
    let stopped = replug.command(&["stop", "p"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    assert!(replug.status().await.plugin_is("later", "stopped"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn an_upgrade_takes_every_process_along() {
    let home = Home::new(&plan(2, ""));
    let mut replug = Replug::start(&home).await;
    let before = until_all_ready(&mut replug, 2).await;
    let stopped = replug.command(&["restart", "p@2"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    let before = (pids(&before)["p@1"], pids(&replug.status().await)["p@2"]);
    // One more by the time.
    home.write_plan(&plan(3, ""));
    let run = replug.command(&["upgrade", "--binary", BINARY]).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let after = until_all_ready(&mut replug, 3).await;
    assert_eq!((pids(&after)["p@1"], pids(&after)["p@2"]), before);
    let generations: Vec<_> =
        after.plugin("p").unwrap().instances.iter().map(|one| one.generation).collect();
    assert_eq!(generations, [1, 2, 1]);
    let application = Application::new(&after, "kv");
    assert_eq!(who_serve(&application).await, BTreeSet::from([1, 2, 3]));
    // And fewer: the highest is stopped.
    let too_many = [process(&after, "p@2"), process(&after, "p@3")];
    home.write_plan(&plan(1, ""));
    let run = replug.command(&["upgrade", "--binary", BINARY]).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for process in too_many {
        process.gone().await;
    }
    let alone = replug.until_ready("p").await;
    assert_eq!(pids(&alone), BTreeMap::from([("p".to_owned(), before.0)]));
    replug.stop(&home).await;
}
