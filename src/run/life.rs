//! All that runs on a house, from its beginning until something ends it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use replug_runtime::api::{
    Bound, Ending, Health, LastCalls, ListenAddress, Phase, ShutdownRequest,
};
use replug_runtime::app::{AppSettings, Application};
use replug_runtime::registry::Registry;
use replug_supervisor::control::{About, UpgradeDesk};
use replug_supervisor::output::{PluginLog, PluginLogEnd};
use replug_supervisor::plan::Plan;
use replug_supervisor::plugin::task::Surroundings;
use replug_supervisor::reload::{Reload, Reloader};
use replug_supervisor::supervisor::Supervisor;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::delivering::{self, Deliveries};
use super::failed;
use super::following::{declare_subscriptions, reload_on, tell_on};
use super::house::{Furniture, House, Plugins};
use super::reconfiguring;
use super::serving::Declaring;
use super::signals::Signals;
use super::slim::keep_slim;
use super::succession::{self, Heir};
use super::{GRACE, VERSION, addresses};
use crate::daprd::Daprd;
use crate::exit::Failure;

/// Why the first process of a container ends by itself.
const ALL_FAILED: &str = "every plugin has failed for good and no component can be used";

/// How long the supervisor may take to go on with what runs, before what it has left is ended.
const TAKEN_UP: Duration = Duration::from_secs(60);

/// All that runs on a house.
pub(super) struct Life {
    pub(super) supervisor: Arc<Supervisor>,
    /// What plugins have printed.
    pub(super) log: PluginLog,
    pub(super) log_end: PluginLogEnd,
    /// Where applications call, for people.
    listeners: Vec<String>,
    grpc: Vec<ListenAddress>,
    http: Vec<ListenAddress>,
    pub(super) health: Health,
    /// The application that is called, where it has a port.
    pub(super) application: Option<Application>,
    /// What follows the application; it ends with this.
    pub(super) attending: JoinSet<()>,
    pub(super) deliveries: Deliveries,
    /// Lets callers over HTTP/1.1 go.
    last_calls: LastCalls,
    /// Says how serving the APIs ends.
    end: Option<oneshot::Sender<Ending>>,
    /// None once its end has been seen.
    apis: Option<JoinHandle<Option<Bound>>>,
    end_control: watch::Sender<bool>,
    /// None once its end has been seen.
    control: Option<JoinHandle<()>>,
    /// Where reloads are asked for.
    reload: Reload,
    /// They are done while this is held.
    end_reloads: Option<oneshot::Sender<()>>,
    pub(super) reloading: JoinSet<()>,
    /// The plan that everything follows now, as reloads have made it.
    pub(super) present: watch::Receiver<Plan>,
    /// What applications ask over the shutdown API.
    requested: mpsc::Receiver<ShutdownRequest>,
    /// Programs that are to take over, as asked over the control API.
    upgrades: mpsc::Receiver<replug_supervisor::upgrade::Request>,
}

/// What is told of replug itself.
fn about(
    house: &House,
    listeners: Vec<String>,
    application: Option<Application>,
    requests: mpsc::Sender<replug_supervisor::upgrade::Request>,
) -> About {
    About {
        version: VERSION.to_owned(),
        app_id: house.plan.runtime.app_id.clone(),
        listeners,
        application,
        started: house.past.started,
        upgrade: UpgradeDesk {
            upgrades: house.past.upgrades,
            attempts: house.past.attempts,
            failure: house.past.failure.clone(),
            requests,
        },
    }
}

/// Why a life is over.
pub(super) enum Why {
    Asked {
        at_once: bool,
        signal: bool,
    },
    Succeeded(Box<Heir>),
    /// The plan has another Configuration.
    Reconfigured,
    /// A component could not be made without which there is no use in going on.
    Failed(Failure),
}

// === impl Life ===

