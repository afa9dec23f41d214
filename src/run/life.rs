//! From the first plugin started to the last one stopped, or to another program that takes over.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use replug_runtime::api::{Bound, Ending, ListenAddress, Phase, ShutdownRequest};
use replug_runtime::app::{AppSettings, Application};
use replug_runtime::registry::Registry;
use replug_runtime::subscriptions::Subscriptions;
use replug_supervisor::control::{About, UpgradeDesk};
use replug_supervisor::notify::Notify;
use replug_supervisor::output::{PluginLog, PluginLogEnd};
use replug_supervisor::plan::Plan;
use replug_supervisor::plugin::task::Surroundings;
use replug_supervisor::process::Summons;
use replug_supervisor::reload::{Reload, Reloader};
use replug_supervisor::supervisor::Supervisor;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::delivering::{self, Deliveries};
use super::failed;
use super::house::{Furniture, House, Origin};
use super::signals::{Signals, Stop};
use super::slim::keep_slim;
use super::succession::{self, Heir};
use super::{GRACE, Manner, VERSION, addresses};
use crate::daprd::Daprd;
use crate::exit::Failure;

/// How long the answer to a request to stop at once has to leave, as in Dapr.
const LAST_ANSWER: Duration = Duration::from_millis(100);

/// How long what is delivered may take to be answered while the end is put off, as in Dapr.
const DRAIN: Duration = Duration::from_secs(30);

/// Why the first process of a container ends by itself.
const ALL_FAILED: &str = "every plugin has failed for good and no component can be used";

/// How long the supervisor may take to go on with what runs, before what it has left is ended.
const TAKEN_UP: Duration = Duration::from_secs(60);

/// Serves until told to stop.
pub(super) async fn serve(
    manner: Manner,
    origin: Origin,
    mut signals: Signals,
    summons: Summons,
) -> Result<(), Failure> {
    let (mut house, mut furniture) = House::build(manner, origin, summons).await?;
    let (plan, registry) = (house.plan.clone(), house.registry.clone());
    let mut declaring = Some(if house.daprd.is_some() {
        Daprd::load(plan, registry, house.metrics.telemetry.clone()).boxed()
    } else {
        declare(plan, registry).boxed()
    });
    loop {
        let life = Life::begin(&house, furniture, &mut declaring)?;
        let (mut life, why) = life.go_on(&house, &mut signals, &mut declaring).await;
        let heir = match why {
            Why::Asked { at_once, signal } => {
                let daprd = house.daprd.as_ref().filter(|_| signal);
                if let Some(block) = daprd.and_then(|daprd| daprd.block_duration()) {
                    // Callers are served on meanwhile, and told that it is about to end. Nothing
                    // new is delivered.
                    life.health.reached(Phase::Stopping);
                    let (application, supervisor) =
                        (life.application.clone(), life.supervisor.clone());
                    let leaving = async {
                        life.leave(&house.registry, DRAIN).await;
                        std::future::pending::<()>().await;
                    };
                    let going_on = async {
                        tokio::select! {
                            never = measure(&house, &supervisor) => match never {},
                            never = house.notify.keep(&supervisor) => match never {},
                        }
                    };
                    tokio::select! {
                        () = Daprd::block(block, application.as_ref()) => {}
                        () = leaving => {}
                        () = going_on => {}
                        signal = signals.stop.asked() => return Err(Daprd::again(signal)),
                    }
                }
                return stop(house, life, at_once, &mut signals.stop).await;
            }
            Why::Failed(failure) => {
                let stopped = stop(house, life, false, &mut signals.stop).await;
                // Why it ends is why it began to.
                drop(stopped);
                return Err(failure);
            }
            Why::Succeeded(heir) => *heir,
        };
        // Returns where another program has not taken over.
        furniture = match succession::hand_over(&mut house, life, heir, &mut signals.stop).await {
            succession::Outcome::Failed(furniture) => *furniture,
            succession::Outcome::ToStop(life) => {
                return stop(house, *life, false, &mut signals.stop).await;
            }
            succession::Outcome::Stuck(failure) => return Err(failure),
        };
    }
}

/// Components being made.
type Declaring = BoxFuture<'static, Result<(), Failure>>;

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
    health: replug_runtime::api::Health,
    /// The application that is called, where it has a port.
    application: Option<Application>,
    /// What follows the application; it ends with this.
    attending: JoinSet<()>,
    pub(super) deliveries: Deliveries,
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
    reloading: JoinSet<()>,
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
enum Why {
    Asked {
        at_once: bool,
        signal: bool,
    },
    Succeeded(Box<Heir>),
    /// A component could not be made without which there is no use in going on.
    Failed(Failure),
}

// === impl Life ===

