//! `replug daprd`: replug in daprd's place. It takes daprd's flags, files and variables, and says
//! what daprd says; underneath it is the same run as `replug run`.

mod environment;
mod flags;
mod internal_port;
mod load;
mod log;
mod metric_spec;
mod numbers;
mod outcome;
mod plan;
mod settings;
mod wait;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use replug_runtime::api::{ApiCallLog, ApiSettings, ListenAddress, Traces};
use replug_runtime::app::{AppState, Application};
use replug_runtime::registry::{ComponentState, ComponentStatus, Registry};
use replug_runtime::resources::{self, Configuration, go_duration_text};
use replug_runtime::telemetry::Telemetry;
use replug_supervisor::output::log::subscriber_as;
use replug_supervisor::plan::Plan;
use replug_supervisor::reload::{HOT_RELOAD, Hearer};
use tracing_subscriber::EnvFilter;

use self::flags::{Flags, Usage};
use self::log::{DaprdLine, SCOPE};
pub(crate) use self::plan::control_of;
pub(crate) use self::settings::Settings;
use crate::exit::Failure;
use crate::run::{self, Held, LogGuard, Manner};

/// The version of Dapr's runtime whose behaviour this is.
const DAPR_VERSION: &str = "1.18.3";

/// What is on in Dapr unless a Configuration says otherwise.
const FEATURES: [&str; 2] = [HOT_RELOAD, "WorkflowsRemoteActivityReminder"];

/// What `replug daprd` does otherwise than `replug run`.
#[derive(Debug)]
pub(crate) struct Daprd {
    pub(crate) settings: Settings,
    begun: Instant,
}

/// Runs in daprd's place. `args` is the whole command line, the first being the program.
pub(crate) fn daprd(args: &[OsString], own: &[OsString]) -> ExitCode {
    if is_called_daprd(args) {
        // What executes itself anew is called as its file is, and tools such as `dapr list` and
        // `pgrep` look for daprd. They find it by its arguments else.
        let _ = nix::sys::prctl::set_name(c"daprd");
    }
    let texts = own.iter().map(|arg| arg.to_string_lossy().into_owned());
    let flags = match Flags::read(texts) {
        Ok(flags) => flags,
        Err(Usage::Help) => {
            eprint!("{}", flags::usage());
            return ExitCode::SUCCESS;
        }
        Err(Usage::Wrong(what)) => {
            eprint!("{}", flags::usage());
            eprintln!("{what}");
            return ExitCode::from(2);
        }
    };
    if flags.on("version") {
        println!("{DAPR_VERSION}");
        return ExitCode::SUCCESS;
    }
    if flags.on("build-info") {
        println!("Version: {DAPR_VERSION}\nGit Commit: replug\nGit Version: {}", run::VERSION);
        return ExitCode::SUCCESS;
    }
    if flags.on("wait") {
        wait::wait(flags.text("dapr-http-port"));
        return ExitCode::SUCCESS;
    }
    match begin(args, &flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn begin(args: &[OsString], flags: &Flags) -> Result<(), Failure> {
    let begun = Instant::now();
    let filter = match flags.text("log-level").to_ascii_lowercase().as_str() {
        "debug" => "debug,h2=info,hyper=info,hyper_util=info,tower=info,tonic=info",
        "info" => "info",
        "warn" | "warning" => "warn",
        "error" | "fatal" => "error",
        _ => {
            let level = flags.text("log-level");
            println!("level=fatal msg=\"invalid value for --log-level: {level}\"");
            return Err(Failure::shown());
        }
    };
    let settings = Settings::of(flags);
    // Before there is anything that would have to be done again.
    let settled = settings.as_ref().map_or(Ok(()), |it| environment::settle(it, args));
    let held = Held::begin()?;
    let guard = log_to(flags, EnvFilter::new(filter))?;
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!(target: SCOPE, fatal = true, "Failed to parse flags: {error}");
            drop(guard);
            return Err(Failure::shown());
        }
    };
    if let Err(error) = settled {
        tracing::error!(target: SCOPE, fatal = true, "Fatal error from runtime: {error}");
        drop(guard);
        return Err(Failure::shown());
    }
    let version = run::VERSION;
    tracing::info!(
        target: SCOPE,
        "Starting Dapr Runtime -- version {DAPR_VERSION} -- commit replug-{version}"
    );
    tracing::info!(target: SCOPE, "Log level set to: {}", flags.text("log-level"));
    tracing::warn!(
        target: "dapr.runtime.security",
        "mTLS is disabled. Skipping certificate request and tls validation"
    );
    for not_done in &settings.not_done {
        tracing::warn!(target: SCOPE, "{not_done}");
    }
    if settings.grace.is_none() {
        tracing::warn!(
            target: SCOPE,
            "Graceful shutdown timeout is infinite, will wait indefinitely to shutdown"
        );
    }
    let daprd = Arc::new(Daprd { settings, begun });
    let told = |failure| {
        Daprd::tell_end(&Err(failure));
        Failure::shown()
    };
    run::go(held, || daprd.manner().map_err(told), guard)
}

