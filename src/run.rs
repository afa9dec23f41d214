//! `replug run`: everything together, from the plan to the last process reaped.
//!
//! The order of the start: what can fail without a process having been started comes first. The
//! order of the end: callers, then plugins, then what everything stood on.
//!
//! The main thread starts, signals and reaps processes, and is the only one that signals reach;
//! [`Seat`] says why. Everything else is on other threads.

mod addresses;
mod signals;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use replug_runtime::api::{ApiToken, Bound, Ending, Phase, ShutdownRequest};
use replug_runtime::registry::Registry;
use replug_supervisor::activation::{PassedSocket, passed_sockets};
use replug_supervisor::control::{About, ControlSocket};
use replug_supervisor::events::Journal;
use replug_supervisor::notify::Notify;
use replug_supervisor::output::PluginLog;
use replug_supervisor::output::log::{Format, subscriber};
use replug_supervisor::plan::Plan;
use replug_supervisor::plugin::task::Surroundings;
use replug_supervisor::process::warden::WardenCommand;
use replug_supervisor::process::{
    Seat, Summons, adopt_orphans, hold_signals, let_signals_go, raise_open_files,
};
use replug_supervisor::sockets::{RunFolder, SocketWatch};
use replug_supervisor::supervisor::Supervisor;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

use self::signals::Stop;
use crate::check::load;
use crate::cli::RunArgs;
use crate::colour;
use crate::exit::Failure;

/// How long calls under way have when replug is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// How long the answer to a request to stop at once has to leave, as in Dapr.
const LAST_ANSWER: Duration = Duration::from_millis(100);

/// Threads for blocking work, such as making a folder. Each makes every start of a process longer,
/// since the kernel copies what it maps; a thousand plugins that start at once are served as well by
/// a few. More than the one or two that work at a time, so that a disk that hangs holds up nobody
/// else.
const BLOCKING_THREADS: usize = 32;

/// What `runtimeVersion` and `replug status` say.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs until told to stop.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    // Before any thread is started.
    hold_signals();
    let passed = passed_sockets();
    let passed =
        passed.map_err(|error| Failure::failed(format!("sockets in LISTEN_FDS: {error}")))?;
    let plan = load(&args.config.config)?;
    let filter = EnvFilter::try_new(&args.log)
        .map_err(|error| Failure::failed(format!("--log {}: {error}", args.log)))?;
    let format = if args.log_json { Format::Json } else { Format::Text };
    let colours = colour::wanted(&io::stderr());
    let (subscriber, guard) = subscriber(io::stderr, format, colours, filter);
    tracing::subscriber::set_global_default(subscriber).map_err(Failure::failed)?;

    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(BLOCKING_THREADS).build();
    let runtime =
        runtime.map_err(|error| Failure::failed(format!("cannot start its threads: {error}")))?;
    let stop = {
        let _entered = runtime.enter();
        Stop::listen().map_err(Failure::failed)?
    };
    let_signals_go();
    let (seat, summons) = Seat::new();
    let (done, is_done) = oneshot::channel();
    let rest = thread::Builder::new().name("replug-rest".into()).spawn(move || {
        let result = runtime.block_on(serve(&plan, passed, stop, summons));
        // What is left is blocking work without an owner who waits, such as a folder being removed.
        runtime.shutdown_timeout(GRACE);
        // The main thread waits for it.
        let _ = done.send(result);
    });
    rest.map_err(|error| Failure::failed(format!("cannot start its threads: {error}")))?;
    let done = seat.serve_until(is_done);
    // Writes what waits to be written.
    drop(guard);
    done.unwrap_or_else(|| Err(Failure::failed("an error of replug's own, shown above")))
}