impl Life {
    fn begin(
        house: &House,
        furniture: Furniture,
        declaring: &mut Option<Declaring>,
    ) -> Result<Self, Failure> {
        let Furniture { apis, plugins, printed } = furniture;
        let (log, log_end) = PluginLog::start().map_err(Failure::failed)?;
        log.resume(printed, |name| house.plan.plugins.iter().any(|it| it.name == name));
        let listeners = addresses::listeners(&apis);
        let (grpc, http) = (apis.grpc_addresses(), apis.http_addresses());
        let surroundings = Surroundings {
            registry: house.registry.clone(),
            spawner: house.spawner.clone(),
            log: log.clone(),
            journal: house.journal.clone(),
            watch: house.watch.clone(),
            run: house.run.clone(),
            replug: house.program.clone(),
        };
        let supervisor = Arc::new(Supervisor::go_on(&house.plan, &surroundings, plugins));
        // Callers find every component, usable or not, from the first call on; but the plugins have
        // said before which types they keep for themselves.
        if let Some(declared) = declaring
            && let Some(done) = declared.now_or_never()
        {
            *declaring = None;
            done?;
        }

        let application =
            AppSettings { max_body: house.plan.runtime.max_message, ..house.plan.app.clone() };
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
        let health = apis.health();
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
    async fn go_on(
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
                tell_serving(house, listeners);
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
            tell_where_metrics_are(house);
            tokio::select! {
                never = end_what_nobody_took(house, supervisor) => match never {},
                never = measure(house, supervisor) => match never {},
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
            () = failed::everything(supervisor, &house.registry) => {
                tracing::error!("{ALL_FAILED}: stopping");
                house.record(format!("stopping: {ALL_FAILED}"));
                Why::Failed(Failure::all_failed(ALL_FAILED))
            }
            never = reload_on(hangup, reload) => match never {},
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

    /// Nothing more is delivered to the application, for good.
    async fn leave(&mut self, registry: &Registry, grace: Duration) {
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

/// Ends the processes of an earlier program that this one does not know, once it knows its own.
async fn end_what_nobody_took(house: &House, supervisor: &Supervisor) -> Infallible {
    // Whoever answers has taken what is its own.
    if house.past.attempts > 0 && supervisor.answers(TAKEN_UP).await.is_ok() {
        house.spawner.end_unclaimed();
    }
    std::future::pending().await
}

fn tell_serving(house: &House, listeners: &[String]) {
    let (app, places) = (&house.plan.runtime.app_id, listeners.join(", "));
    let serves = format!("replug {VERSION} serves app {app} on {places}");
    tracing::info!("{serves}");
    house.record(serves);
}

fn tell_where_metrics_are(house: &House) {
    if let Some(listening) = &house.metrics.listening {
        let at = listening.address();
        tracing::info!(target: "dapr.runtime", "metrics server started on {at}/");
    }
}

/// Serves the metrics, where somebody wants any.
async fn measure(house: &House, supervisor: &Arc<Supervisor>) -> Infallible {
    let Some(listening) = &house.metrics.listening else {
        return std::future::pending().await;
    };
    let (supervisor, registry) = (supervisor.clone(), house.registry.clone());
    listening.serve(house.metrics.telemetry.clone(), supervisor, registry).await
}

/// Stops everything: callers, then plugins, then what everything stood on.
async fn stop(house: House, mut life: Life, at_once: bool, stop: &mut Stop) -> Result<(), Failure> {
    house.notify.stopping().await;
    if at_once {
        // The application's own answer is on its way; nothing tells when it has left.
        tokio::time::sleep(LAST_ANSWER).await;
        return Err(Failure::failed("stopped at once, as an application asked"));
    }
    let daprd = house.daprd.clone();
    let grace = daprd.as_ref().map_or(GRACE, |daprd| daprd.grace());
    let stopping = async {
        // Nothing is changed any more; whoever waits for a reload is told so.
        life.reloading.shutdown().await;
        // The application may call while it handles what it was given.
        life.leave(&house.registry, grace).await;
        life.attending.shutdown().await;
        if daprd.is_some() {
            tracing::info!(target: "dapr.runtime", "Dapr is shutting down");
        }
        let begun = Instant::now();
        life.end_apis(Ending::Stop { grace }).await;
        if daprd.is_some() {
            Daprd::tell_components_going(&house.registry);
        }
        let late = begun.elapsed() >= grace;
        life.supervisor.stop().await;
        life.end_control().await;
        drop((life.supervisor, life.log));
        house.spawner.finish().await;
        drop(house);
        life.log_end.written().await;
        late
    };
    tokio::select! {
        late = stopping => match &daprd {
            Some(_) if late => Err(Daprd::late()),
            Some(_) => {
                tracing::info!(target: "dapr.runtime", "Dapr runtime stopped");
                Ok(())
            }
            None => {
                tracing::info!("stopped");
                Ok(())
            }
        },
        // The kernel and the warden kill what is left.
        signal = stop.asked() => Err(match &daprd {
            Some(_) => Daprd::again(signal),
            None => Failure::failed(format!("{signal} once more: stopped at once")),
        }),
    }
}

/// Declares every component of the plan. One that cannot be made is told of and left out; the
/// others do not suffer for it.
async fn declare(plan: Plan, registry: Arc<Registry>) -> Result<(), Failure> {
    let declared = plan.components.iter().map(|spec| registry.declare(spec.clone()));
    for error in join_all(declared).await.into_iter().filter_map(Result::err) {
        tracing::error!("{error}");
    }
    Ok(())
}

/// Has those subscriptions declared that are in the plan, whenever a reload has made another of it.
async fn declare_subscriptions(mut plan: watch::Receiver<Plan>, subscriptions: Subscriptions) {
    while plan.changed().await.is_ok() {
        subscriptions.declare(plan.borrow_and_update().subscriptions());
    }
}

/// Has the plan read again whenever SIGHUP asks for it. Those that come meanwhile are taken as one.
/// What comes of it is in the log.
async fn reload_on(hangup: &mut Signal, reload: &Reload) -> std::convert::Infallible {
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: plugins.toml is read again");
        // Told by whoever does it.
        let _ = reload.ask(false).await;
    }
    // No signal comes any more.
    std::future::pending().await
}

/// Tells in the log how the plugins stand, whenever SIGUSR1 asks for it.
async fn tell_on(asked: &mut Signal, supervisor: &Supervisor) -> std::convert::Infallible {
    while asked.recv().await.is_some() {
        tracing::info!("SIGUSR1: {}", Notify::summary(supervisor));
    }
    // No signal comes any more.
    std::future::pending().await
}

async fn told(mut ended: watch::Receiver<bool>) {
    // An error means that whoever would tell is gone, which is an end as well.
    let _ = ended.wait_for(|ended| *ended).await;
}
