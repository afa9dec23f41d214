//! What everything stands on: sockets, folders, the spawner. It is made anew, or comes from the
//! program before this one.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use replug_runtime::api::{ApiSettings, ApiToken, BindCause, Bound, Given};
use replug_runtime::registry::Registry;
use replug_runtime::subscriptions::Subscriptions;
use replug_supervisor::activation::passed_sockets;
use replug_supervisor::control::{BindError, ControlSocket};
use replug_supervisor::events::{Journal, Kind, about};
use replug_supervisor::notify::Notify;
use replug_supervisor::output::{HandedPrintouts, PluginLog, PluginLogEnd};
use replug_supervisor::plan::{Diagnostic, Plan};
use replug_supervisor::plugin::Handed;
use replug_supervisor::process::warden::WardenCommand;
use replug_supervisor::process::{Spawner, Summons};
use replug_supervisor::reload::Source;
use replug_supervisor::sockets::{RunFolder, SocketWatch};
use replug_supervisor::supervisor::Supervisor;
use replug_supervisor::upgrade::{self, Estate, Luggage};

use super::{Manner, VERSION, addresses};
use crate::daprd::Daprd;
use crate::exit::Failure;
use crate::metrics::Metrics;

/// Where this program comes from.
pub(super) enum Origin {
    /// Somebody has started it, perhaps with sockets that are open already.
    Started(Vec<Given>),
    /// Another replug has executed it in its own place.
    Succeeds(Box<(Estate, Luggage)>),
}

/// What everything stands on. It outlives an attempt at having another program take over.
pub(super) struct House {
    pub(super) plan: Plan,
    /// What has been told of it.
    pub(super) told: Vec<Diagnostic>,
    /// The plan's file.
    pub(super) config: PathBuf,
    /// Where plans come from.
    pub(super) source: Source,
    pub(super) metrics: Metrics,
    /// There where replug is in daprd's place.
    pub(super) daprd: Option<Arc<Daprd>>,
    pub(super) registry: Arc<Registry>,
    pub(super) subscriptions: Subscriptions,
    pub(super) run: Arc<RunFolder>,
    pub(super) control: Arc<ControlSocket>,
    pub(super) watch: SocketWatch,
    pub(super) journal: Journal,
    pub(super) spawner: Spawner,
    pub(super) notify: Arc<Notify>,
    /// replug's own executable.
    pub(super) program: PathBuf,
    pub(super) past: Past,
}

/// What has been in this process until now.
#[derive(Debug, Clone)]
pub(super) struct Past {
    /// When the first program was started.
    pub(super) started: SystemTime,
    /// How often another one has taken over.
    pub(super) upgrades: u64,
    /// How often it was tried, successes included.
    pub(super) attempts: u64,
    /// Why the last try failed; empty where it did not.
    pub(super) failure: String,
}

/// What is to be served and run on the house.
pub(super) struct Furniture {
    pub(super) apis: Bound,
    pub(super) plugins: Plugins,
}

/// Where plugins are gone on with.
pub(super) enum Plugins {
    /// The program before has let go of them.
    Left {
        /// What it has left of them.
        processes: Vec<Handed<OwnedFd>>,
        /// What they have printed.
        printed: HandedPrintouts,
    },
    /// They run, and are let alone.
    Running {
        supervisor: Arc<Supervisor>,
        /// What they have printed.
        log: PluginLog,
        log_end: PluginLogEnd,
    },
}

// === impl Origin ===

impl Origin {
    /// To be called before any thread is started.
    pub(super) fn of_process() -> Result<Self, Failure> {
        let inherited = upgrade::inherited();
        if let Some(inherited) = inherited.map_err(|error| {
            Failure::failed(format!("what the replug before this one has left: {error}"))
        })? {
            return Ok(Self::Succeeds(Box::new(inherited)));
        }
        let passed = passed_sockets();
        let passed =
            passed.map_err(|error| Failure::failed(format!("sockets in LISTEN_FDS: {error}")))?;
        Ok(Self::Started(addresses::passed(passed)))
    }
}