/// Has the log go where the flags say, in daprd's form.
fn log_to(flags: &Flags, filter: EnvFilter) -> Result<LogGuard, Failure> {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let line = DaprdLine {
        json: flags.on("log-as-json"),
        app_id: flags.text("app-id").to_owned(),
        instance: hostname.trim().to_owned(),
        version: DAPR_VERSION,
    };
    let set = |failed: tracing::subscriber::SetGlobalDefaultError| Failure::failed(failed);
    Ok(match flags.text("log-file") {
        "" => {
            let (subscriber, guard) = subscriber_as(io::stdout, line, filter);
            tracing::subscriber::set_global_default(subscriber).map_err(set)?;
            guard
        }
        file => {
            let opened = OpenOptions::new().create(true).append(true).open(file);
            let opened =
                opened.map_err(|error| Failure::failed(format!("--log-file {file}: {error}")))?;
            let (subscriber, guard) = subscriber_as(Arc::new(opened), line, filter);
            tracing::subscriber::set_global_default(subscriber).map_err(set)?;
            guard
        }
    })
}

// === impl Daprd ===

impl Daprd {
    fn manner(self: &Arc<Self>) -> Result<Manner, Failure> {
        let (plan, told) = plan::plan(&self.settings).map_err(Failure::failed)?;
        self.tell_configuration(&plan);
        tracing::info!(target: SCOPE, "standalone mode configured");
        tracing::info!(target: SCOPE, "app id: {}", self.settings.app_id);
        Ok(Manner {
            source: plan::source(self.settings.clone()),
            metrics: self.settings.metrics.map(ListenAddress::from),
            config: plan.file.clone(),
            plan,
            told,
            daprd: Some(self.clone()),
        })
    }

    /// What of the API is particular to daprd.
    pub(crate) fn api(&self, plan: &Plan, api: &mut ApiSettings) {
        DAPR_VERSION.clone_into(&mut api.runtime_version);
        api.read_buffer = self.settings.read_buffer;
        api.cors.clone_from(&self.settings.cors);
        api.public = self.settings.public.map(ListenAddress::from).into_iter().collect();
        api.h2c = !std::env::var("DAPR_HTTP_DISABLE_H2C").is_ok_and(|off| truthy(&off));
        api.more_queries = false;
        let off = plan.configuration.tracing_off;
        api.traces = if off { Traces::Ignored } else { Traces::Told };
        let logging = &plan.configuration.api_logging;
        let logs = self.settings.api_logging.or(logging.enabled).unwrap_or_default();
        api.call_log = logs.then_some(ApiCallLog {
            operations: logging.obfuscate_urls,
            omit_health_checks: logging.omit_health_checks,
        });
        api.features = features(&plan.configuration);
    }

