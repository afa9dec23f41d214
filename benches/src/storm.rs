//! Many kills of a plugin under load, one after the other and at random moments: what replug is
//! left with, what it left behind, and whether anything was lost.

mod ledger;
mod load;
mod murder;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use self::load::Load;
use self::murder::Murder;
use crate::application::Application;
use crate::home::Home;
use crate::plugin::{Name, Plugin};
use crate::replug::Replug;
use crate::report::{Report, Table};
use crate::samples::millis;
use crate::vitals::{Vitals, grown, total};
use crate::{Failure, PATIENCE};

/// Restart delays that do not make kills slow. A plugin of everyday life has longer ones.
const BACKOFF: &str = "{ initial = \"1ms\", max = \"5ms\" }";

/// By how much resident memory may be larger at the end than at the beginning, in bytes: what an
/// allocator keeps for itself moves by this much.
const MORE_MEMORY: u64 = 2 << 20;

/// How often replug is looked at again while it still holds more than at the beginning. What
/// another process closes or ends gives no sign that could be waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How long replug has to come back to what it was. Threads for blocking work end ten seconds after
/// their last work.
const SETTLE: Duration = Duration::from_secs(30);

/// In how many parts memory is told of.
const PARTS: usize = 5;

/// Many kills under load: what is left behind, and what is lost.
#[derive(Debug, Args)]
pub(crate) struct StormArgs {
    /// How often the plugin is killed
    #[arg(long, default_value_t = 500)]
    kills: usize,

    /// Kills before the first look at replug, so that its memory is what it is at work
    #[arg(long, default_value_t = 25)]
    warm_up: usize,

    /// The longest time from a process's start to its kill, in milliseconds; each is drawn anew
    #[arg(long, value_name = "MS", default_value_t = 100)]
    longest_life: u64,

    /// Where the random numbers begin, to have the same again [default: another one every time]
    #[arg(long)]
    seed: Option<u64>,

    /// Tasks that read and write
    #[arg(long, default_value_t = 8)]
    tasks: usize,

    /// gRPC connections that they share
    #[arg(long, default_value_t = 4)]
    connections: usize,

    /// The plugin; one that keeps its data on disk
    #[arg(long, value_name = "NAME", default_value = "sqlite")]
    plugin: Name,
}

/// Measures.
pub(crate) async fn measure(program: &Path, args: &StormArgs) -> Result<Report, Failure> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let plugin = Plugin::find(args.plugin, program).await?;
    if !plugin.keeps_data() {
        return Err(format!("{} keeps its data in memory: a kill loses it", plugin.name).into());
    }
    let home = Home::new()?;
    home.write_plan(&plugin.plan(&home, BACKOFF))?;
    let mut replug = Replug::start(program, &home).await?;
    let mut applications = Vec::new();
    for _ in 0..args.connections.max(1) {
        applications.push(Application::connect(replug.grpc()).await?);
    }
    let mut murder = Murder::new(seed, Duration::from_millis(args.longest_life));

    let load = Load::start(&applications, args.tasks, 0);
    murder.commit(&mut replug, args.warm_up).await?;
    let mut ledger = load.stop().await?;
    let before = settled(&mut replug, None).await?;

    let warm_up_writes = ledger.writes();
    let load = Load::start(&applications, args.tasks, ledger.next());
    let start = Instant::now();
    let mut trail = Table::new("memory on the way", ["kills", "resident KiB", "anonymous KiB"]);
    for part in 1..=PARTS {
        let done = args.kills * (part - 1) / PARTS;
        let due = args.kills * part / PARTS;
        murder.commit(&mut replug, due - done).await?;
        let memory = Vitals::of(replug.pid())?.memory;
        trail.row([due.into(), (memory.rss / 1024).into(), (memory.anonymous / 1024).into()]);
        eprintln!("{due} of {} kills", args.kills);
    }
    let took = start.elapsed();
    ledger.add(load.stop().await?);
    let after = settled(&mut replug, Some(&before)).await?;
    let folders = home.private_folders();
    let lost = ledger.verify(&applications).await?;
    replug.stop().await?;

    let mut report = Report::new("storm");
    report.setting("kills", args.kills);
    report.setting("seed", seed);
    report.setting("tasks", args.tasks);
    report.setting("connections", applications.len());
    report.setting("backoff", BACKOFF);
    report.table(compared(&before, &after));
    report.table(trail);
    report.table(ledger.table(took, ledger.writes() - warm_up_writes));
    require(&mut report, &before, &after);
    report.require("socket folders", "1, the present one", folders, folders == 1);
    report.require_none("acknowledged writes lost or changed", lost);
    ledger.require(&mut report);
    report.note(format!(
        "{} kills hit a plugin that was ready, {} one that was starting (warm-up included)",
        murder.of_ready, murder.of_starting
    ));
    let slowest = format!("{:.0} ms", millis(ledger.slowest()));
    report.note(format!("the slowest call took {slowest}, its waiting for the plugin included"));
    Ok(report)
}

/// What replug holds once its plugin is ready and, where `before` is given, once it does not hold
/// more than then; what it holds after [`SETTLE`], if it does not come to that.
async fn settled(replug: &mut Replug, before: Option<&Vitals>) -> Result<Vitals, Failure> {
    replug.until(|life| life.ready).await?;
    let start = Instant::now();
    loop {
        let now = Vitals::of(replug.pid())?;
        let more = before.is_some_and(|before| {
            !grown(&before.descriptors, &now.descriptors).is_empty()
                || total(&now.threads) > total(&before.threads)
                || now.zombies() > 0
        });
        if !more || start.elapsed() > SETTLE.min(PATIENCE) {
            return Ok(now);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn compared(before: &Vitals, after: &Vitals) -> Table {
    let mut table = Table::new("replug before and after", ["what", "before", "after"]);
    let count = |vitals: &Vitals| {
        [
            ("descriptors", total(&vitals.descriptors) as u64),
            ("threads", total(&vitals.threads) as u64),
            ("children", vitals.children.len() as u64),
            ("zombies", vitals.zombies() as u64),
            ("resident KiB", vitals.memory.rss / 1024),
            ("anonymous KiB", vitals.memory.anonymous / 1024),
        ]
    };
    for ((what, before), (_, after)) in count(before).into_iter().zip(count(after)) {
        table.row([what.into(), before.into(), after.into()]);
    }
    table
}

fn require(report: &mut Report, before: &Vitals, after: &Vitals) {
    for (what, before, after) in [
        ("descriptors more than before", &before.descriptors, &after.descriptors),
        ("threads more than before", &before.threads, &after.threads),
    ] {
        let more = total(after).saturating_sub(total(before));
        report.require_none(what, more);
        if more > 0 {
            report.note(format!("{what}: {}", grown(before, after)));
        }
    }
    report.require_none("zombies", after.zombies());
    let children = (before.children.len(), after.children.len());
    report.require("processes of replug's", children.0, children.1, children.0 == children.1);
    let more = after.memory.rss.saturating_sub(before.memory.rss);
    report.require(
        "resident memory more than before",
        format!("{} KiB", MORE_MEMORY / 1024),
        format!("{} KiB", more / 1024),
        more <= MORE_MEMORY,
    );
}
