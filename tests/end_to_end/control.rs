//! What users ask of a running replug besides its status, and what they are told.

use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::check_request::What;
use replug_supervisor::control::Client;
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::rig::{Application, Home, PATIENCE, Process, Replug, misbehave};

fn plan() -> String {
    format!(
        "[plugins.store]\n\
         command = [{:?}, \"well\"]\n\
         [plugins.settings]\n\
         builtin = \"state.sqlite\"\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n",
        misbehave()
    )
}

/// `replug events --json`, as it is read.
struct Events {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Events {
    /// Reads all that has happened, and what happens from now on.
    fn read(replug: &Replug, plugins: &[&str]) -> Self {
        let arguments = [&["events", "--json", "--last", "100"], plugins].concat();
        let mut child = replug.spawn_command(&arguments);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next event of that kind for which this is true.
    async fn until(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let search = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the events go on");
                let event: Value = serde_json::from_str(&line).unwrap();
                if event["kind"] == kind && wanted(&event) {
                    return event;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("no event of the kind {kind}"))
    }

    async fn ended(mut self) -> (Option<i32>, String) {
        let mut errors = BufReader::new(self.child.stderr.take().unwrap()).lines();
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let code = ended.expect("it ends").unwrap().code();
        (code, errors.next_line().await.unwrap().unwrap_or_default())
    }
}

#[tokio::test]
async fn a_killed_plugins_end_and_return_are_told_event_by_event() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let pid = status.plugin("store").unwrap().pid.unwrap();
    let mut events = Events::read(&replug, &["store"]);
    // What had happened before comes first.
    let started = events.until("started", |_| true).await;
    assert_eq!((&started["pid"], &started["generation"]), (&pid.into(), &1.into()));
    events.until("state", |event| event["state"] == "ready").await;

    replug.kill_plugin("store").await;
    let ended = events.until("exited", |_| true).await;
    assert_eq!((&ended["pid"], &ended["generation"]), (&pid.into(), &1.into()));
    assert_eq!(ended["text"], "killed by SIGKILL");
    let started = events.until("started", |_| true).await;
    assert_eq!(started["generation"], 2);
    let ready = events.until("state", |event| event["state"] == "ready").await;
    assert_eq!((&ready["previous"], &ready["generation"]), (&"starting".into(), &2.into()));
    assert!(ready["sequence"].as_u64() > ended["sequence"].as_u64());

    let restarted = replug.command(&["restart", "store"]).await;
    assert_eq!(restarted.code, Some(0), "{}", restarted.stderr);
    let asked = events.until("asked", |_| true).await;
    let text = asked["text"].as_str().unwrap();
    assert!(text.starts_with("restart, asked by user "), "{text}");

