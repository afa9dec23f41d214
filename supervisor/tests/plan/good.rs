//! Plans with nothing wrong with them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use replug_runtime::app::{AppSettings, AppToken, HealthCheck, Protocol};
use replug_runtime::component::{HoldPolicy, Replay};
use replug_supervisor::files::Watching;
use replug_supervisor::health::probe::{Address, Probe, Probing};
use replug_supervisor::health::{HealthPolicy, OnUnhealthy, Watch};
use replug_supervisor::output::{FilePolicy, LogPolicy};
use replug_supervisor::plan::{ControlGroup, Launch, Listen, Plan, PluginSpec, Start};
use replug_supervisor::restart::{Exits, GiveUp, Restart, RestartPolicy, SUCCESS};

use crate::{plan, surroundings};

fn tcp(address: &str) -> Listen {
    Listen::Tcp(address.parse().unwrap())
}

#[test]
fn an_empty_file_is_a_plan_with_the_defaults() {
    let plan = plan("");
    assert_eq!(plan.file, Path::new("/plan/plugins.toml"));
    assert_eq!(plan.runtime.app_id, "replug");
    assert_eq!(plan.runtime.grpc, [tcp("127.0.0.1:50001")]);
    assert_eq!(plan.runtime.http, [tcp("127.0.0.1:3500")]);
    assert_eq!(plan.runtime.run_dir, Path::new("/run/user/7/replug/replug"));
    assert_eq!(plan.runtime.control, Path::new("/run/user/7/replug/replug/control.sock"));
    assert_eq!(plan.runtime.socket_dir, None);
    assert_eq!(plan.runtime.forget_after, Duration::from_secs(30));
    assert_eq!(plan.runtime.max_message, 4 << 20);
    assert_eq!((plan.plugins.len(), plan.components.len()), (0, 0));
}