async fn serve(
    plan: &Plan,
    passed: Vec<PassedSocket>,
    mut stop: Stop,
    summons: Summons,
) -> Result<(), Failure> {
    prepare_itself();
    let settings = addresses::settings(plan, VERSION, api_token());
    let apis = Bound::bind_or_take(settings, addresses::given(passed)).await;
    let apis = apis.map_err(Failure::failed)?;
    let run = RunFolder::open(plan.runtime.plugins_dir()).await.map_err(|error| {
        Failure::failed(format!(
            "{error}: `run_dir` in [runtime] has to be below a folder that replug may write to"
        ))
    })?;
    let control = ControlSocket::bind(&plan.runtime.control, plan.runtime.control_group.as_ref());
    let control = control.await.map_err(Failure::failed)?;
    let watch = SocketWatch::new();
    let (log, log_end) = PluginLog::start().map_err(Failure::failed)?;
    let spawner = summons.call(WardenCommand::this_program(), None).await;
    let spawner =
        spawner.map_err(|error| Failure::failed(format!("cannot start processes: {error}")))?;
    spawner.remove_on_death(run.path());

    let listeners = addresses::listeners(&apis);
    let registry = Arc::new(Registry::new(&plan.runtime.app_id, &namespace()));
    let surroundings = Surroundings {
        registry: registry.clone(),
        spawner: spawner.clone(),
        log,
        journal: Journal::new(),
        watch,
        run: Arc::new(run),
        replug: this_program()?,
    };
    let supervisor = Arc::new(Supervisor::start(plan, &surroundings));
    drop(surroundings);

    let (end, ended) = oneshot::channel();
    let (requests, mut requested) = mpsc::channel(1);
    let health = apis.health();
    let mut serving = JoinSet::new();
    let end_of_apis = async { ended.await.unwrap_or(Ending::Stop { grace: GRACE }) };
    serving.spawn(apis.serve(registry.clone(), requests, end_of_apis));
    let (end_control, control_ended) = watch::channel(false);
    let about = About {
        version: VERSION.to_owned(),
        app_id: plan.runtime.app_id.clone(),
        listeners: listeners.clone(),
    };
    let (answering, known) = (supervisor.clone(), registry.clone());
    let control = tokio::spawn(async move {
        let served = control.serve(about, answering, known, told(control_ended)).await;
        if let Err(error) = served {
            tracing::error!("nobody can ask for the status any more: {error}");
        }
    });

    let notify = Notify::from_env();
    // Raced against the signals as a whole: a component that takes for ever to be made keeps nobody
    // from stopping replug.
    let running = async {
        declare(plan, &registry).await;
        health.reached(Phase::OutboundReady);
        health.reached(Phase::Ready);
        tracing::info!(
            "replug {VERSION} serves app {} on {}",
            plan.runtime.app_id,
            listeners.join(", ")
        );
        notify.ready(&supervisor).await;
        notify.keep(&supervisor).await
    };
    let at_once = tokio::select! {
        signal = stop.asked() => {
            tracing::info!("{signal}: stopping");
            false
        }
        request = requested.recv() => {
            tracing::info!("stopping: an application asked for it");
            request == Some(ShutdownRequest::AtOnce)
        }
        never = running => match never {},
    };
    notify.stopping().await;
    if at_once {
        // The application's own answer is on its way; nothing tells when it has left.
        tokio::time::sleep(LAST_ANSWER).await;
        return Err(Failure::failed("stopped at once, as an application asked"));
    }
    let stopping = async {
        // If they have ended by themselves nobody is told.
        let _ = end.send(Ending::Stop { grace: GRACE });
        while serving.join_next().await.is_some() {}
        supervisor.stop().await;
        end_control.send_replace(true);
        // Its error has been told by itself.
        let _ = control.await;
        drop(supervisor);
        spawner.finish().await;
        log_end.written().await;
    };
    tokio::select! {
        () = stopping => {
            tracing::info!("stopped");
            Ok(())
        }
        // The kernel and the warden kill what is left.
        signal = stop.asked() => Err(Failure::failed(format!("{signal} once more: stopped at once"))),
    }
}

/// Asks the kernel for what replug needs as a process. It runs without either too.
fn prepare_itself() {
    if let Err(error) = raise_open_files() {
        tracing::warn!("replug may not have more open files than it was started with: {error}");
    }
    if let Err(error) = adopt_orphans() {
        tracing::warn!("what leaves its plugin's group is not found without a cgroup: {error}");
    }
}

/// Declares every component of the plan. One that cannot be made is told of and left out; the
/// others do not suffer for it.
async fn declare(plan: &Plan, registry: &Arc<Registry>) {
    let declared = plan.components.iter().map(|spec| registry.declare(spec.clone()));
    for error in join_all(declared).await.into_iter().filter_map(Result::err) {
        tracing::error!("{error}");
    }
}

async fn told(mut ended: watch::Receiver<bool>) {
    // An error means that whoever would tell is gone, which is an end as well.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// The token that applications have to show, as Dapr names its variable.
fn api_token() -> Option<ApiToken> {
    std::env::var("DAPR_API_TOKEN").ok().as_deref().and_then(ApiToken::new)
}

/// The namespace of `keyPrefix = "namespace"`, as Dapr names its variable.
fn namespace() -> String {
    std::env::var("NAMESPACE").unwrap_or_default()
}

/// The executable that serves built-ins in processes of their own.
fn this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::failed(format!("cannot find replug's own executable: {error}")))
}