    /// Says what of the Configuration is said.
    pub(crate) fn tell_configuration(&self, plan: &Plan) {
        let on = features(&plan.configuration).join(" ");
        tracing::info!(target: SCOPE, "Enabled features: {on}");
        if self.settings.metrics.is_some() && plan.configuration.metrics.enabled {
            metric_spec::tell(&plan.configuration);
        }
    }

    /// Has the plan keep what is replug's own apart from another of the application. Whether it does
    /// now.
    pub(crate) fn part(plan: &mut Plan) -> bool {
        plan::part(plan)
    }

    /// How long calls that are under way have to end.
    pub(crate) fn grace(&self) -> Duration {
        /// As long as nobody would wait.
        const WITHOUT_END: Duration = Duration::from_secs(365 * 24 * 3600);
        self.settings.grace.unwrap_or(WITHOUT_END)
    }

    /// Makes every component of the plan.
    pub(crate) async fn load(
        plan: Plan,
        registry: Arc<Registry>,
        telemetry: Option<Arc<Telemetry>>,
    ) -> Result<(), Failure> {
        load::load(plan, registry, telemetry).await.map_err(Failure::failed)
    }

    /// Who tells what reloads make of components.
    pub(crate) fn hearer(registry: Arc<Registry>, telemetry: Option<Arc<Telemetry>>) -> Hearer {
        Hearer::new(move |news| outcome::tell_reloaded(&news, &registry, telemetry.as_deref()))
    }

    /// Says where the APIs listen, in the lines that tools wait for.
    pub(crate) fn tell_listeners(grpc: &[ListenAddress], http: &[ListenAddress]) {
        for address in grpc {
            tracing::info!(
                target: "dapr.runtime.grpc.api",
                "gRPC server listening on {}",
                listening(address)
            );
            tracing::info!(target: SCOPE, "API gRPC server is running on {}", place(address));
        }
        for address in http {
            tracing::info!(
                target: "dapr.runtime.http",
                "HTTP server listening on {}",
                listening(address)
            );
            tracing::info!(target: SCOPE, "HTTP server is running on {}", place(address));
        }
    }

    /// Says which components go, before they do.
    pub(crate) fn tell_components_going(registry: &Registry) {
        for component in registry.components() {
            if component.state == ComponentState::Ready {
                let ComponentStatus { name, component_type, version, .. } = component;
                let log_name = resources::log_name(&name, component_type.as_str(), &version);
                tracing::info!(target: SCOPE, "Shutting down component {log_name}");
            }
        }
    }

    /// Says that there is no application to call.
    pub(crate) fn tell_without_app() {
        tracing::warn!(
            target: "dapr.runtime.channels",
            "App channel is not initialized. Did you configure an app-port?"
        );
    }

    /// Says that everything is there.
    pub(crate) fn tell_initialized(&self) {
        tracing::info!(
            target: SCOPE,
            "dapr initialized. Status: Running. Init Elapsed {}ms",
            self.begun.elapsed().as_millis()
        );
    }

    /// Waits until the application listens.
    pub(crate) async fn await_app(&self, application: &Application) {
        /// How often it is said that it is waited for.
        const SAID: Duration = Duration::from_secs(10);
        let app = &self.settings.app;
        let port = app.port;
        tracing::info!(
            target: SCOPE,
            "application protocol: {}. waiting on port {port}.  This will block until the app is \
             listening on that port.",
            app.protocol
        );
        let mut discovered = std::pin::pin!(application.discovered());
        while tokio::time::timeout(SAID, discovered.as_mut()).await.is_err() {
            tracing::info!(target: SCOPE, "waiting for application to listen on port {port}");
        }
        tracing::info!(target: SCOPE, "application discovered on port {port}");
    }

    /// How long it serves on after a signal to end, where the flags say so.
    pub(crate) fn block_duration(&self) -> Option<Duration> {
        self.settings.block
    }

