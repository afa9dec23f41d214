//! What daprd's flags and variables come to, checked as daprd checks them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use replug_runtime::app::{AppSettings, AppToken, HealthCheck, Protocol};
use replug_supervisor::plan::Listen;

use super::flags::Flags;
use super::internal_port;
use super::numbers::{duration, number, port, size};

/// How often replug asks the application for its health where what is said is no good.
const DEFAULT_INTERVAL: u64 = 5;
const DEFAULT_TIMEOUT: u64 = 500;
const DEFAULT_THRESHOLD: u64 = 3;
/// How long calls have to end where what is said is below zero.
const DEFAULT_GRACE: u64 = 5;

/// Variables that name where traces are to go.
const TRACES_GO_TO: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// Variables that name the folder of plugins' sockets, and the folder where none does.
const SOCKETS_VARIABLE: &str = "DAPR_COMPONENTS_SOCKETS_FOLDER";
const SOCKETS_FOLDER: &str = "/tmp/dapr-components-sockets";

/// Names plugins.toml where no flag does: for whoever starts this with flags that are not theirs to
/// write, as `dapr run` does.
const PLUGINS_VARIABLE: &str = "REPLUG_PLUGINS";

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) app_id: String,
    pub(crate) app: AppSettings,
    pub(crate) http: Vec<Listen>,
    pub(crate) grpc: Vec<Listen>,
    pub(crate) public: Option<SocketAddr>,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) http_port: u16,
    pub(crate) grpc_port: u16,
    pub(crate) metrics_port: u16,
    /// As it was given: nothing listens there, and Dapr's command line says -1 for none.
    pub(crate) profile_port: i64,
    pub(crate) internal_port: u16,
    pub(crate) resources: Vec<PathBuf>,
    pub(crate) configuration: Vec<PathBuf>,
    pub(crate) plugins: Option<PathBuf>,
    pub(crate) sockets: PathBuf,
    pub(crate) cors: Vec<String>,
    /// In bytes; zero: no bound.
    pub(crate) max_body: usize,
    pub(crate) read_buffer: usize,
    /// None: as long as it takes.
    pub(crate) grace: Option<Duration>,
    pub(crate) block: Option<Duration>,
    /// None where the flag was not given: then a Configuration decides.
    pub(crate) api_logging: Option<bool>,
    /// What was asked for and replug does not do, for people.
    pub(crate) not_done: Vec<String>,
}

impl Settings {
    /// What the flags come to; why they do not.
    pub(super) fn of(flags: &Flags) -> Result<Self, String> {
        let mut not_done = Vec::new();
        if flags.text("mode") != "standalone" {
            let mode = flags.text("mode");
            return Err(format!(
                "invalid mode {mode:?}: replug runs on one host, as in standalone"
            ));
        }
        let app_id = flags.text("app-id");
        if app_id.is_empty() {
            return Err("app-id parameter cannot be empty".to_owned());
        }
        if app_id.contains('.') {
            return Err(format!("app-id parameter cannot contain dots: {app_id}"));
        }
        let http_port = port(flags, "dapr-http-port")?;
        let grpc_port = port(flags, "dapr-grpc-port")?;
        let app_port = port(flags, "app-port")?;
        for (name, port) in [("dapr-http-port", http_port), ("dapr-grpc-port", grpc_port)] {
            if port == app_port {
                return Err(format!(
                    "the '{name}' argument value {port} conflicts with 'app-port'"
                ));
            }
        }
        let metrics_port = port(flags, "metrics-port")?;
        let public_port = port(flags, "dapr-public-port")?;
        let (http, grpc) = listens(flags, app_id, http_port, grpc_port)?;
        let metrics = flags.on("enable-metrics").then(|| {
            socket(flags.text("metrics-listen-address"), metrics_port, "metrics-listen-address")
        });
        let public = flags.given("dapr-public-port").then(|| {
            socket(
                flags.text("dapr-public-listen-address"),
                public_port,
                "dapr-public-listen-address",
            )
        });
        let resources = match flags.list("resources-path") {
            [] if !flags.text("components-path").is_empty() => {
                vec![flags.text("components-path").into()]
            }
            listed => listed.iter().map(PathBuf::from).collect(),
        };
        for (asked, what) in [
            ("enable-mtls", "mTLS between sidecars"),
            ("placement-host-address", "actors, which placement is for"),
            ("scheduler-host-address", "jobs, which the scheduler is for"),
            ("enable-profiling", "Go's profiles"),
            ("control-plane-address", "Kubernetes' control plane"),
            ("sentry-address", "certificates of Sentry"),
            ("dapr-internal-grpc-port", "calls from other sidecars"),
            ("dapr-internal-grpc-listen-address", "calls from other sidecars"),
        ] {
            let text = flags.text(asked);
            if flags.given(asked) && !matches!(text, "" | "false" | "0") {
                not_done.push(format!("--{asked}: replug has no {what}; it goes on without"));
            }
        }
        for variable in TRACES_GO_TO {
            if std::env::var_os(variable).is_some_and(|place| !place.is_empty()) {
                not_done.push(format!("{variable}: replug exports no traces; it goes on without"));
            }
        }
        let sockets = std::env::var_os(SOCKETS_VARIABLE).filter(|folder| !folder.is_empty());
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let all = |paths: Vec<PathBuf>| paths.iter().map(|path| absolute(path)).collect::<Vec<_>>();
        let plugins = match flags.text("plugins") {
            "" => std::env::var_os(PLUGINS_VARIABLE).unwrap_or_default(),
            given => given.into(),
        };
        Ok(Self {
            app_id: app_id.to_owned(),
            app: app(flags, app_port)?,
            http,
            grpc,
            public: public.transpose()?,
            metrics: metrics.transpose()?,
            http_port,
            grpc_port,
            metrics_port,
            profile_port: number(flags, "profile-port")?,
            internal_port: match port(flags, "dapr-internal-grpc-port")? {
                0 => internal_port::chosen(app_id),
                given => given,
            },
            resources: all(resources),
            configuration: all(flags.list("config").iter().map(PathBuf::from).collect()),
            plugins: (!plugins.is_empty()).then(|| absolute(Path::new(&plugins))),
            sockets: absolute(Path::new(&sockets.unwrap_or_else(|| SOCKETS_FOLDER.into()))),
            cors: (flags.text("allowed-origins").split(','))
                .map(|origin| origin.trim().to_owned())
                .filter(|origin| !origin.is_empty())
                .collect(),
            max_body: size(flags, "max-body-size", "dapr-http-max-request-size", 20)?,
            read_buffer: size(flags, "read-buffer-size", "dapr-http-read-buffer-size", 10)?,
            grace: grace(flags)?,
            block: block(flags)?,
            api_logging: flags.given("enable-api-logging").then(|| flags.on("enable-api-logging")),
            not_done,
        })
    }
}

