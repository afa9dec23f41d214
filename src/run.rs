//! `replug run`: everything together, from the plan to the last process reaped.
//!
//! The order of the start: what can fail without a process having been started comes first. The
//! order of the end: callers, then plugins, then what everything stood on.
//!
//! The main thread starts, signals and reaps processes, and is the only one that signals reach;
//! [`Seat`] says why. Everything else is on other threads.

mod addresses;
mod delivering;
mod failed;
mod following;
mod house;
mod life;
mod reconfiguring;
mod serving;
mod signals;
mod slim;
mod succession;

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use replug_runtime::api::ListenAddress;
use replug_supervisor::output::log::{
    Format, JOURNAL_STREAM, Look, WorkerGuard, is_journald, subscriber,
};
use replug_supervisor::plan::{Diagnostic, Plan};
use replug_supervisor::process::{
    Seat, adopt_orphans, hold_signals, let_signals_go, raise_open_files,
};
use replug_supervisor::reload::Source;
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

pub(crate) use self::addresses::places;
use self::house::Origin;
use self::signals::Signals;
use crate::check::{load, source};
use crate::cli::RunArgs;
use crate::colour;
use crate::daprd::Daprd;
use crate::exit::Failure;

/// How long calls under way have when replug is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Threads for blocking work, such as making a folder. Each makes every start of a process longer,
/// since the kernel copies what it maps; a thousand plugins that start at once are served as well by
/// a few. More than the one or two that work at a time, so that a disk that hangs holds up nobody
/// else.
const BLOCKING_THREADS: usize = 32;

/// Of so many processors one is replug's.
const PROCESSORS_A_WORKER: usize = 2;

/// Threads that calls are worked on: one for two processors. The others are the plugins' and the
/// application's, without whom replug has nothing to do, and a call that is handed from thread to
/// thread costs a fifth more.
fn workers() -> usize {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (processors / PROCESSORS_A_WORKER).max(1)
}

/// How many of the sockets that something has come for a single worker sees to before it looks at
/// what came meanwhile. What one application has sent goes on to its plugin at once, which works on
/// it while the next socket is seen to; of many together the plugin would have nothing to do until
/// the last was read, and replug nothing until it has answered. Several workers are otherwise, and
/// were not measured.
const EVENTS_OF_ONE_WORKER: usize = 1;

/// What `runtimeVersion` and `replug status` say.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is run, and how.
pub(crate) struct Manner {
    pub(crate) plan: Plan,
    /// What has been told of it already.
    pub(crate) told: Vec<Diagnostic>,
    /// The plan's file.
    pub(crate) config: PathBuf,
    /// Where plans come from from now on.
    pub(crate) source: Source,
    /// Where metrics are served, if anywhere.
    pub(crate) metrics: Option<ListenAddress>,
    /// There where replug is in daprd's place.
    pub(crate) daprd: Option<Arc<Daprd>>,
}

/// What is to be done before any thread is started.
pub(crate) struct Held {
    raised: io::Result<Option<u64>>,
    origin: Origin,
}

impl Held {
    /// Has signals wait, and looks at what this process was started with.
    pub(crate) fn begin() -> Result<Self, Failure> {
        hold_signals();
        Ok(Self { raised: raise_open_files(), origin: Origin::of_process()? })
    }
}

/// Writes what waits to be written when it is dropped.
pub(crate) type LogGuard = WorkerGuard;

/// Runs until told to stop.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let held = Held::begin()?;
    let (plan, told) = load(&args.config.config)?;
    let filter = EnvFilter::try_new(&args.log)
        .map_err(|error| Failure::failed(format!("--log {}: {error}", args.log)))?;
    let format = if args.log_json { Format::Json } else { Format::Text };
    let colours = colour::wanted(&io::stderr());
    let journald = is_journald(io::stderr(), std::env::var(JOURNAL_STREAM).ok().as_deref());
    let (subscriber, guard) = subscriber(io::stderr, Look { format, colours, journald }, filter);
    tracing::subscriber::set_global_default(subscriber).map_err(Failure::failed)?;
    let config = args.config.config.clone();
    let metrics = plan.runtime.metrics.as_ref().map(addresses::address);
    let manner = Manner { plan, told, source: source(&config), config, metrics, daprd: None };
    go(held, || Ok(manner), guard)
}

/// Runs what `manner` says until told to stop.
pub(crate) fn go(
    held: Held,
    manner: impl FnOnce() -> Result<Manner, Failure>,
    guard: LogGuard,
) -> Result<(), Failure> {
    let manner = manner()?;
    let daprd = manner.daprd.clone();
    let Held { raised, origin } = held;

    let workers = workers();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().worker_threads(workers).max_blocking_threads(BLOCKING_THREADS);
    if workers == 1 {
        runtime.max_io_events_per_tick(EVENTS_OF_ONE_WORKER);
    }
    let runtime = runtime.build();
    let runtime =
        runtime.map_err(|error| Failure::failed(format!("cannot start its threads: {error}")))?;
    let signals = {
        let _entered = runtime.enter();
        Signals::listen().map_err(Failure::failed)?
    };
    let_signals_go();
    let (seat, summons) = Seat::new();
    let (done, is_done) = oneshot::channel();
    let rest = thread::Builder::new().name("replug-rest".into()).spawn(move || {
        if let Err(error) = raised {
            tracing::warn!("replug may not have more open files than it was started with: {error}");
        }
        if let Err(error) = adopt_orphans() {
            tracing::warn!("what leaves its plugin's group is not found without a cgroup: {error}");
        }
        let result = runtime.block_on(serving::serve(manner, origin, signals, summons));
        // What is left is blocking work without an owner who waits, such as a folder being removed.
        runtime.shutdown_timeout(GRACE);
        // The main thread waits for it.
        let _ = done.send(result);
    });
    rest.map_err(|error| Failure::failed(format!("cannot start its threads: {error}")))?;
    let done = seat.serve_until(is_done);
    let done =
        done.unwrap_or_else(|| Err(Failure::failed("an error of replug's own, shown above")));
    let done = match daprd {
        // The log has its last word.
        Some(_) => {
            Daprd::tell_end(&done);
            done.map_err(|_| Failure::shown())
        }
        None => done,
    };
    // Writes what waits to be written.
    drop(guard);
    done
}
