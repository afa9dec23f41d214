//! From a process's end to the first instruction of its next one, beside other supervisors.
//!
//! The same program is kept by each, in the same run and in turns: it says when it begins, by the
//! clock that the kill was timed with. What the kernel needs to end it, and the loader to start it,
//! is in every figure; what a start takes that nobody supervises is measured beside them.

mod kept;
mod stamps;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use tokio::process::Command;
use tokio::time::sleep;

use self::kept::{Kept, Supervisor};
use self::stamps::{Stamps, now};
use crate::Failure;
use crate::home::Home;
use crate::report::{Report, Table};
use crate::samples::Samples;
use crate::tiny::{STAMPS, tiny};

/// The most that it may take under replug, in milliseconds, in the median.
const LIMIT_MS: f64 = 2.0;

/// How long a process lives before it is killed: longer than the second within which runsv and
/// s6-supervise hold an end to be a failure.
const LIFE: Duration = Duration::from_millis(1200);

/// From a process's end to its next start, beside runsv and s6-supervise.
#[derive(Debug, Args)]
pub(crate) struct RespawnArgs {
    /// How often a process that has long been well is killed
    #[arg(long, default_value_t = 25)]
    rounds: usize,

    /// How often one is killed that has only just begun
    #[arg(long, default_value_t = 3)]
    young: usize,
}

/// Measures.
pub(crate) async fn measure(replug: &Path, args: &RespawnArgs) -> Result<Report, Failure> {
    let tiny = tiny()?;
    let home = Home::new()?;
    let mut report = Report::new("respawn");
    report.setting("rounds", args.rounds);
    let mut kept = Vec::new();
    for supervisor in Supervisor::ALL {
        match Kept::start(supervisor, replug, &tiny, &home).await {
            Ok(one) => kept.push((one, Samples::default(), Samples::default())),
            Err(missing) if supervisor != Supervisor::Replug => {
                report.note(format!("{} is skipped: {missing}", supervisor.name()));
            }
            Err(failure) => return Err(failure),
        }
    }

    let mut alone = Samples::default();
    let stamps = Stamps::listen(&home.path("alone"))?;
    // The first round is not counted: programs come from the disk.
    for round in 0..=args.rounds {
        // So long that all of them have long been well.
        sleep(LIFE).await;
        let started = start_alone(&tiny, &stamps, &home).await?;
        for (kept, old, _) in &mut kept {
            let took = kept.kill().await?;
            if round > 0 {
                old.push(took);
            }
        }
        if round > 0 {
            alone.push(started);
        }
    }
    for (kept, _, young) in &mut kept {
        for _ in 0..args.young {
            // The next one has only just begun when it is killed in its turn.
            kept.kill().await?;
            young.push(kept.kill().await?);
        }
    }

    let mut table = Table::new(
        "from the kill to the next start",
        ["supervisor", "the process", "median ms", "p90 ms", "max ms"],
    );
    let mut row = |name: &str, what: &str, samples: &Samples| {
        let figures = [samples.median(), samples.percentile(90), samples.max()];
        table.row([name.into(), what.into()].into_iter().chain(figures.map(Into::into)));
    };
    row("none", "is started by hand", &alone);
    for (kept, old, young) in &kept {
        row(kept.name(), "has long been well", old);
        row(kept.name(), "has only just begun", young);
    }
    report.table(table);
    for (kept, old, _) in &kept {
        if kept.supervisor() == Supervisor::Replug {
            let median = old.median();
            report.require(
                "replug: from the kill to the next start, median",
                format!("{LIMIT_MS} ms"),
                format!("{median:.2} ms"),
                median <= LIMIT_MS,
            );
        }
        if let Some(delay) = kept.supervisor().forced_delay() {
            report.note(format!("{}: {delay}", kept.name()));
        }
    }
    for (kept, ..) in kept {
        kept.stop().await?;
    }
    Ok(report)
}

/// How long the program takes from just before its start to its first instruction, by itself.
async fn start_alone(tiny: &Path, stamps: &Stamps, home: &Home) -> Result<Duration, Failure> {
    let mut command = Command::new(tiny);
    command.env(STAMPS, stamps.path()).env("REPLUG_SOCKET_FOLDER", home.path("alone.sockets"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let start = now();
    let mut child = command.spawn()?;
    let stamp = stamps.next().await?;
    child.kill().await?;
    Ok(stamp.at.saturating_sub(start))
}
