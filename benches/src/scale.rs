//! What many plugins cost: all started, each killed once, all left in peace.
//!
//! The same is done with few and with many, so that what each plugin adds is told from what replug
//! costs anyway, and so that it is seen whether the cost grows as the number does.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::time::sleep;

use crate::Failure;
use crate::home::{Home, text};
use crate::idle::{settle, woken};
use crate::process::Process;
use crate::replug::Replug;
use crate::report::{Report, Table};
use crate::samples::{Samples, millis};
use crate::tiny::tiny;
use crate::vitals::{Vitals, cpu, threads, total};

/// The most resident memory of replug that a plugin may add, in bytes.
const MOST_MEMORY: u64 = 100_000;

/// How much more processor time each of many plugins may take than each of few.
const LINEAR: f64 = 1.5;

/// The most that a reload may take of a plan in which one plugin has changed.
const RELOAD: Duration = Duration::from_millis(50);

/// How often one is done; the first is not counted.
const RELOADS: usize = 11;

/// What many plugins cost: started, killed once each, and at rest.
#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    /// How many plugins, in one run after the other
    #[arg(
        long = "plugins",
        value_name = "COUNT",
        default_value = "10,100,1000",
        value_delimiter = ','
    )]
    counts: Vec<usize>,

    /// For how long replug is watched while nothing happens
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
}

/// What was seen of one number of plugins.
struct Run {
    plugins: usize,
    start: Effort,
    storm: Effort,
    /// Woken while there was nothing to do.
    woken: u64,
    settled: bool,
    /// At rest, after the storm.
    vitals: Vitals,
    /// Reloads of the plan with one plugin changed.
    reloads: Samples,
}

/// What something took.
#[derive(Clone, Copy)]
struct Effort {
    time: Duration,
    /// Of replug's own.
    cpu: Duration,
}

/// Measures.
pub(crate) async fn measure(program: &Path, args: &ScaleArgs) -> Result<Report, Failure> {
    let tiny = tiny()?;
    let mut runs = Vec::new();
    for &plugins in &args.counts {
        eprintln!("{plugins} plugins");
        runs.push(run(program, &tiny, plugins, args.seconds).await?);
    }
    let mut report = Report::new("scale");
    report.setting("seconds", args.seconds);
    report.table(efforts(&runs));
    report.table(at_rest(&runs));
    report.table(reloads(&runs));
    for run in &runs {
        if !run.settled {
            report.note(format!("{} plugins: its threads have not come to rest", run.plugins));
        }
        let what = format!("{} plugins: wake-ups in {} s", run.plugins, args.seconds);
        report.require(what, "none", run.woken, run.woken == 0);
        let took = run.reloads.median();
        report.require(
            format!("{} plugins: reload with one changed, median", run.plugins),
            format!("{} ms", RELOAD.as_millis()),
            format!("{took:.1} ms"),
            took <= millis(RELOAD),
        );
    }
    if let [few, .., many] = &runs[..] {
        growth(&mut report, few, many);
    }
    Ok(report)
}

async fn run(program: &Path, tiny: &Path, plugins: usize, seconds: u64) -> Result<Run, Failure> {
    let home = Home::new()?;
    home.write_plan(&plan(tiny, plugins, 0))?;
    let begin = Instant::now();
    let mut replug = Replug::launch(program, &home)?;
    replug.until_all(|lives| lives.ready() == plugins).await?;
    let start = Effort { time: begin.elapsed(), cpu: cpu(replug.pid())? };

    let begin = Instant::now();
    for pid in replug.pids() {
        Process::find(pid)?.kill()?;
    }
    replug.until_all(|lives| lives.reached(2) && lives.ready() == plugins).await?;
    let storm = Effort { time: begin.elapsed(), cpu: cpu(replug.pid())?.saturating_sub(start.cpu) };

    let settled = settle(replug.pid()).await?;
    let before = threads(replug.pid())?;
    // The window itself: what happens in it is the figure.
    sleep(Duration::from_secs(seconds)).await;
    let woken = woken(&before, &threads(replug.pid())?);
    let vitals = Vitals::of(replug.pid())?;

    let mut reloads = Samples::default();
    for round in 1..=RELOADS {
        home.write_plan(&plan(tiny, plugins, round))?;
        let others = others(&replug);
        let begin = Instant::now();
        replug.reload().await?;
        if round > 1 {
            reloads.push(begin.elapsed());
        }
        if self::others(&replug) != others {
            return Err("a reload has touched plugins that did not change".into());
        }
    }
    replug.stop().await?;
    Ok(Run { plugins, start, storm, woken, settled, vitals, reloads })
}