// === impl House ===

impl House {
    /// Everything that can fail without a process having been started comes first.
    pub(super) async fn build(
        manner: Manner,
        origin: Origin,
        summons: Summons,
    ) -> Result<(Self, Furniture), Failure> {
        let Manner { mut plan, told, config, source, metrics, daprd } = manner;
        let lost = |error| Failure::failed(format!("what the replug before has left: {error}"));
        let (given, estate) = match origin {
            Origin::Started(given) => (given, None),
            Origin::Succeeds(inherited) => {
                let (estate, mut luggage) = *inherited;
                let given = addresses::handed(&estate.apis, &mut luggage).map_err(lost)?;
                (given, Some((estate, luggage)))
            }
        };
        let metrics = Metrics::listen(&plan, metrics.as_ref()).map_err(Failure::failed)?;
        let subscriptions = Subscriptions::default();
        let settings = api_settings(&plan, daprd.as_deref(), &metrics, &subscriptions);
        let apis = match &daprd {
            None => Bound::bind_or_take(settings, given).await.map_err(Failure::failed)?,
            Some(_) => bind_in_time(settings).await?,
        };
        let watch = SocketWatch::new();
        let program = this_program()?;
        let mut past =
            Past { started: SystemTime::now(), upgrades: 0, attempts: 0, failure: String::new() };
        let mut plugins = Vec::new();
        let mut journal = Journal::new();
        let mut printed = HandedPrintouts::default();
        let (run, control, heritage) = match estate {
            None => {
                let (run, control) = move_in(&mut plan, daprd.is_some()).await?;
                (run, control, None)
            }
            Some((estate, mut luggage)) => {
                past.started = estate.started;
                past.upgrades = estate.upgrades;
                past.attempts = estate.attempts;
                for plugin in estate.plugins {
                    plugins.push(plugin.with(|ticket| luggage.claim(ticket)).map_err(lost)?);
                }
                journal = Journal::resume(estate.journal);
                printed = estate.printed;
                let follows = format!("replug {VERSION} follows replug {}", estate.version);
                tracing::info!("{follows}");
                journal.record(about("", Kind::Replug, follows));
                let lock = luggage.claim(estate.run.lock).map_err(lost)?;
                let socket = luggage.claim(estate.control.socket).map_err(lost)?;
                (
                    RunFolder::adopt(estate.run.path, lock),
                    ControlSocket::adopt(
                        estate.control.path,
                        socket,
                        plan.runtime.control_group.as_ref(),
                    ),
                    Some(estate.keeping.unpack(&mut luggage).map_err(lost)?),
                )
            }
        };
        let spawner = summons.call(WardenCommand::this_program(), heritage).await;
        let spawner =
            spawner.map_err(|error| Failure::failed(format!("cannot start processes: {error}")))?;
        spawner.remove_on_death(run.path());
        let registry = Arc::new(Registry::new(&plan.runtime.app_id, &namespace()));
        let house = Self {
            registry,
            subscriptions,
            run: Arc::new(run),
            control: Arc::new(control),
            watch,
            journal,
            spawner,
            notify: Arc::new(Notify::from_env()),
            program,
            past,
            plan,
            told,
            config,
            source,
            metrics,
            daprd,
        };
        Ok((house, Furniture { apis, plugins: Plugins::Left { processes: plugins, printed } }))
    }

    /// Has the APIs served as another plan says, whose Configuration is not the present one.
    pub(super) fn follow(&mut self, plan: Plan, apis: &mut Bound) {
        if plan.configuration.metrics != self.plan.configuration.metrics {
            self.metrics.begin_anew(&plan, &self.registry);
        }
        let daprd = self.daprd.as_deref();
        apis.set(api_settings(&plan, daprd, &self.metrics, &self.subscriptions));
        self.plan = plan;
        // Told by who has read it.
        self.told.clear();
    }
}