impl Life {
    pub(super) fn begin(
        house: &House,
        furniture: Furniture,
        declaring: &mut Option<Declaring>,
    ) -> Result<Self, Failure> {
        let Furniture { apis, plugins } = furniture;
        let listeners = addresses::listeners(&apis);
        let (grpc, http) = (apis.grpc_addresses(), apis.http_addresses());
        let (supervisor, log, log_end) = supervised(house, plugins)?;
        // Callers find every component, usable or not, from the first call on; but the plugins have
        // said before which types they keep for themselves.
        if let Some(declared) = declaring
            && let Some(done) = declared.now_or_never()
        {
            *declaring = None;
            done?;
        }

        let application = AppSettings {
            max_body: house.plan.runtime.max_message,
            traces: !house.plan.configuration.tracing_off,
            ..house.plan.app.clone()
        };
        let telemetry = house.metrics.telemetry.clone();
        let application = Application::new(&house.plan.runtime.app_id, application, telemetry);
        let mut attending = JoinSet::new();
        if let Some(application) = application.clone() {
            attending.spawn(async move { match application.attend().await {} });
        }
        house.subscriptions.declare(house.plan.subscriptions());
        let deliveries = application.as_ref().map(|it| Deliveries::begin(house, it));
        let deliveries = deliveries.unwrap_or_default();

        let (end, ended) = oneshot::channel();
        let (requests, requested) = mpsc::channel(1);
        let (health, last_calls) = (apis.health(), apis.last_calls());
        let ending = async { ended.await.unwrap_or(Ending::Stop { grace: GRACE }) };
        let apis = tokio::spawn(apis.serve(house.registry.clone(), requests, ending));

        let (reloader, reload) = Reloader::new(
            house.plan.clone(),
            house.told.clone(),
            house.source.clone(),
            house.watch.clone(),
            supervisor.clone(),
            house.registry.clone(),
            house.notify.clone(),
        );
        let reloader = match &house.daprd {
            Some(_) => {
                let telemetry = house.metrics.telemetry.clone();
                reloader.heard_by(Daprd::hearer(house.registry.clone(), telemetry))
            }
            None => reloader,
        };
        let present = reloader.present();
        attending.spawn(declare_subscriptions(present.clone(), house.subscriptions.clone()));
        let (end_reloads, reloads_end) = oneshot::channel();
        let mut reloading = JoinSet::new();
        reloading.spawn(reloader.run(reloads_end));

        let (end_control, control_ended) = watch::channel(false);
        let (ask_upgrade, upgrades) = mpsc::channel(1);
        let about = about(house, listeners.clone(), application.clone(), ask_upgrade);
        let (socket, answering, known) =
            (house.control.clone(), supervisor.clone(), house.registry.clone());
        let reloads = reload.clone();
        let printed = log.clone();
        let control = tokio::spawn(async move {
            let ended = told(control_ended);
            let served = socket.serve(about, answering, known, printed, reloads, ended).await;
            if let Err(error) = served {
                tracing::error!("nobody can ask for the status any more: {error}");
            }
        });
        Ok(Self {
            supervisor,
            log,
            log_end,
            listeners,
            grpc,
            http,
            health,
            application,
            attending,
            deliveries,
            last_calls,
            end: Some(end),
            apis: Some(apis),
            end_control,
            control: Some(control),
            reload,
            end_reloads: Some(end_reloads),
            reloading,
            present,
            requested,
            upgrades,
        })
    }

    /// Runs until something ends it.
    pub(super) async fn go_on(
        mut self,
        house: &House,
        signals: &mut Signals,
        declaring: &mut Option<Declaring>,
    ) -> (Self, Why) {
        let Self {
            supervisor,
            health,
            listeners,
            grpc,
            http,
            application,
            requested,
            upgrades,
            reload,
            present,
            ..
        } = &mut self;
        let (supervisor, application) = (&*supervisor, application.as_ref());
        // Raced against the signals as a whole: a component that takes for ever to be made keeps
        // nobody from stopping replug.
        let running = async {
            let serving = async {
                if let Some(declared) = declaring {
                    let declared = declared.await;
                    *declaring = None;
                    if let Err(failure) = declared {
                        return failure;
                    }
                }
                if house.daprd.is_some() {
                    Daprd::tell_listeners(grpc, http);
                }
                health.reached(Phase::OutboundReady);
                if application.is_none() {
                    health.reached(Phase::Ready);
                }
                house.tell_serving(listeners);
                let notifying = async {
                    // The application may be started after replug, and even wait for it.
                    house.notify.ready(supervisor).await;
                    match house.notify.keep(supervisor).await {}
                };
                let discovering = async {
                    if let Some(application) = application {
                        delivering::there(house, application).await;
                        health.reached(Phase::Ready);
                        tracing::info!("the application is there: replug is ready");
                    } else if house.daprd.is_some() {
                        Daprd::tell_without_app();
                    }
                    if let Some(daprd) = &house.daprd {
                        daprd.tell_initialized();
                    }
                    std::future::pending().await
                };
                tokio::select! {
                    never = notifying => never,
                    never = discovering => never,
                }
            };
            house.tell_where_metrics_are();
            tokio::select! {
                never = end_what_nobody_took(house, supervisor) => match never {},
                never = house.measure(supervisor) => match never {},
                never = keep_slim(supervisor) => match never {},
                failure = serving => failure,
            }
        };
        let Signals { stop, upgrade, reload: hangup, tell } = signals;
        let why = tokio::select! {
            signal = stop.asked() => {
                if house.daprd.is_some() {
                    Daprd::tell_signal(signal);
                } else {
                    tracing::info!("{signal}: stopping");
                }
                house.record(format!("stopping: {signal}"));
                Why::Asked { at_once: false, signal: true }
            }
            request = requested.recv() => {
                tracing::info!("stopping: an application asked for it");
                house.record("stopping: an application asked for it");
                Why::Asked { at_once: request == Some(ShutdownRequest::AtOnce), signal: false }
            }
            heir = succession::sought(house, upgrades, upgrade) => {
                Why::Succeeded(Box::new(heir))
            }
            failure = running => Why::Failed(failure),
            () = reconfiguring::asked(present, &house.plan) => Why::Reconfigured,
            () = failed::everything(supervisor, &house.registry) => {
                tracing::error!("{ALL_FAILED}: stopping");
                house.record(format!("stopping: {ALL_FAILED}"));
                Why::Failed(Failure::all_failed(ALL_FAILED))
            }
            never = reload_on(hangup, reload, house.daprd.is_some()) => match never {},
            never = tell_on(tell, supervisor) => match never {},
        };
        (self, why)
    }