    replug.signal(Signal::TERM);
    events.until("exited", |event| event["generation"] == 3).await;
    assert!(replug.ended().await.success());
    assert_eq!(events.ended().await, (Some(4), "replug: replug has ended".to_owned()));
    replug.assert_nothing_left();
}

#[tokio::test]
async fn a_components_changes_are_told_while_somebody_watches() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;
    let mut events = Events::read(&replug, &[]);
    // Once something has been told, the watching has begun.
    events.until("started", |_| true).await;
    let stopped = replug.command(&["stop", "store"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    events
        .until("component", |event| event["component"] == "kv" && event["state"] == "waiting")
        .await;
    let started = replug.command(&["start", "store"]).await;
    assert_eq!(started.code, Some(0), "{}", started.stderr);
    let ready = events.until("component", |event| event["state"] == "ready").await;
    assert_eq!((&ready["component"], &ready["plugin"]), (&"kv".into(), &"store".into()));

    let interrupted = Process::find(events.child.id().unwrap()).unwrap();
    interrupted.signal(Signal::INT);
    assert_eq!(events.ended().await, (Some(0), String::new()));
    replug.stop(&home).await;
}

#[tokio::test]
async fn reloads_replacements_and_what_replug_does_itself_are_told() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;
    let mut events = Events::read(&replug, &[]);
    let begun = events.until("replug", |_| true).await;
    assert!(begun["text"].as_str().unwrap().contains("serves app app on grpc"), "{begun}");

    let rolled = replug.command(&["restart", "store", "--rolling"]).await;
    assert_eq!(rolled.code, Some(0), "{}", rolled.stderr);
    let text = |event: &Value| event["text"].as_str().unwrap().to_owned();
    let beside = events.until("replacement", |event| event["plugin"] == "store").await;
    assert_eq!(
        (text(&beside), &beside["generation"]),
        ("is started beside generation 1".into(), &2.into())
    );
    let taken = events.until("replacement", |_| true).await;
    assert_eq!(text(&taken), "has taken the place of generation 1");

    let settings = "[plugins.settings]\nbuiltin = \"state.sqlite\"\n";
    let other = "[plugins.other]\nbuiltin = \"state.in-memory\"\n";
    home.write_plan(&plan().replace(settings, other));
    let reloaded = replug.command(&["reload"]).await;
    assert_eq!(reloaded.code, Some(0), "{}", reloaded.stderr);
    let removed = events.until("removed", |_| true).await;
    assert_eq!(
        (&removed["plugin"], text(&removed)),
        (&"settings".into(), "taken out of plugins.toml".into())
    );
    let added = events.until("added", |_| true).await;
    assert_eq!(
        (&added["plugin"], text(&added)),
        (&"other".into(), "declared in plugins.toml".into())
    );
    let reload = events.until("reload", |_| true).await;
    assert!(text(&reload).starts_with("plugin settings: removed; plugin other: added"), "{reload}");

    replug.until_ready("other").await;
    home.write_plan("[plugins.other]\ncomand = 1\n");
    assert_eq!(replug.command(&["reload"]).await.code, Some(3));
    let refused = events.until("reload", |_| true).await;
    assert_eq!(text(&refused), "plugins.toml is wrong: nothing was changed");
    replug.signal(Signal::USR1);
    replug.line("SIGUSR1: 2 plugins ready").await;
    replug.signal(Signal::TERM);
    let stopping = events.until("replug", |_| true).await;
    assert_eq!(text(&stopping), "stopping: SIGTERM");
    assert!(replug.ended().await.success());
    replug.assert_nothing_left();
}

#[tokio::test]
async fn a_plan_is_checked_as_the_running_replug_would_read_it() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let client = Client::connect(&home.run_dir().join("control.sock")).await.unwrap();
    let check = |what| client.check(pb::CheckRequest { what, colour: false });
    let present = check(None).await.unwrap();
    assert!(present.accepted && present.diagnostics.is_empty(), "{present:?}");
    assert_eq!((present.plugins, present.components), (2, 1));

    let text = "[plugins.one]\ncomand = [\"true\"]\n".to_owned();
    let wrong = check(Some(What::Text(text.clone()))).await.unwrap();
    assert!(!wrong.accepted);
    let found = wrong.diagnostics.iter().find(|it| it.key == "plugins.one.comand").unwrap();
    assert_eq!((found.line, found.severity()), (2, pb::diagnostic::Severity::Error));
    assert_eq!(found.file, home.plan().display().to_string());
    assert!(found.help.contains("`command`"), "{found:?}");
    assert!(wrong.shown.contains("comand = [\"true\"]"), "{}", wrong.shown);