#[test]
fn every_key_of_the_application_counts() {
    assert_eq!(plan("").app, AppSettings::default());
    let plan = plan(
        r#"
        [app]
        port = 8080
        protocol = "H2C"
        address = "[::1]"
        max_concurrency = 10
        health = { path = "/up?deep=1", interval = "1s", timeout = "100ms", threshold = 5 }
        token = { env = "GREETING" }
        binding_options_timeout = "1s"
        disable_init_endpoints = ["subscribe"]
        "#,
    );
    let settings = AppSettings {
        port: 8080,
        protocol: Protocol::H2c,
        address: "::1".to_owned(),
        max_concurrency: 10,
        health: Some(HealthCheck {
            path: "/up?deep=1".to_owned(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_millis(100),
            threshold: 5,
        }),
        token: AppToken::new("hello").unwrap(),
        binding_options_timeout: Duration::from_secs(1),
        ask_subscriptions: false,
        ..AppSettings::default()
    };
    assert_eq!(plan.app, settings);
}

#[test]
fn every_key_of_runtime_counts() {
    let plan = plan(
        r#"
        [runtime]
        app_id = "checkout"
        grpc = ["0.0.0.0:1", "[::1]:1", "unix:api.sock", "localhost:0"]
        http = false
        run_dir = "run"
        socket_dir = "./sockets"
        control = "/tmp/control"
        control_group = "root"
        forget_after = "1m"
        max_message = "64M"
        "#,
    );
    let runtime = &plan.runtime;
    assert_eq!(runtime.app_id, "checkout");
    let unix = Listen::Unix("/plan/api.sock".into());
    assert_eq!(runtime.grpc, [tcp("0.0.0.0:1"), tcp("[::1]:1"), unix, tcp("127.0.0.1:0")]);
    assert_eq!(runtime.http, []);
    assert_eq!(runtime.run_dir, Path::new("/plan/run"));
    assert_eq!(runtime.plugins_dir(), Path::new("/plan/run/plugins"));
    assert_eq!(runtime.socket_dir.as_deref(), Some(Path::new("/plan/sockets")));
    assert_eq!(runtime.control, Path::new("/tmp/control"));
    assert_eq!(runtime.control_group, Some(ControlGroup { name: "root".into(), gid: 0 }));
    assert_eq!(runtime.forget_after, Duration::from_secs(60));
    assert_eq!(runtime.max_message, 64 << 20);
}

#[test]
fn every_key_of_a_plugin_counts() {
    let plan = plan(
        r#"
        [plugins.z]
        command = ["sh", "-c"]
        args = ["exit"]
        env = { RUST_LOG = "info", EMPTY = "" }
        cwd = "/"
        restart = "on-failure"
        backoff = { initial = "1s", max = "1h30m", stable_after = "0s" }
        max_restarts = { count = 2 }
        start_timeout = "500ms"
        stop_timeout = "0s"
        drain_timeout = "5m"
        stop_signal = "INT"
        health = { interval = "1s", timeout = "300ms", failures = 5, on_unhealthy = "report" }
        socket = "/fixed/path.sock"

        [plugins."a.b"]
        builtin = "state.SQLite"
        args = ["--verbose"]
        "#,
    );
    let [z, dotted] = plan.plugins.as_slice() else { panic!("{plan:?}") };
    assert_eq!(z.name, "z", "the order is that of the file");
    let args = vec!["-c".to_owned(), "exit".to_owned()];
    assert_eq!(z.launch, Launch::Command { program: "sh".into(), args });
    let env: Vec<_> = z.env.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(env, [("EMPTY", Some("")), ("RUST_LOG", Some("info"))]);
    assert_eq!(z.cwd, Path::new("/"));
    let policy = RestartPolicy {
        restart: Restart::OnFailure,
        success: SUCCESS,
        prevent: Exits::NONE,
        initial: Duration::from_secs(1),
        max: Duration::from_secs(5400),
        stable_after: Duration::ZERO,
        give_up: Some(GiveUp { restarts: 2, within: Duration::from_secs(60) }),
    };
    assert_eq!(z.restart, policy);
    assert_eq!(z.start_timeout, Duration::from_millis(500));
    assert_eq!(z.stop_timeout, Duration::ZERO);
    assert_eq!(z.drain_timeout, Duration::from_secs(300));
    assert_eq!(z.stop_signal, Signal::SIGINT);
    let health = HealthPolicy {
        interval: Duration::from_secs(1),
        timeout: Duration::from_millis(300),
        failures: 5,
        watch: Watch::Always,
        on_unhealthy: OnUnhealthy::Report,
    };
    assert_eq!(z.health, health);
    assert_eq!(z.socket.as_deref(), Some(Path::new("/fixed/path.sock")));

    assert_eq!(dotted.name, "a.b");
    let component_type = "state.sqlite".parse().unwrap();
    assert_eq!(
        dotted.launch,
        Launch::Builtin { component_type, args: vec!["--verbose".to_owned()] }
    );
    assert_eq!(dotted.cwd, Path::new("/plan"));
    assert_eq!(dotted.restart, RestartPolicy::default());
    assert_eq!(dotted.start_timeout, Duration::from_secs(30));
    assert_eq!(dotted.stop_timeout, Duration::from_secs(10));
    assert_eq!(dotted.drain_timeout, Duration::from_secs(30));
    assert_eq!(dotted.stop_signal, Signal::SIGTERM);
    assert_eq!(dotted.health, HealthPolicy::default());
    assert_eq!(dotted.log, LogPolicy::default());
    assert_eq!(dotted.socket, None);
    assert_eq!(plan.plugin("a.b"), Some(dotted));
    assert_eq!(plan.plugin("c"), None);
}

#[test]
fn a_plugin_may_be_asked_by_one_probe_and_tell_by_itself() {
    let plan = plan(
        r#"
        [defaults]
        health = { interval = "1s", exec = ["test", "-e", "alive"], ready = true }

        [plugins.a]
        command = ["sh"]
        notify = true
        watchdog = "10s"

        [plugins.b]
        command = ["sh"]
        health = { tcp = "db:5432", start_period = "2m" }

        [plugins.c]
        command = ["sh"]
        health = { tcp = "unix:/db.sock", ready = false }

        [plugins.d]
        command = ["sh"]
        health = { http = "http://127.0.0.1:8080/healthz" }
        "#,
    );
    let [a, b, c, d] = plan.plugins.as_slice() else { panic!("{plan:?}") };
    let probing = |plugin: &PluginSpec| plugin.probe.clone().unwrap();
    let args = vec!["-e".to_owned(), "alive".to_owned()];
    let exec = Probe::Exec { program: "test".to_owned(), args };
    assert_eq!(probing(a), Probing { probe: exec, start_period: None, ready: true });
    assert_eq!((a.notify, a.watchdog), (true, Some(Duration::from_secs(10))));

    let tcp = Probe::Tcp(Address::Tcp("db:5432".to_owned()));
    let start_period = Some(Duration::from_secs(120));
    assert_eq!(probing(b), Probing { probe: tcp, start_period, ready: true });
    assert_eq!((b.notify, b.watchdog), (false, None));
    assert_eq!(b.health.interval, Duration::from_secs(1));

    let unix = Probe::Tcp(Address::Unix("/db.sock".into()));
    assert_eq!(probing(c), Probing { probe: unix, start_period: None, ready: false });
    let http = Probe::Http("http://127.0.0.1:8080/healthz".parse().unwrap());
    assert_eq!(probing(d).probe, http);
}

#[test]
fn files_are_watched_relative_to_the_plan_and_the_program_by_itself() {
    let plan = plan(
        r#"
        [plugins.a]
        command = ["sh", "-c", "/bin/sh"]
        watch = true

        [plugins.b]
        command = ["sh"]
        watch = ["/bin/sh", "src/deep/**/*.py", "*.so"]

        [plugins.c]
        command = ["sh"]
        watch = false
        "#,
    );
    let watched: Vec<_> = plan.plugins.iter().map(|plugin| plugin.watch.as_slice()).collect();
    let path = |path: &str| Watching::Path(path.into());
    let glob = |base: &str, pattern: &str| Watching::Glob {
        base: base.into(),
        pattern: pattern.to_owned(),
    };
    assert_eq!(watched[0], [path("/usr/bin/sh"), path("/bin/sh")]);
    let b = [path("/bin/sh"), glob("/plan/src/deep", "**/*.py"), glob("/plan", "*.so")];
    assert_eq!(watched[1], b);
    assert_eq!(watched[2], []);
}

#[test]
fn restart_may_say_which_ends_are_which() {
    let plan = plan(
        r#"
        [defaults]
        restart = { policy = "on-failure", success = [3, "TERM"], prevent = [0x4e] }

        [plugins.a]
        command = ["sh"]

        [plugins.b]
        command = ["sh"]
        restart = "always"

        [plugins.c]
        command = ["sh"]
        restart = { success = [], prevent = ["SIGABRT"] }
        "#,
    );
    let restarts: Vec<_> = plan.plugins.iter().map(|plugin| plugin.restart).collect();
    let success = SUCCESS.with_code(3).with_signal(Signal::SIGTERM);
    let a = RestartPolicy {
        restart: Restart::OnFailure,
        success,
        prevent: Exits::NONE.with_code(78),
        ..RestartPolicy::default()
    };
    let b = RestartPolicy { restart: Restart::Always, ..a };
    let prevent = Exits::NONE.with_signal(Signal::SIGABRT);
    let c = RestartPolicy { success: SUCCESS, prevent, ..a };
    assert_eq!(restarts, [a, b, c]);
}

#[test]
fn every_key_of_a_component_counts() {
    let plan = plan(
        r#"
        [components.orders]
        type = "state.sqlite"
        version = "v1"
        hold = "0s"
        hold_limit = 0
        max_calls = 8
        max_bytes = "64M"
        replay = "all"
        namespaced = true

        [components.orders.metadata]
        text = "a"
        integer = 1_000
        hex = 0x10
        float = 1.50
        truth = true
        day = 2024-02-29
        list = ["a", 1, 1.5, false]
        table = { a = { b = [] } }
        taken = { env = "GREETING" }
        keyPrefix = "a|b"

        [components."hello world"]
        type = "hello.helloworld"
        "#,
    );
    let [orders, hello] = plan.components.as_slice() else { panic!("{plan:?}") };
    assert_eq!((orders.name.as_str(), orders.version.as_str()), ("orders", "v1"));
    assert_eq!(orders.component_type.as_str(), "state.sqlite");
    let hold = HoldPolicy {
        hold: Duration::ZERO,
        limit: 0,
        max_calls: 8,
        max_bytes: 64 << 20,
        replay: Replay::All,
    };
    assert_eq!(orders.hold, hold);
    assert_eq!((orders.namespaced, hello.namespaced), (true, false));
    let metadata = [
        ("text", "a"),
        ("integer", "1000"),
        ("hex", "16"),
        ("float", "1.50"),
        ("truth", "true"),
        ("day", "2024-02-29"),
        ("list", r#"["a",1,1.5,false]"#),
        ("table", r#"{"a":{"b":[]}}"#),
        ("taken", "hello"),
        ("keyPrefix", "a|b"),
    ];
    assert_eq!(orders.metadata.len(), metadata.len());
    for (name, value) in metadata {
        assert_eq!(orders.metadata[name].text(), Some(value), "{name}");
    }

    assert_eq!((hello.name.as_str(), hello.version.as_str()), ("hello world", ""));
    assert_eq!(hello.hold, HoldPolicy::default());
    assert!(hello.metadata.is_empty());
}

#[test]
fn the_run_folder_depends_on_the_user() {
    let run_dir = |uid, runtime_dir: &str| {
        let mut surroundings = surroundings();
        surroundings.uid = uid;
        surroundings.env.insert("XDG_RUNTIME_DIR".to_owned(), runtime_dir.to_owned());
        let text = "runtime.app_id = 'shop'".to_owned();
        Plan::check(text, Path::new("plugins.toml"), &surroundings).plan.unwrap().runtime.run_dir
    };
    assert_eq!(run_dir(0, "/run/user/0"), Path::new("/run/replug/shop"));
    assert_eq!(run_dir(7, "/run/user/7"), Path::new("/run/user/7/replug/shop"));
    assert_eq!(run_dir(7, ""), Path::new("/tmp/replug-7/shop"));
    assert_eq!(run_dir(7, "relative"), Path::new("/tmp/replug-7/shop"));
}

#[test]
fn a_service_has_its_run_folder_in_the_one_that_its_manager_made() {
    let run_dir = |folders: &str| {
        let mut surroundings = surroundings();
        surroundings.uid = 7;
        surroundings.env.insert("RUNTIME_DIRECTORY".to_owned(), folders.to_owned());
        let text = "runtime.app_id = 'shop'".to_owned();
        Plan::check(text, Path::new("plugins.toml"), &surroundings).plan.unwrap().runtime.run_dir
    };
    assert_eq!(run_dir("/run/replug"), Path::new("/run/replug/shop"));
    assert_eq!(run_dir("/run/replug:/run/other"), Path::new("/run/replug/shop"));
    assert_eq!(run_dir("relative"), Path::new("/run/user/7/replug/shop"));
    assert_eq!(run_dir(""), Path::new("/run/user/7/replug/shop"));
}

#[test]
fn the_socket_folder_comes_from_the_file_then_from_dapr_then_from_layotto() {
    let socket_dir = |text: &str, dapr: &str, layotto: &str| {
        let mut surroundings = surroundings();
        let names = ["DAPR_COMPONENTS_SOCKETS_FOLDER", "LAYOTTO_COMPONENTS_SOCKETS_FOLDER"];
        for (name, value) in names.iter().zip([dapr, layotto]) {
            surroundings.env.insert((*name).to_owned(), value.to_owned());
        }
        let checked = Plan::check(text.to_owned(), Path::new("/plan/p.toml"), &surroundings);
        checked.plan.unwrap().runtime.socket_dir
    };
    let written = "runtime.socket_dir = '/written'";
    assert_eq!(socket_dir(written, "/dapr", "/layotto"), Some(PathBuf::from("/written")));
    assert_eq!(socket_dir("", "/dapr", "/layotto"), Some(PathBuf::from("/dapr")));
    assert_eq!(socket_dir("", "", "/layotto"), Some(PathBuf::from("/layotto")));
    assert_eq!(socket_dir("", "", ""), None);
}

#[test]
fn a_type_that_nobody_serves_yet_is_fine_where_somebody_may() {
    let component = "[components.a]\ntype = 'state.mine'\n";
    plan(&format!("{component}[plugins.p]\ncommand = ['sh']\n"));
    plan(&format!("{component}[plugins.mine]\nbuiltin = 'state.sqlite'\n"));
    plan(&format!("{component}[runtime]\nsocket_dir = '/sockets'\n"));
}

#[test]
fn what_is_not_enabled_is_not_run_and_not_waited_for() {
    let plan = plan(
        r#"
        [plugins.off]
        command = ["sh"]
        enabled = false

        [plugins.vault]
        command = ["sh"]
        start = "manual"

        [plugins.orders]
        command = ["sh"]
        after = ["off", "vault"]
        "#,
    );
    let [vault, orders] = plan.plugins.as_slice() else { panic!("{plan:?}") };
    assert_eq!((vault.start, orders.start), (Start::Manual, Start::Auto));
    assert_eq!(orders.after, ["vault"]);
}

#[test]
fn defaults_count_where_a_plugin_says_nothing() {
    let plan = plan(
        r#"
        [defaults]
        restart = "on-failure"
        backoff = { initial = "1s", max = "5s" }
        max_restarts = { count = 3, within = "10s" }
        stop_timeout = "2s"
        stop_signal = "INT"
        health = { interval = "9s" }

        [plugins.a]
        command = ["sh"]

        [plugins.b]
        command = ["sh"]
        restart = "always"
        backoff = { max = "7s" }
        stop_signal = "TERM"
        health = { failures = 1 }
        "#,
    );
    let [a, b] = plan.plugins.as_slice() else { panic!("{plan:?}") };
    let give_up = Some(GiveUp { restarts: 3, within: Duration::from_secs(10) });
    assert_eq!((a.restart.restart, a.restart.give_up), (Restart::OnFailure, give_up));
    assert_eq!((a.stop_timeout, a.stop_signal), (Duration::from_secs(2), Signal::SIGINT));
    assert_eq!(a.health.interval, Duration::from_secs(9));

    assert_eq!((b.restart.restart, b.restart.give_up), (Restart::Always, give_up));
    let delays = (b.restart.initial, b.restart.max);
    assert_eq!(delays, (Duration::from_secs(1), Duration::from_secs(7)));
    assert_eq!((b.stop_timeout, b.stop_signal), (Duration::from_secs(2), Signal::SIGTERM));
    assert_eq!((b.health.interval, b.health.failures), (Duration::from_secs(9), 1));
}

#[test]
fn a_plugins_log_is_its_own_where_it_says_so_and_that_of_the_defaults_else() {
    let plan = plan(
        r#"
        [defaults]
        log = { ring = "256K", file = "/var/log/{name}.log", max_size = "1M", max_age = "7d" }

        [plugins.a]
        command = ["sh"]

        [plugins.b]
        command = ["sh"]
        log = { to_log = false, file = "b/{name}", keep = 0, stamps = true }

        [plugins.c]
        command = ["sh"]
        log = { ring = "0", file = false }
        "#,
    );
    let [a, b, c] = plan.plugins.as_slice() else { panic!("{plan:?}") };
    let file = FilePolicy {
        path: "/var/log/a.log".into(),
        max_size: 1 << 20,
        max_age: Some(Duration::from_secs(7 * 24 * 60 * 60)),
        keep: 5,
        stamps: false,
    };
    assert_eq!(a.log, LogPolicy { ring: 256 << 10, to_log: true, file: Some(file.clone()) });
    let file = FilePolicy { path: "/plan/b/b".into(), keep: 0, stamps: true, ..file };
    assert_eq!(b.log, LogPolicy { ring: 256 << 10, to_log: false, file: Some(file) });
    assert_eq!(c.log, LogPolicy { ring: 0, to_log: true, file: None });
}