    /// Has the reload that is under way end, and none begin.
    pub(super) async fn end_reloads(&mut self) {
        self.end_reloads = None;
        while self.reloading.join_next().await.is_some() {}
    }

    /// Ends the APIs in this way, and gives what they listen on where somebody goes on with it.
    pub(super) async fn end_apis(&mut self, ending: Ending) -> Option<Bound> {
        if let Some(end) = self.end.take() {
            // If they have ended by themselves nobody is told.
            let _ = end.send(ending);
        }
        let bound = self.apis.as_mut()?.await;
        self.apis = None;
        bound.ok().flatten()
    }

    /// Ends callers and deliveries, for others who go on with them, and gives what the APIs listen on.
    pub(super) async fn fall_silent(&mut self, drain: Duration) -> Option<Bound> {
        self.end_reloads().await;
        self.end_control().await;
        // While everything goes on.
        self.last_calls.over(drain).await;
        self.deliveries.hand_over(drain).await;
        self.end_apis(Ending::HandOver { grace: drain }).await
    }

    /// Nothing more is delivered to the application, for good.
    pub(super) async fn leave(&mut self, registry: &Registry, grace: Duration) {
        self.deliveries.leave(registry, grace).await;
        if self.application.is_some() {
            tracing::info!("nothing more is delivered to the application");
        }
    }

    /// Ends the control API; whoever does not take the answer is cut off after a moment.
    pub(super) async fn end_control(&mut self) {
        self.end_control.send_replace(true);
        if let Some(control) = &mut self.control {
            // Its error has been told by itself.
            let _ = control.await;
            self.control = None;
        }
    }
}

/// What runs the plugins from now on, with what they print.
fn supervised(
    house: &House,
    plugins: Plugins,
) -> Result<(Arc<Supervisor>, PluginLog, PluginLogEnd), Failure> {
    let (processes, printed) = match plugins {
        Plugins::Running { supervisor, log, log_end } => return Ok((supervisor, log, log_end)),
        Plugins::Left { processes, printed } => (processes, printed),
    };
    let (log, log_end) = PluginLog::start().map_err(Failure::failed)?;
    log.resume(printed, |name| house.plan.plugins.iter().any(|it| it.name == name));
    let surroundings = Surroundings {
        registry: house.registry.clone(),
        spawner: house.spawner.clone(),
        log: log.clone(),
        journal: house.journal.clone(),
        watch: house.watch.clone(),
        run: house.run.clone(),
        replug: house.program.clone(),
    };
    let supervisor = Arc::new(Supervisor::go_on(&house.plan, &surroundings, processes));
    Ok((supervisor, log, log_end))
}

/// Ends the processes of an earlier program that this one does not know, once it knows its own.
async fn end_what_nobody_took(house: &House, supervisor: &Supervisor) -> Infallible {
    // Whoever answers has taken what is its own.
    if house.past.attempts > 0 && supervisor.answers(TAKEN_UP).await.is_ok() {
        house.spawner.end_unclaimed();
    }
    std::future::pending().await
}

async fn told(mut ended: watch::Receiver<bool>) {
    // An error means that whoever would tell is gone, which is an end as well.
    let _ = ended.wait_for(|ended| *ended).await;
}
