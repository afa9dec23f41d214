//! plugins.toml, read again while everything runs.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::rig::{Application, Home, Replug, misbehave};

/// Two plugins and a component of each.
fn plan(settings: &str, cache: &str, kv: &str) -> String {
    format!(
        "[plugins.settings]\n\
         builtin = \"state.sqlite\"\n{settings}\
         [plugins.cache]\n\
         command = [{:?}, \"well\"]\n{cache}\
         [components.kv]\n\
         type = \"state.sqlite\"\n\
         metadata = {{ connectionString = \"kv.db\" }}\n{kv}\
         [components.fast]\n\
         type = \"state.misbehave\"\n",
        misbehave()
    )
}

async fn started(home: &Home) -> Replug {
    let mut replug = Replug::start(home).await;
    replug.until_usable("kv").await;
    replug.until_usable("fast").await;
    replug
}

#[tokio::test]
async fn what_does_not_differ_keeps_its_process_and_what_does_gets_another() {
    let home = Home::new(&plan("", "", ""));
    let replug = started(&home).await;
    let before = replug.status().await;
    let application = Application::new(&before, "kv");
    application.save("tea", "oolong").await.unwrap();

    let nothing = replug.command(&["reload"]).await;
    assert_eq!((nothing.code, nothing.stderr.as_str()), (Some(0), ""));
    assert_eq!(nothing.stdout, "unchanged: 2 plugins, 2 components\n");

    home.write_plan(&plan(
        "stop_timeout = \"3s\"\n",
        "env = { A = \"word\" }\n",
        "hold = \"9s\"\n",
    ));
    let only_said = replug.command(&["reload", "--dry-run"]).await;
    assert_eq!(
        only_said.stdout,
        "plugin settings: would be adjusted (stop_timeout)\n\
         plugin cache: would be replaced (env.A)\n\
         component kv: would be adjusted (hold)\n\
         unchanged: 0 plugins, 1 component\n"
    );
    assert_eq!(
        replug.status().await.plugin("cache").unwrap().pid,
        before.plugin("cache").unwrap().pid
    );

    let done = replug.command(&["reload"]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(
        done.stdout,
        "plugin settings: adjusted (stop_timeout)\n\
         plugin cache: replaced (env.A)\n\
         component kv: adjusted (hold)\n\
         unchanged: 0 plugins, 1 component\n"
    );
    let after = replug.status().await;
    let pid = |status: &crate::rig::Status, name: &str| status.plugin(name).unwrap().pid;
    assert_eq!(pid(&after, "settings"), pid(&before, "settings"));
    assert_ne!(pid(&after, "cache"), pid(&before, "cache"));
    assert!(after.plugin_is("cache", "ready"));
    assert_eq!(application.get("tea").await.unwrap(), "oolong");
    replug.line("reload: plugin cache: replaced (env.A)").await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plan_that_is_wrong_changes_nothing_and_is_shown_where_the_command_was_given() {
    let home = Home::new(&plan("", "", ""));
    let replug = started(&home).await;
    let before = replug.status().await;

    home.write_plan("[plugins.settings]\nbuiltin = \"state.sqlite\"\nrestart = \"alway\"\n");
    let wrong = replug.command(&["reload"]).await;
    assert_eq!(wrong.code, Some(3));
    assert_eq!(wrong.stdout, "nothing was changed\n");
    assert!(wrong.stderr.contains("`plugins.settings.restart` is \"alway\""), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("help: did you mean \"always\"?"), "{}", wrong.stderr);
    replug.line("plugins.toml is read again and is wrong: nothing is changed").await;
    replug.line("`plugins.settings.restart` is \"alway\"").await;
    let json = replug.command(&["reload", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["accepted"], false);
    assert_eq!(json["diagnostics"][0]["key"], "plugins.settings.restart");

    let after = replug.status().await;
    for name in ["settings", "cache"] {
        assert_eq!(after.plugin(name).unwrap().pid, before.plugin(name).unwrap().pid);
    }
    assert!(after.component_is("fast", "ready"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn plugins_and_components_come_and_go() {
    let home = Home::new(&plan("", "", ""));
    let mut replug = started(&home).await;
    let process = replug.process_of("cache").await;

    home.write_plan(
        "[plugins.more]\n\
         builtin = \"state.in-memory\"\n\
         after = [\"settings\"]\n\
         [plugins.settings]\n\
         builtin = \"state.sqlite\"\n\
         [components.kv]\n\
         type = \"state.sqlite\"\n\
         metadata = { connectionString = \"kv.db\" }\n\
         [components.new]\n\
         type = \"state.in-memory\"\n",
    );
    replug.signal(Signal::HUP);
    let status = replug.until_usable("new").await;
    process.gone().await;
    replug.line("reload: unchanged: 1 plugin, 1 component").await;
    assert_eq!(status.component("new").unwrap().served_by.as_deref(), Some("more"));
    let status = replug.status().await;
    let names: Vec<_> = status.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    assert_eq!(names, ["more", "settings"]);
    assert!(status.component("fast").is_none(), "{status:?}");
    let gone = Application::new(&status, "fast").get("tea").await.unwrap_err();
    assert_eq!(gone.code(), tonic::Code::InvalidArgument, "{gone}");
    let again = replug.command(&["restart", "cache"]).await;
    assert!(again.stderr.contains("there is no plugin `cache`"), "{}", again.stderr);
    replug.stop(&home).await;
}

#[tokio::test]
async fn changed_metadata_initialises_that_component_alone_over_its_link() {
    let home = Home::new(&plan("", "", ""));
    let replug = started(&home).await;
    let before = replug.status().await;
    let application = Application::new(&before, "kv");
    application.save("tea", "oolong").await.unwrap();

    home.write_plan(&plan("", "", "").replace("kv.db", "other.db"));
    let done = replug.command(&["reload"]).await;
    assert_eq!(
        done.stdout,
        "component kv: initialised again (metadata.connectionString)\n\
         unchanged: 2 plugins, 1 component\n"
    );
    assert_eq!(application.get("tea").await.unwrap(), "", "it is another database");
    application.save("tea", "sencha").await.unwrap();
    home.write_plan(&plan("", "", ""));
    assert_eq!(replug.command(&["reload"]).await.code, Some(0));
    assert_eq!(application.get("tea").await.unwrap(), "oolong");

    // One that cannot be initialised so is told of, where the command was given and to its callers.
    home.write_plan(&plan("", "", "").replace("kv.db", "no-such-folder/kv.db"));
    let failed = replug.command(&["reload"]).await;
    assert_eq!(failed.code, Some(1));
    assert!(
        failed.stdout.contains("did not end well: its initialisation failed: "),
        "{}",
        failed.stdout
    );
    assert!(replug.status().await.component_is("kv", "failed"));
    let after = replug.status().await;
    assert_eq!(after.plugin("settings").unwrap().pid, before.plugin("settings").unwrap().pid);
    home.write_plan(&plan("", "", ""));
    assert_eq!(replug.command(&["reload"]).await.code, Some(0));
    assert_eq!(application.get("tea").await.unwrap(), "oolong");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_removed_plugins_calls_come_to_an_end() {
    let home = Home::new(&plan("", "stop_timeout = \"1s\"\ndrain_timeout = \"200ms\"\n", ""));
    let mut replug = started(&home).await;
    let status = replug.status().await;
    let process = replug.process_of("cache").await;
    // It hangs, with a call under way.
    process.hang().await;
    let application = Application::new(&status, "fast");
    let call = tokio::spawn(async move { application.get("tea").await });
    let plan = plan("", "", "");
    let at = plan.find("[plugins.cache]").unwrap();
    let until = plan.find("[components.kv]").unwrap();
    home.write_plan(&[&plan[..at], &plan[until..]].concat());
    let done = replug.command(&["reload"]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.starts_with("plugin cache: removed\n"), "{}", done.stdout);
    process.gone().await;
    if let Err(told) = call.await.unwrap() {
        assert_eq!(told.code(), tonic::Code::Unavailable, "{told}");
    }
    let status = replug.until("fast waits", |status| status.component_is("fast", "waiting")).await;
    assert!(status.plugin("cache").is_none());
    replug.stop(&home).await;
}

#[tokio::test]
async fn reloads_are_done_one_after_the_other_also_while_plugins_start() {
    let home = Home::new(&format!(
        "[plugins.slow]\ncommand = [{:?}, \"never-socket\"]\n\
         [plugins.later]\nbuiltin = \"state.in-memory\"\nafter = [\"slow\"]\n",
        misbehave()
    ));
    let mut replug = Replug::start(&home).await;
    replug.until("slow starts", |status| status.plugin_is("slow", "starting")).await;
    home.write_plan(&format!(
        "[plugins.slow]\ncommand = [{:?}, \"never-socket\"]\nstart_timeout = \"20s\"\n\
         [plugins.later]\nbuiltin = \"state.in-memory\"\n",
        misbehave()
    ));
    let reloads = ["reload"; 4].map(|command| async { replug.command(&[command]).await });
    let mut changed = 0;
    for done in futures_util::future::join_all(reloads).await {
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        changed += usize::from(done.stdout.contains("plugin later: adjusted (after)"));
    }
    assert_eq!(changed, 1, "the others found it done");
    // It does not wait for the other one any more.
    replug.until_ready("later").await;
    assert!(replug.status().await.plugin_is("slow", "starting"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn while_replug_stops_nothing_is_reloaded() {
    let home = Home::new(&format!(
        "[plugins.stays]\ncommand = [{:?}, \"ignore-sigterm\"]\nstop_timeout = \"2s\"\n",
        misbehave()
    ));
    let mut replug = Replug::start(&home).await;
    replug.until_ready("stays").await;
    replug.signal(Signal::TERM);
    replug.line("stopping").await;
    let refused = replug.command(&["reload"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert_eq!(
        refused.stderr,
        "replug: replug is being stopped or upgraded: nothing is changed now\n"
    );
    assert!(replug.ended().await.success());
    replug.assert_nothing_left();
}

#[tokio::test]
async fn what_cannot_change_while_replug_runs_is_said_so_every_time() {
    let home = Home::new("");
    let replug = Replug::start(&home).await;
    let plan = std::fs::read_to_string(home.plan()).unwrap();
    home.write_raw_plan(format!("{plan}forget_after = \"1s\"\n").as_bytes());
    for _ in 0..2 {
        let done = replug.command(&["reload"]).await;
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (
                Some(0),
                "runtime.forget_after: changed, takes effect at the next start of replug\n\
                 unchanged: 0 plugins, 0 components\n"
            )
        );
    }
    replug.stop(&home).await;
}

#[tokio::test]
async fn of_a_thousand_plugins_one_changes_and_the_others_are_not_touched() {
    const PLUGINS: usize = 1000;
    let plan = |timeout: &str| {
        let mut plan = String::new();
        for n in 0..PLUGINS {
            let _ = writeln!(
                plan,
                "[plugins.p{n}]\ncommand = [\"sh\"]\nstart = \"manual\"\nstop_timeout = \"{}\"",
                if n == 500 { timeout } else { "1s" }
            );
        }
        plan
    };
    let home = Home::new(&plan("1s"));
    let mut replug = Replug::spawn_with(&home, |command| {
        command.env("REPLUG_LOG", "info,replug_supervisor::reload=debug")
    });
    replug.until("replug answers", |_| true).await;
    home.write_plan(&plan("2s"));
    let begun = Instant::now();
    let done = replug.command(&["reload"]).await;
    let took = begun.elapsed();
    assert_eq!(
        done.stdout,
        "plugin p500: adjusted (stop_timeout)\nunchanged: 999 plugins, 0 components\n"
    );
    let line = replug.line("to read and compare").await;
    println!("the whole command took {took:?}: {line}");
    // A bound against what grows with the square, on a machine that does other things as well.
    assert!(took < Duration::from_secs(10), "{took:?}");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_stops_with_what_it_requires_and_starts_it_first() {
    let home = Home::new(&format!(
        "[plugins.base]\ncommand = [{:?}, \"well\"]\nstart = \"manual\"\nrestart = \"never\"\n\
         [plugins.top]\nbuiltin = \"state.in-memory\"\nrequires = [\"base\"]\n",
        misbehave()
    ));
    let mut replug = Replug::start(&home).await;
    // What starts with replug has what it requires started as well.
    replug.until_ready("top").await;
    assert!(replug.status().await.plugin_is("base", "ready"));

    let stopped = replug.command(&["stop", "base"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    let status = replug.status().await;
    assert!(status.plugin_is("top", "stopped") && status.plugin_is("base", "stopped"));
    assert_eq!(status.plugin("top").unwrap().why(), "requires base, which is stopped");

    let again = replug.command(&["start", "top"]).await;
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(replug.status().await.plugin_is("base", "ready"));

    // One that ends and is not started again takes it along too.
    replug.process_of("base").await.kill();
    let status = replug.until("top stopped", |status| status.plugin_is("top", "stopped")).await;
    assert_eq!(status.plugin("top").unwrap().why(), "requires base, which does not run");
    assert!(status.plugin_is("base", "failed"), "{status:?}");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_secret_that_has_changed_is_given_to_the_next_process_and_never_shown() {
    let home = Home::empty();
    std::fs::write(home.path("secret"), "first-word\n").unwrap();
    home.write_plan(&plan("", "env = { WORD = { file = \"secret\" } }\n", ""));
    let mut replug = started(&home).await;
    let word = |pid: u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        environment.split('\0').find_map(|it| Some(it.strip_prefix("WORD=")?.to_owned()))
    };
    let pid = replug.status().await.plugin("cache").unwrap().pid.unwrap();
    assert_eq!(word(pid).as_deref(), Some("first-word"));

    std::fs::write(home.path("secret"), "second-word\n").unwrap();
    let status = replug.kill_plugin("cache").await;
    assert_eq!(word(status.plugin("cache").unwrap().pid.unwrap()).as_deref(), Some("second-word"));
    std::fs::write(home.path("secret"), "third-word\n").unwrap();
    let done = replug.command(&["reload"]).await;
    assert!(done.stdout.starts_with("plugin cache: replaced (env.WORD)\n"), "{}", done.stdout);
    let status = replug.command(&["status", "--json"]).await;
    for shown in [&done.stdout, &done.stderr, &status.stdout] {
        assert!(!shown.contains("-word"), "{shown}");
    }
    let pid = replug.status().await.plugin("cache").unwrap().pid.unwrap();
    assert_eq!(word(pid).as_deref(), Some("third-word"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_replacement_that_does_not_become_ready_leaves_the_plugin_as_it_was() {
    let home = Home::new(&plan("", "start_timeout = \"1s\"\n", ""));
    let replug = started(&home).await;
    let before = replug.status().await;
    let application = Application::new(&before, "fast");
    let broken = plan("", "start_timeout = \"1s\"\n", "").replace("\"well\"", "\"never-socket\"");
    home.write_plan(&broken);
    for _ in 0..2 {
        let failed = replug.command(&["reload"]).await;
        assert_eq!(failed.code, Some(1), "{}", failed.stdout);
        let told = "plugin cache: replaced (command), and did not end well: ";
        assert!(failed.stdout.starts_with(told), "{}", failed.stdout);
        assert!(failed.stdout.contains("no socket has appeared within 1s"), "{}", failed.stdout);
        let status = replug.status().await;
        let cache = status.plugin("cache").unwrap();
        assert_eq!(
            (cache.state.as_str(), cache.pid),
            ("ready", before.plugin("cache").unwrap().pid)
        );
        assert!(cache.why().starts_with("runs with what plugins.toml said before: "), "{cache:?}");
        application.get("tea").await.unwrap();
    }
    home.write_plan(&plan("", "start_timeout = \"1s\"\n", ""));
    let back = replug.command(&["reload"]).await;
    assert_eq!(back.stdout, "unchanged: 2 plugins, 2 components\n");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_changed_command_takes_over_without_a_failed_call() {
    let home = Home::new(&plan("", "", ""));
    let replug = started(&home).await;
    let before = replug.status().await;
    let application = Application::new(&before, "fast");
    let (enough, mut is_enough) = tokio::sync::oneshot::channel::<()>();
    let calling = tokio::spawn(async move {
        while is_enough.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            application.get("tea").await.unwrap();
        }
    });
    home.write_plan(&plan("", "env = { A = \"word\" }\n", ""));
    let done = replug.command(&["reload"]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let after = replug.status().await;
    assert_ne!(after.plugin("cache").unwrap().pid, before.plugin("cache").unwrap().pid);
    drop(enough);
    calling.await.expect("no call fails");
    replug.stop(&home).await;
}