    let other = home.path("other.toml");
    std::fs::write(&other, &text).unwrap();
    let same = check(Some(What::Path(other.display().to_string()))).await.unwrap();
    assert_eq!(same.diagnostics.len(), wrong.diagnostics.len());
    assert_eq!(same.diagnostics[0].file, other.display().to_string());
    let relative = check(Some(What::Path("other.toml".to_owned()))).await.unwrap_err();
    assert_eq!(relative.to_string(), "\"other.toml\" is no absolute path");
    // Nothing was changed by any of it.
    assert!(replug.status().await.plugin_is("store", "ready"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_failure_can_be_waited_for() {
    let home = Home::new(
        "[plugins.one]\ncommand = [\"/bin/sh\", \"-c\", \"exit 3\"]\nrestart = \"never\"\n\
         start = \"manual\"\n",
    );
    let replug = Replug::start(&home).await;
    let waiting = replug.command(&["wait", "one", "--for", "failed"]);
    let starting = replug.command(&["start", "one"]);
    let (waited, started) = tokio::join!(waiting, starting);
    assert_eq!((waited.code, started.code), (Some(0), Some(1)), "{}", waited.stderr);
    assert_eq!(waited.stdout, "one: failed, generation 1\n");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_signal_reaches_the_plugin_by_name_and_by_number() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;
    let sent = replug.command(&["signal", "store", "usr1"]).await;
    assert_eq!((sent.code, sent.stdout.as_str()), (Some(0), "store: SIGUSR1 sent\n"));
    let status = replug
        .until("it is back", |status| {
            status.plugin("store").unwrap().generation == 2 && status.plugin_is("store", "ready")
        })
        .await;
    assert!(status.plugin("store").unwrap().end().contains("SIGUSR1"));
    let sent = replug.command(&["signal", "store", "10"]).await;
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    replug
        .until("it is back", |status| {
            status.plugin("store").unwrap().generation == 3 && status.plugin_is("store", "ready")
        })
        .await;

    let unknown = replug.command(&["signal", "store", "nonsense"]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("there is no signal `nonsense`"), "{}", unknown.stderr);
    assert_eq!(replug.command(&["stop", "store"]).await.code, Some(0));
    let gone = replug.command(&["signal", "store", "HUP"]).await;
    assert_eq!(
        (gone.code, gone.stderr.as_str()),
        (Some(1), "replug: plugin `store` has no process\n")
    );
    replug.stop(&home).await;
}

#[tokio::test]
async fn several_plugins_are_told_at_once_and_each_says_what_came_of_it() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    replug.until_ready("settings").await;
    let stopped = replug.command(&["stop", "store", "setings", "settings", "--json"]).await;
    assert_eq!(stopped.code, Some(1));
    assert!(stopped.stderr.contains("did you mean `settings`?"), "{}", stopped.stderr);
    let told: Value = serde_json::from_str(&stopped.stdout).unwrap();
    assert_eq!((&told[0]["name"], &told[0]["state"]), (&"store".into(), &"stopped".into()));
    assert!(told[1]["error"].as_str().unwrap().contains("setings"), "{told}");
    assert_eq!((&told[2]["name"], &told[2]["state"]), (&"settings".into(), &"stopped".into()));

    let waiting = replug.command(&["wait", "store", "settings"]);
    let starting = replug.command(&["start", "store", "settings"]);
    let (waited, started) = tokio::join!(waiting, starting);
    assert_eq!((waited.code, started.code), (Some(0), Some(0)), "{}", started.stderr);
    assert_eq!(waited.stdout, started.stdout);
    let components = replug.command(&["components", "--json"]).await;
    let components: Value = serde_json::from_str(&components.stdout).unwrap();
    assert_eq!((&components[0]["name"], &components[0]["state"]), (&"kv".into(), &"ready".into()));
    replug.stop(&home).await;
}

#[tokio::test]
async fn the_status_of_one_plugin_tells_everything_about_it() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    Application::new(&status, "kv").assert_works().await;
    replug.until_ready("settings").await;
    let shown = replug.command(&["status", "store"]).await;
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let line = |word: &str| {
        let mut lines = shown.stdout.lines().map(str::trim_start);
        let line = lines.find_map(|line| line.strip_prefix(word).map(str::trim_start));
        line.unwrap_or_else(|| panic!("no {word} in\n{}", shown.stdout))
    };
    assert!(line("state ").starts_with("ready for "));
    assert_eq!(line("generation"), "1, 0 restarts");
    assert_eq!(line("serves"), "state.misbehave");
    assert_eq!(line("component"), "kv (state.misbehave) ready");
    assert!(line("command").ends_with("misbehave well"));
    assert!(line("uses").contains(" cpu, ") && line("uses").contains("processes 1"));
    // A write and a read at the least, and none left.
    let calls = line("calls");
    assert!(!calls.starts_with("0 ended") && calls.contains(" 0 under way, 0 held"), "{calls}");
    assert!(!shown.stdout.contains("settings"), "{}", shown.stdout);

    let json = replug.command(&["status", "settings", "--json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["plugins"].as_array().unwrap().len(), 1);
    assert!(json["plugins"][0]["resident_bytes"].as_u64().unwrap() > 0, "{json}");
    let unknown = replug.command(&["status", "nobody"]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("there are store, settings"), "{}", unknown.stderr);
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_shell_completes_the_names_of_plugins_and_their_processes() {
    let home =
        Home::new(&plan().replace("[plugins.settings]", "[plugins.settings]\ninstances = 2"));
    let mut replug = Replug::spawn(&home);
    replug.until_ready("settings").await;
    let completed = async |words: &[&str]| {
        let mut shell = tokio::process::Command::new(env!("CARGO_BIN_EXE_replug"));
        shell.env("REPLUG_COMPLETE", "fish").args(["--", "replug"]).args(words);
        let output = shell.output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let control = home.run_dir().join("control.sock");
    let control = control.to_str().unwrap();
    let some = completed(&["restart", "--control", control, "s"]).await;
    assert_eq!(some, "store\nsettings\nsettings@1\nsettings@2\n");
    let plan = home.plan();
    let one = completed(&["logs", "-c", plan.to_str().unwrap(), "settings@2"]).await;
    assert_eq!(one, "settings@2\n");
}