/// The application.
fn app(flags: &Flags, port: u16) -> Result<AppSettings, String> {
    let text = flags.text("app-protocol");
    let written = if text.is_empty() { Ok(Protocol::Http) } else { text.parse::<Protocol>() };
    let protocol = match written.map_err(|_| format!("invalid value for 'app-protocol': {text}"))? {
        Protocol::Http if flags.on("app-ssl") => Protocol::Https,
        Protocol::Grpc if flags.on("app-ssl") => Protocol::Grpcs,
        protocol => protocol,
    };
    let concurrency = number(flags, "app-max-concurrency")?.max(0);
    let health = flags.on("enable-app-health-check").then(|| health(flags));
    let asked = |name: &str| !flags.list("disable-init-endpoints").iter().any(|it| it == name);
    let token = std::env::var("APP_API_TOKEN").unwrap_or_default();
    let default = AppSettings::default();
    Ok(AppSettings {
        port,
        protocol,
        address: flags.text("app-channel-address").to_owned(),
        max_concurrency: usize::try_from(concurrency).unwrap_or_default(),
        health: health.transpose()?,
        token: AppToken::new(&token).map_err(|error| format!("APP_API_TOKEN: {error}"))?,
        binding_options_timeout: duration(flags, "app-binding-options-timeout")?
            .unwrap_or(default.binding_options_timeout),
        ask_configuration: asked("config"),
        ask_subscriptions: asked("subscribe"),
        ..default
    })
}

/// How the application is asked for its health. What is below one is the default.
fn health(flags: &Flags) -> Result<HealthCheck, String> {
    let least = |name: &str, default: u64| {
        let given = number(flags, name)?;
        Ok::<_, String>(u64::try_from(given).ok().filter(|given| *given > 0).unwrap_or(default))
    };
    let interval = Duration::from_secs(least("app-health-probe-interval", DEFAULT_INTERVAL)?);
    let timeout = Duration::from_millis(least("app-health-probe-timeout", DEFAULT_TIMEOUT)?);
    if timeout > interval {
        return Err(
            "value for 'health-probe-timeout' must be smaller than 'health-probe-interval'"
                .to_owned(),
        );
    }
    let threshold = least("app-health-threshold", DEFAULT_THRESHOLD)?;
    Ok(HealthCheck {
        path: flags.text("app-health-check-path").to_owned(),
        interval,
        timeout,
        threshold: u32::try_from(threshold).unwrap_or(u32::MAX),
    })
}

/// Where both APIs listen.
fn listens(
    flags: &Flags,
    app_id: &str,
    http_port: u16,
    grpc_port: u16,
) -> Result<(Vec<Listen>, Vec<Listen>), String> {
    let folder = flags.text("unix-domain-socket");
    if !folder.is_empty() {
        let folder =
            std::path::absolute(folder).map_err(|error| format!("unix-domain-socket: {error}"))?;
        let at = |api: &str| vec![Listen::Unix(folder.join(format!("dapr-{app_id}-{api}.socket")))];
        return Ok((at("http"), at("grpc")));
    }
    let addresses = match flags.list("dapr-listen-addresses") {
        [] => vec![String::new()],
        listed => listed.to_vec(),
    };
    let all = |port: u16| {
        let one =
            |address: &String| socket(address, port, "dapr-listen-addresses").map(Listen::Tcp);
        addresses.iter().map(one).collect::<Result<Vec<_>, _>>()
    };
    Ok((all(http_port)?, all(grpc_port)?))
}

