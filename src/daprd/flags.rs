//! daprd's command line: its flags, and the way in which it reads them.
//!
//! `-flag` and `--flag` are the same; a list is repeated or has commas; a switch takes its value
//! after `=` only. As Dapr's scripts rely on that, it is not clap's way.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Nothing, or `=true` and `=false`.
    Switch,
    /// One text; the last counts.
    Text,
    /// Texts, all of which count.
    List,
}

struct Flag {
    name: &'static str,
    takes: Takes,
    default: &'static str,
    /// What it means; none for what has no effect and is hidden.
    help: &'static str,
}

const fn text(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, takes: Takes::Text, default, help }
}

const fn switch(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, takes: Takes::Switch, default, help }
}

const fn list(name: &'static str, help: &'static str) -> Flag {
    Flag { name, takes: Takes::List, default: "", help }
}

/// Every flag, in the order of the alphabet.
const FLAGS: &[Flag] = &[
    text("actors-disseminate-timeout", "30s", "actors: replug has none"),
    text("actors-service", "", ""),
    text(
        "allowed-origins",
        "",
        "origins whose pages may call over HTTP; `*` for all; empty: CORS is off",
    ),
    text("app-channel-address", "127.0.0.1", "address that the application listens on"),
    text(
        "app-health-check-path",
        "/healthz",
        "path that the application is asked for its health at",
    ),
    text("app-health-probe-interval", "5", "seconds between two questions"),
    text("app-health-probe-timeout", "500", "milliseconds that an answer may take"),
    text(
        "app-health-threshold",
        "3",
        "failures in a row until the application counts as unhealthy",
    ),
    text(
        "app-binding-options-timeout",
        "3s",
        "time in which the application says that it takes a binding's events",
    ),
    text("app-id", "", "name of the application"),
    text(
        "app-max-concurrency",
        "-1",
        "calls into the application at a time; -1: as many as there are",
    ),
    text("app-port", "", "port that the application listens on"),
    text("app-protocol", "http", "http, https, h2c, grpc or grpcs"),
    switch("app-ssl", "false", "deprecated: app-protocol https or grpcs"),
    switch("build-info", "false", "print the build's versions and end"),
    text("components-path", "", "deprecated: resources-path"),
    list("config", "file of the kind Configuration; repeatable"),
    text("control-plane-address", "", "Kubernetes: replug does not use it"),
    text("control-plane-namespace", "default", "Kubernetes: replug does not use it"),
    text("control-plane-trust-domain", "localhost", "mTLS: replug does not use it"),
    text(
        "dapr-block-shutdown-duration",
        "",
        "how long to serve on after the signal to end, or until the application is unhealthy",
    ),
    text("dapr-graceful-shutdown-seconds", "5", "how long calls that are under way have to end"),
    text("dapr-grpc-port", "50001", "port of the API over gRPC"),
    text("dapr-http-max-request-size", "-1", "deprecated: max-body-size, in MB"),
    text("dapr-http-port", "3500", "port of the API over HTTP"),
    text("dapr-http-read-buffer-size", "-1", "deprecated: read-buffer-size, in KB"),
    text("dapr-internal-grpc-listen-address", "", "calls from other sidecars: replug takes none"),
    text("dapr-internal-grpc-port", "0", "calls from other sidecars: replug takes none"),
    list("dapr-listen-addresses", "addresses of both APIs; empty: every interface"),
    text("dapr-public-listen-address", "", "address of the public port"),
    text("dapr-public-port", "", "port that serves health and metadata alone"),
    switch("disable-builtin-k8s-secret-store", "false", "Kubernetes: replug does not use it"),
    list(
        "disable-init-endpoints",
        "what the application is not asked for at first: config, subscribe",
    ),
    switch("enable-api-logging", "false", "log every call of the API"),
    switch("enable-app-health-check", "false", "ask the application for its health"),
    switch("enable-metrics", "true", "serve metrics"),
    switch("enable-mtls", "false", "mTLS between sidecars: replug has none"),
    switch("enable-profiling", "false", "serve profiles: replug has none"),
    text("hot-reload-reconcile-interval", "0", "without effect: resources are watched"),
    switch("log-as-json", "false", "log as JSON, one object a line"),
    text("log-file", "", "append the log to this file instead of standard output"),
    text("log-level", "info", "debug, info, warn, error or fatal"),
    text("max-body-size", "4Mi", "largest request, as a quantity"),
    text("metrics-listen-address", "0.0.0.0", "address of the metrics"),
    text("metrics-port", "9090", "port of the metrics"),
    text("mode", "standalone", "standalone; replug knows no other"),
    list("placement-host-address", "actors: replug has none"),
    text(
        "plugins",
        "",
        "replug's own: plugins.toml, whose plugins run beside; else REPLUG_PLUGINS names it",
    ),
    text("profile-port", "7777", "profiles: replug has none"),
    text("read-buffer-size", "4Ki", "largest head of a request, as a quantity"),
    text("reminders-service", "", ""),
    list("resources-path", "folder of resource files; repeatable"),
    list("scheduler-host-address", "jobs and reminders: replug has none"),
    text("scheduler-job-streams", "3", "jobs: replug has none"),
    text("sentry-address", "", "mTLS: replug does not use it"),
    list("sentry-request-jwt-audiences", "mTLS: replug does not use it"),
    text("unix-domain-socket", "", "folder in which the APIs listen on sockets instead of ports"),
    switch("version", "false", "print the version and end"),
    switch("wait", "false", "wait until the sidecar that is already running is ready, and end"),
];

