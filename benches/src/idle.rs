//! What a replug costs that has nothing to do: resident memory, and how often it is woken.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::time::sleep;

use crate::Failure;
use crate::home::Home;
use crate::plugin::{Name, Plugin};
use crate::replug::Replug;
use crate::report::{Report, Table};
use crate::samples::millis;
use crate::vitals::{Memory, Thread, Vitals, threads};

/// The most resident memory that replug itself may have, in bytes.
const MOST_MEMORY: u64 = 15_000_000;

/// replug has settled when none of its threads has run for this long: a little longer than threads
/// for blocking work outlive their last work, so that the end of the start-up is not counted.
const STILL: Duration = Duration::from_millis(10_500);

/// How often it is looked whether a thread has run. That gives no sign that could be waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How long is waited for that. A replug that is woken for ever is measured as it is then.
const SETTLE: Duration = Duration::from_secs(30);

/// What a replug costs that has nothing to do: memory and wake-ups.
#[derive(Debug, Args)]
pub(crate) struct IdleArgs {
    /// For how long its threads are watched
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,

    /// The plugin that it has
    #[arg(long, value_name = "NAME", default_value = "sqlite")]
    plugin: Name,
}

/// Measures.
pub(crate) async fn measure(program: &Path, args: &IdleArgs) -> Result<Report, Failure> {
    let plugin = Plugin::find(args.plugin, program).await?;
    let home = Home::new()?;
    home.write_plan(&plugin.plan(&home, "{}"))?;
    let replug = Replug::start(program, &home).await?;
    let settled = settle(replug.pid()).await?;

    let before = threads(replug.pid())?;
    // The window itself: what happens in it is the figure.
    sleep(Duration::from_secs(args.seconds)).await;
    let after = threads(replug.pid())?;
    let own = Memory::of(replug.pid())?;
    let others = Vitals::of(replug.pid())?.children;

    let mut report = Report::new("idle");
    report.setting("plugin", plugin.name);
    report.setting("seconds", args.seconds);
    let columns = ["process", "resident KiB", "proportional KiB", "private KiB", "anonymous KiB"];
    let mut memory = Table::new("memory", columns);
    let mut row = |name: &str, of: Memory| {
        let figures = [of.rss, of.pss, of.private, of.anonymous].map(|bytes| (bytes / 1024).into());
        memory.row([name.into()].into_iter().chain(figures));
    };
    row("replug itself", own);
    for child in others {
        let name = if child.name.contains("warden") { "its warden" } else { "its plugin" };
        row(name, Memory::of(child.pid)?);
    }
    report.table(memory);

    let (table, woken) = runs(&before, &after);
    report.table(table);
    report.require(
        "resident memory of replug itself",
        format!("{MOST_MEMORY} bytes"),
        format!("{} bytes", own.rss),
        own.rss <= MOST_MEMORY,
    );
    report.require(format!("wake-ups of replug in {} s", args.seconds), "none", woken, woken == 0);
    if !settled {
        report.note(format!("its threads have not been still for {} s", STILL.as_secs_f64()));
    }
    replug.stop().await?;
    Ok(report)
}

/// Waits until no thread has run for a while. False: they have not come to rest.
pub(crate) async fn settle(pid: u32) -> Result<bool, Failure> {
    let start = Instant::now();
    let (mut last, mut since) = (switches(pid)?, Instant::now());
    while since.elapsed() < STILL {
        if start.elapsed() > SETTLE {
            return Ok(false);
        }
        sleep(LOOK_AGAIN).await;
        let now = switches(pid)?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(true)
}

/// How often each thread has been switched.
fn switches(pid: u32) -> Result<HashMap<u32, u64>, Failure> {
    let threads = threads(pid)?.into_iter();
    Ok(threads.map(|thread| (thread.id, thread.voluntary + thread.involuntary)).collect())
}

/// How often all threads together have run between the two.
pub(crate) fn woken(before: &[Thread], after: &[Thread]) -> u64 {
    runs(before, after).1
}

/// How often and how long each thread has run between the two, and how often all of them have.
fn runs(before: &[Thread], after: &[Thread]) -> (Table, u64) {
    let columns = ["thread", "id", "wake-ups", "preemptions", "CPU ms"];
    let mut table = Table::new("threads in the window", columns);
    let mut woken = 0;
    for thread in after {
        // One that is new has all its life in the window.
        let was = before.iter().find(|before| before.id == thread.id);
        let voluntary = thread.voluntary - was.map_or(0, |was| was.voluntary);
        let involuntary = thread.involuntary - was.map_or(0, |was| was.involuntary);
        let cpu = thread.cpu.saturating_sub(was.map_or(Duration::ZERO, |was| was.cpu));
        woken += voluntary + involuntary;
        table.row([
            thread.name.as_str().into(),
            u64::from(thread.id).into(),
            voluntary.into(),
            involuntary.into(),
            millis(cpu).into(),
        ]);
    }
    let ended = before.iter().filter(|was| !after.iter().any(|thread| thread.id == was.id));
    for thread in ended {
        // It had to be woken to end.
        woken += 1;
        table.row([
            format!("{} (ended)", thread.name).into(),
            u64::from(thread.id).into(),
            1_u64.into(),
            0_u64.into(),
            0.0.into(),
        ]);
    }
    (table, woken)
}