    /// Serves on for a while after a signal to end, or until the application is not healthy.
    pub(crate) async fn block(block: Duration, application: Option<&Application>) {
        tracing::info!(
            target: SCOPE,
            "Blocking graceful shutdown for {} or until app reports unhealthy...",
            go_duration_text(block)
        );
        let unhealthy = async {
            let Some(application) = application else { return std::future::pending().await };
            // Its other end is held by the application.
            let _ = application.state().wait_for(|state| *state != AppState::Healthy).await;
        };
        let why = tokio::select! {
            () = tokio::time::sleep(block) => "Block shutdown period expired",
            () = unhealthy => "App reported unhealthy",
        };
        tracing::info!(target: SCOPE, "{why}, entering shutdown...");
    }

    /// Says which signal has come.
    pub(crate) fn tell_signal(signal: &str) {
        tracing::info!(
            target: "dapr.signals",
            "Received signal '{}'; beginning shutdown",
            in_go(signal)
        );
    }

    /// Says that SIGHUP has come.
    pub(crate) fn tell_hangup() {
        tracing::info!(
            target: "dapr.signals",
            "Received signal 'hangup'; reading all files again"
        );
    }

    /// Why it ends when one comes again.
    pub(crate) fn again(signal: &str) -> Failure {
        Failure::failed(format!(
            "Received signal '{}' during shutdown; exiting immediately",
            in_go(signal)
        ))
    }

    /// Why it ends when calls were still under way at the end of their time.
    pub(crate) fn late() -> Failure {
        Failure::failed("Graceful shutdown timeout exceeded, forcing shutdown")
    }

    /// The last line of the log.
    pub(crate) fn tell_end(ended: &Result<(), Failure>) {
        match ended {
            Ok(()) => tracing::info!(target: SCOPE, "Daprd shutdown gracefully"),
            Err(failure) => {
                let why = failure.message().unwrap_or("an error of its own, shown above");
                // These two are no errors of the runtime.
                if why.starts_with("Received signal") || why.starts_with("Graceful shutdown") {
                    tracing::error!(target: SCOPE, fatal = true, "{why}");
                } else {
                    tracing::error!(target: SCOPE, fatal = true, "Fatal error from runtime: {why}");
                }
            }
        }
    }
}

/// What is on.
fn features(configuration: &Configuration) -> Vec<String> {
    let mut on: Vec<_> = FEATURES
        .into_iter()
        .filter(|name| configuration.feature(name, true))
        .map(str::to_owned)
        .collect();
    for (name, enabled) in &configuration.features {
        if *enabled && !name.is_empty() && !on.contains(name) {
            on.push(name.clone());
        }
    }
    on
}

/// The signal, as Go calls it.
fn in_go(signal: &str) -> &'static str {
    if signal == "SIGINT" { "interrupt" } else { "terminated" }
}

fn truthy(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "1" | "t" | "true" | "y" | "yes" | "on")
}

/// `port N`, or the socket.
fn place(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => {
            let port = address.rsplit_once(':').map_or(address.as_str(), |(_, port)| port);
            format!("port {port}")
        }
        ListenAddress::Unix(path) => format!("socket {}", path.display()),
    }
}

/// An address, as Go's servers name it.
fn listening(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => format!("TCP address: {address}"),
        ListenAddress::Unix(path) => format!("UNIX socket: {}", path.display()),
    }
}

/// The command line that `replug daprd` was called with, the program included, and the part of it
/// that is daprd's.
pub(crate) fn called() -> Option<(Vec<OsString>, Vec<OsString>)> {
    let all: Vec<OsString> = std::env::args_os().collect();
    if is_called_daprd(&all) {
        let own = all[1..].to_vec();
        return Some((all, own));
    }
    let is = all.get(1).is_some_and(|command| command == "daprd");
    is.then(|| (all.clone(), all[2..].to_vec()))
}

fn is_called_daprd(args: &[OsString]) -> bool {
    args.first().is_some_and(|program| Path::new(program).file_name() == Some("daprd".as_ref()))
}
