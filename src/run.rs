//! `replug run`: everything together, from the plan to the last process reaped.
//!
//! The order of the start: what can fail without a process having been started comes first. The
//! order of the end: callers, then plugins, then what everything stood on.
//!
//! The main thread starts, signals and reaps processes, and is the only one that signals reach;
//! [`Seat`] says why. Everything else is on other threads.

mod addresses;
mod house;
mod life;
mod signals;
mod succession;

use std::io;
use std::thread;
use std::time::Duration;

use replug_supervisor::output::log::{Format, JOURNAL_STREAM, Look, is_journald, subscriber};
use replug_supervisor::process::{
    Seat, adopt_orphans, hold_signals, let_signals_go, raise_open_files,
};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

pub(crate) use self::addresses::places;
use self::house::Origin;
use self::signals::Signals;
use crate::check::load;
use crate::cli::RunArgs;
use crate::colour;
use crate::exit::Failure;

/// How long calls under way have when replug is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Threads for blocking work, such as making a folder. Each makes every start of a process longer,
/// since the kernel copies what it maps; a thousand plugins that start at once are served as well by
/// a few. More than the one or two that work at a time, so that a disk that hangs holds up nobody
/// else.
const BLOCKING_THREADS: usize = 32;

/// What `runtimeVersion` and `replug status` say.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs until told to stop.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    // Before any thread is started.
    hold_signals();
    let raised = raise_open_files();
    let origin = Origin::of_process()?;
    let plan = load(&args.config.config)?;
    let filter = EnvFilter::try_new(&args.log)
        .map_err(|error| Failure::failed(format!("--log {}: {error}", args.log)))?;
    let format = if args.log_json { Format::Json } else { Format::Text };
    let colours = colour::wanted(&io::stderr());
    let journald = is_journald(io::stderr(), std::env::var(JOURNAL_STREAM).ok().as_deref());
    let (subscriber, guard) = subscriber(io::stderr, Look { format, colours, journald }, filter);
    tracing::subscriber::set_global_default(subscriber).map_err(Failure::failed)?;

    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(BLOCKING_THREADS).build();
    let runtime =
        runtime.map_err(|error| Failure::failed(format!("cannot start its threads: {error}")))?;
    let signals = {
        let _entered = runtime.enter();
        Signals::listen().map_err(Failure::failed)?
    };
    let_signals_go();
    let (seat, summons) = Seat::new();
    let (done, is_done) = oneshot::channel();
    let config = args.config.config.clone();
    let rest = thread::Builder::new().name("replug-rest".into()).spawn(move || {
        if let Err(error) = raised {
            tracing::warn!("replug may not have more open files than it was started with: {error}");
        }
        if let Err(error) = adopt_orphans() {
            tracing::warn!("what leaves its plugin's group is not found without a cgroup: {error}");
        }
        let result = runtime.block_on(life::serve(plan, config, origin, signals, summons));
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