/// How the APIs are to be served.
fn api_settings(
    plan: &Plan,
    daprd: Option<&Daprd>,
    metrics: &Metrics,
    subscriptions: &Subscriptions,
) -> ApiSettings {
    let telemetry = metrics.telemetry.clone();
    let mut settings = addresses::settings(plan, VERSION, api_token(), telemetry);
    settings.subscriptions = subscriptions.clone();
    if let Some(daprd) = daprd {
        daprd.api(plan, &mut settings);
    }
    settings
}

/// Takes the folder and the socket that are replug's own. In daprd's place there may be another of
/// the application, which has begun in the same moment: then they are beside its.
async fn move_in(plan: &mut Plan, daprd: bool) -> Result<(RunFolder, ControlSocket), Failure> {
    loop {
        let run = RunFolder::open(plan.runtime.plugins_dir()).await.map_err(|error| {
            Failure::failed(format!(
                "{error}: `run_dir` in [runtime] has to be below a folder that replug may write to"
            ))
        })?;
        let group = plan.runtime.control_group.as_ref();
        match ControlSocket::bind(&plan.runtime.control, group).await {
            Ok(control) => return Ok((run, control)),
            Err(BindError::InUse(_)) if daprd && Daprd::part(plan) => {}
            Err(error) => return Err(Failure::failed(error)),
        }
    }
}

/// Binds as daprd does: for as long as a port is another's, it is tried again for a while.
async fn bind_in_time(settings: ApiSettings) -> Result<Bound, Failure> {
    const EVERY: Duration = Duration::from_millis(200);
    const AT_MOST: Duration = Duration::from_secs(10);
    let until = Instant::now() + AT_MOST;
    loop {
        let errors = match Bound::bind(settings.clone()).await {
            Ok(bound) => return Ok(bound),
            Err(errors) => errors,
        };
        let in_use = errors.0.iter().all(|error| matches!(error.cause, BindCause::PortInUse));
        if !in_use || Instant::now() >= until {
            return Err(Failure::failed(format!("could not listen on any endpoint: {errors}")));
        }
        tracing::error!("{errors}; it is tried again");
        tokio::time::sleep(EVERY).await;
    }
}

// === impl House ===

impl House {
    /// Writes down what happens to replug itself, for those who follow the events.
    pub(super) fn record(&self, text: impl Into<String>) {
        self.journal.record(about("", Kind::Replug, text));
    }

    /// Tells where applications call.
    pub(super) fn tell_serving(&self, listeners: &[String]) {
        let (app, places) = (&self.plan.runtime.app_id, listeners.join(", "));
        let serves = format!("replug {VERSION} serves app {app} on {places}");
        tracing::info!("{serves}");
        self.record(serves);
    }

    /// Tells where the metrics are, where somebody wants any.
    pub(super) fn tell_where_metrics_are(&self) {
        if let Some(listening) = &self.metrics.listening {
            let at = listening.address();
            tracing::info!(target: "dapr.runtime", "metrics server started on {at}/");
        }
    }

    /// Serves the metrics, where somebody wants any.
    pub(super) async fn measure(&self, supervisor: &Arc<Supervisor>) -> Infallible {
        let Some(listening) = &self.metrics.listening else {
            return std::future::pending().await;
        };
        let (supervisor, registry) = (supervisor.clone(), self.registry.clone());
        listening.serve(self.metrics.telemetry.clone(), supervisor, registry).await
    }
}

/// The token that applications have to show, as Dapr names its variable.
fn api_token() -> Option<ApiToken> {
    std::env::var("DAPR_API_TOKEN").ok().as_deref().and_then(ApiToken::new)
}

/// The namespace of `keyPrefix = "namespace"`, as Dapr names its variable.
fn namespace() -> String {
    std::env::var("NAMESPACE").unwrap_or_default()
}

/// replug's own executable, which serves built-ins in processes of their own too.
fn this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::failed(format!("cannot find replug's own executable: {error}")))
}