/// The address with this port. An empty host is every interface: those of IPv6 too, where the
/// machine has them.
fn socket(host: &str, port: u16, flag: &str) -> Result<SocketAddr, String> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        let six = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
        let every =
            if six { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::from([0, 0, 0, 0]) };
        return Ok(SocketAddr::new(every, port));
    }
    let found = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| format!("{flag}: {host:?} is no address of this machine"))
}

fn grace(flags: &Flags) -> Result<Option<Duration>, String> {
    let seconds = number(flags, "dapr-graceful-shutdown-seconds")?;
    Ok(match u64::try_from(seconds) {
        Ok(0) => None,
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(Duration::from_secs(DEFAULT_GRACE)),
    })
}

fn block(flags: &Flags) -> Result<Option<Duration>, String> {
    duration(flags, "dapr-block-shutdown-duration")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &[&str]) -> Result<Settings, String> {
        let args = args.iter().map(|&arg| arg.to_owned());
        Settings::of(&Flags::read(args).map_err(|usage| format!("{usage:?}"))?)
    }

    #[test]
    fn flags_that_cannot_be_are_told_in_daprds_words() {
        for (args, says) in [
            (&["--app-id="][..], "app-id parameter cannot be empty"),
            (&["--app-id=a.b"], "app-id parameter cannot contain dots"),
            (&["--app-id=a", "--dapr-http-port=x"], "error parsing dapr-http-port flag"),
            (
                &["--app-id=a", "--app-port=3500"],
                "the 'dapr-http-port' argument value 3500 conflicts with 'app-port'",
            ),
            (
                &["--app-id=a", "--dapr-http-port=0"],
                "the 'dapr-http-port' argument value 0 conflicts",
            ),
            (&["--app-id=a", "--app-protocol=smtp"], "invalid value for 'app-protocol': smtp"),
            (
                &["--app-id=a", "--enable-app-health-check", "--app-health-probe-timeout=9000"],
                "must be smaller",
            ),
            (&["--app-id=a", "--mode=kubernetes"], "invalid mode"),
            (&["--app-id=a", "--max-body-size=much"], "failed to parse max-body-size"),
        ] {
            let error = settings(args).unwrap_err();
            assert!(error.contains(says), "{args:?}: {error}");
        }
    }

    #[test]
    fn ports_of_dapr_run_are_taken_where_it_has_none() {
        let given = ["--app-id", "a", "--app-port", "0", "--profile-port", "-1"];
        let taken = settings(&given).unwrap();
        assert_eq!((taken.app.port, taken.profile_port), (0, -1));
    }

    #[test]
    fn sizes_are_quantities_and_the_flag_wins_over_its_alias() {
        let of = |args: &[&str]| settings(&[&["--app-id=a"], args].concat()).unwrap();
        assert_eq!(of(&[]).max_body, 4 << 20);
        assert_eq!(of(&["--max-body-size=1.5Ki"]).max_body, 1536);
        assert_eq!(of(&["--dapr-http-max-request-size=2"]).max_body, 2 << 20);
        assert_eq!(of(&["--dapr-http-max-request-size=-1"]).max_body, 4 << 20);
        let both = of(&["--dapr-http-max-request-size=2", "--max-body-size=1Mi"]);
        assert_eq!(both.max_body, 1 << 20);
        assert_eq!(of(&["--max-body-size=-1"]).max_body, 0);
    }

    #[test]
    fn a_grace_of_zero_is_without_end_and_one_below_is_the_default() {
        let of = |seconds: &str| {
            let flag = format!("--dapr-graceful-shutdown-seconds={seconds}");
            settings(&["--app-id=a", &flag]).unwrap().grace
        };
        assert_eq!(of("0"), None);
        assert_eq!(of("-1"), Some(Duration::from_secs(5)));
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
    }

    #[test]
    fn what_replug_does_not_do_is_said() {
        let asked = ["--app-id=a", "--placement-host-address=x:1", "--enable-mtls"];
        let all = settings(&asked).unwrap();
        assert!(all.internal_port >= 47_300, "as by daprd: {}", all.internal_port);
        let said = all.not_done;
        assert_eq!(said.len(), 2);
        assert!(
            said.iter().any(|it| it.contains("--placement-host-address: replug has no actors"))
        );
        let internal = settings(&["--app-id=a", "--dapr-internal-grpc-port=50002"]);
        let internal = internal.unwrap();
        assert_eq!(internal.internal_port, 50_002);
        let said = "--dapr-internal-grpc-port: replug has no calls from other sidecars";
        assert!(internal.not_done[0].starts_with(said), "{:?}", internal.not_done);
    }
}