/// The processes of all plugins but the one that changes.
fn others(replug: &Replug) -> Vec<u32> {
    replug.pids_of(|plugin| plugin != CHANGES)
}

/// The plugin that is another in each reload.
const CHANGES: &str = "t0";

/// Plugins that have long been well when they are killed, and as much time to start as they need:
/// all of them start at once. One is another in each round.
fn plan(tiny: &Path, plugins: usize, round: usize) -> String {
    let mut plan =
        "[defaults]\nstart_timeout = \"5m\"\nbackoff = { stable_after = \"1ms\" }\n".to_owned();
    for number in 0..plugins {
        let _ = writeln!(plan, "[plugins.t{number}]\ncommand = [{:?}, \"t{number}\"]", text(tiny));
    }
    let _ = writeln!(plan, "[plugins.{CHANGES}.env]\nROUND = \"{round}\"");
    plan
}

fn efforts(runs: &[Run]) -> Table {
    let columns = ["plugins", "what", "seconds", "CPU seconds", "CPU ms per plugin"];
    let mut table = Table::new("effort", columns);
    for run in runs {
        for (what, effort) in [("all started", run.start), ("each killed once", run.storm)] {
            table.row([
                (run.plugins as u64).into(),
                what.into(),
                effort.time.as_secs_f64().into(),
                effort.cpu.as_secs_f64().into(),
                effort.per_plugin(run.plugins).into(),
            ]);
        }
    }
    table
}

fn at_rest(runs: &[Run]) -> Table {
    let columns =
        ["plugins", "resident KiB", "anonymous KiB", "descriptors", "threads", "wake-ups"];
    let mut table = Table::new("at rest", columns);
    for Run { plugins, vitals, woken, .. } in runs {
        table.row([
            (*plugins as u64).into(),
            (vitals.memory.rss / 1024).into(),
            (vitals.memory.anonymous / 1024).into(),
            (total(&vitals.descriptors) as u64).into(),
            (total(&vitals.threads) as u64).into(),
            (*woken).into(),
        ]);
    }
    table
}

fn reloads(runs: &[Run]) -> Table {
    let columns = ["plugins", "median ms", "p90 ms", "max ms"];
    let mut table = Table::new("reload with one plugin changed, as the command takes it", columns);
    for Run { plugins, reloads, .. } in runs {
        let [median, p90, max] = [50, 90, 100].map(|percent| reloads.percentile(percent).into());
        table.row([(*plugins as u64).into(), median, p90, max]);
    }
    table
}

/// What each plugin beyond the few adds.
fn growth(report: &mut Report, few: &Run, many: &Run) {
    let more = many.plugins.saturating_sub(few.plugins).max(1);
    let memory = many.vitals.memory.rss.saturating_sub(few.vitals.memory.rss) / more as u64;
    report.require(
        "resident memory that a plugin adds",
        format!("{MOST_MEMORY} bytes"),
        format!("{memory} bytes"),
        memory <= MOST_MEMORY,
    );
    let descriptors =
        float(total(&many.vitals.descriptors)) - float(total(&few.vitals.descriptors));
    report.note(format!("a plugin adds {:.2} descriptors", descriptors / float(more)));
    for (what, few_took, many_took) in
        [("start", few.start, many.start), ("storm", few.storm, many.storm)]
    {
        let times = many_took.per_plugin(many.plugins) / few_took.per_plugin(few.plugins);
        report.require(
            format!("{what}: CPU per plugin, {} against {}", many.plugins, few.plugins),
            format!("{LINEAR} times"),
            format!("{times:.2} times"),
            times <= LINEAR,
        );
    }
}

impl Effort {
    /// In milliseconds of processor time.
    fn per_plugin(self, plugins: usize) -> f64 {
        millis(self.cpu) / float(plugins.max(1))
    }
}

/// A count as a number to divide by.
fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