/// The command line as it was given.
#[derive(Debug, Clone, Default)]
pub(super) struct Flags(BTreeMap<&'static str, Vec<String>>);

/// Why there are no flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Usage {
    /// Somebody asked how it is used.
    Help,
    /// This is wrong.
    Wrong(String),
}

impl Flags {
    /// Reads the command line. Like daprd it ignores what is no flag.
    pub(super) fn read(args: impl IntoIterator<Item = String>) -> Result<Self, Usage> {
        let mut flags = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let Some(bare) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else {
                continue;
            };
            if arg == "--" {
                break;
            }
            if bare.is_empty() {
                continue;
            }
            let (name, value) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            if matches!(name, "help" | "h") {
                return Err(Usage::Help);
            }
            let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) else {
                return Err(Usage::Wrong(format!("unknown flag: --{name}")));
            };
            let value = match (flag.takes, value) {
                (Takes::Switch, None) => "true".to_owned(),
                (_, Some(value)) => value,
                (_, None) => args
                    .next()
                    .ok_or_else(|| Usage::Wrong(format!("flag needs an argument: --{name}")))?,
            };
            if flag.takes == Takes::Switch && truth(&value).is_none() {
                return Err(Usage::Wrong(format!(
                    "invalid argument {value:?} for \"--{name}\" flag: strconv.ParseBool: parsing \
                     {value:?}: invalid syntax"
                )));
            }
            let values = flags.0.entry(flag.name).or_default();
            match flag.takes {
                Takes::List => values.extend(
                    value
                        .split(',')
                        .filter(|item| !item.is_empty())
                        .map(|item| item.trim().to_owned()),
                ),
                Takes::Switch | Takes::Text => *values = vec![value],
            }
        }
        Ok(flags)
    }

    /// Whether it was given.
    pub(super) fn given(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The flag's text.
    pub(super) fn text(&self, name: &str) -> &str {
        let given = self.0.get(name).and_then(|values| values.last());
        given.map_or_else(|| default(name), String::as_str)
    }

    /// The flag's texts.
    pub(super) fn list(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether the switch is on.
    pub(super) fn on(&self, name: &str) -> bool {
        truth(self.text(name)).unwrap_or_default()
    }
}

fn default(name: &str) -> &'static str {
    let flag = FLAGS.iter().find(|flag| flag.name == name);
    debug_assert!(flag.is_some(), "no flag {name}");
    flag.map_or("", |flag| flag.default)
}

/// As Go reads it.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// How it is used.
pub(super) fn usage() -> String {
    let mut usage = "Usage of replug daprd:\n".to_owned();
    for Flag { name, takes, default, help } in FLAGS.iter().filter(|flag| !flag.help.is_empty()) {
        let kind = match takes {
            Takes::Switch => "",
            Takes::Text => " string",
            Takes::List => " strings",
        };
        let head = format!("--{name}{kind}");
        // Writing to a String does not fail.
        let _ = write!(usage, "      {head:<50} {help}");
        if !matches!(*default, "" | "false") {
            let _ = write!(usage, " (default {default:?})");
        }
        usage.push('\n');
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Flags, Usage> {
        Flags::read(args.iter().map(|&arg| arg.to_owned()))
    }

    #[test]
    fn one_dash_and_two_are_the_same_and_lists_repeat_or_have_commas() {
        let flags = read(&[
            "-app-id=shop",
            "--dapr-http-port",
            "3600",
            "--config",
            "a.yaml,b.yaml",
            "-config=c.yaml",
            "-log-as-json",
            "--enable-metrics=false",
        ])
        .unwrap();
        assert_eq!(flags.text("app-id"), "shop");
        assert_eq!(flags.text("dapr-http-port"), "3600");
        assert_eq!(flags.list("config"), ["a.yaml", "b.yaml", "c.yaml"]);
        assert!(flags.on("log-as-json") && !flags.on("enable-metrics"));
        assert_eq!(flags.text("max-body-size"), "4Mi");
    }

    #[test]
    fn what_is_wrong_is_said_in_daprds_words() {
        let wrong = |args: &[&str]| match read(args).unwrap_err() {
            Usage::Wrong(text) => text,
            Usage::Help => "help".to_owned(),
        };
        assert_eq!(wrong(&["--nope"]), "unknown flag: --nope");
        assert_eq!(wrong(&["-nope=1"]), "unknown flag: --nope");
        assert_eq!(wrong(&["--app-id"]), "flag needs an argument: --app-id");
        assert!(wrong(&["--wait=maybe"]).starts_with("invalid argument \"maybe\""));
        assert_eq!(wrong(&["--help"]), "help");
    }

    #[test]
    fn flags_stand_in_the_order_of_the_alphabet_and_help_shows_those_with_an_effect() {
        let usage = usage();
        assert!(usage.contains("--dapr-http-port string"));
        assert!(!usage.contains("reminders-service"));
        for flag in FLAGS {
            assert!(FLAGS.iter().filter(|other| other.name == flag.name).count() == 1);
        }
    }
}
