//! From the kill of a plugin to the first good answer, against the plugin's own start.
//!
//! Both are measured in the same run and in turns, so that whatever else the machine does meets
//! both alike. The plugin's own start is what nobody can take away; what replug adds is the
//! difference.

mod own_start;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use tokio::time::timeout;

use self::own_start::own_start;
use crate::application::Application;
use crate::home::Home;
use crate::plugin::{Name, Plugin};
use crate::process::Process;
use crate::replug::Replug;
use crate::report::{Report, Table};
use crate::samples::Samples;
use crate::{Failure, PATIENCE};

/// How many milliseconds longer than the plugin's own start to a ping's answer it may take, in the
/// median.
const LIMIT_MS: f64 = 20.0;

/// The same, beyond its own start to a value, for which it has to be initialised: after a kill, and
/// from replug's own start on.
const BACK_LIMIT_MS: f64 = 5.0;
const FIRST_LIMIT_MS: f64 = 15.0;

/// Rounds that are not counted: programs come from the disk, and files are made.
const WARM_UP: usize = 2;

/// Every life that was ready for this long counts as stable, so that each restart is what the first
/// one of a plugin is that has long been well: immediate.
const BACKOFF: &str = "{ stable_after = \"1ms\" }";

/// The key that is asked for.
const KEY: &str = "kept";

/// From the kill of a plugin to the first good answer, against the plugin's own start.
#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    /// How often each is measured
    #[arg(long, default_value_t = 30)]
    rounds: usize,

    /// The plugins; one that is not there is named and skipped
    #[arg(long = "plugin", value_name = "NAME", default_value = "sqlite", value_delimiter = ',')]
    plugins: Vec<Name>,
}

/// What was measured of one plugin.
#[derive(Debug, Default)]
struct Rounds {
    /// From just before its process is started to its first answer to a ping.
    answer: Samples,
    /// The same, to its first value: initialised, and asked for a key.
    value: Samples,
    /// From the kill to the first good answer through replug.
    back: Samples,
    /// From just before replug is started to the first good answer through it.
    first: Samples,
    failed: usize,
}

/// Measures.
pub(crate) async fn measure(replug: &Path, args: &KillArgs) -> Result<Report, Failure> {
    let mut report = Report::new("kill");
    report.setting("rounds", args.rounds);
    let columns = ["plugin", "what", "median ms", "p90 ms", "max ms"];
    let mut table = Table::new("durations", columns);
    for &name in &args.plugins {
        let plugin = match Plugin::find(name, replug).await {
            Ok(plugin) => plugin,
            Err(missing) => {
                report.note(format!("{name:?} is skipped: {missing}"));
                continue;
            }
        };
        eprintln!("{}: {} rounds", plugin.name, args.rounds);
        let rounds = rounds(&plugin, replug, args.rounds).await?;
        let more = rounds.back.beyond(rounds.answer.median());
        for (what, samples) in [
            ("own start, to a ping's answer", &rounds.answer),
            ("own start, to a value (with Init)", &rounds.value),
            ("kill to answer through replug", &rounds.back),
            ("difference to the median own start, to a ping", &more),
            ("replug's start to the first answer", &rounds.first),
        ] {
            let figures = [samples.median(), samples.percentile(90), samples.max()];
            table.row([plugin.name.into(), what.into()].into_iter().chain(figures.map(Into::into)));
        }
        let value = rounds.value.median();
        for (what, more, limit) in [
            ("kill to answer, beyond the own start to a ping", more.median(), LIMIT_MS),
            (
                "kill to answer, beyond the own start to a value",
                rounds.back.median() - value,
                BACK_LIMIT_MS,
            ),
            (
                "replug's start to the first answer, beyond the own start to a value",
                rounds.first.median() - value,
                FIRST_LIMIT_MS,
            ),
        ] {
            report.require(
                format!("{}: {what} (medians)", plugin.name),
                format!("{limit} ms"),
                format!("{more:.2} ms"),
                more <= limit,
            );
        }
        report.require_none(format!("{}: failed reads", plugin.name), rounds.failed);
    }
    report.table(table);
    Ok(report)
}

async fn rounds(plugin: &Plugin, program: &Path, count: usize) -> Result<Rounds, Failure> {
    let home = Home::new()?;
    home.write_plan(&plugin.plan(&home, BACKOFF))?;
    let mut replug = Replug::start(program, &home).await?;
    let mut application = Application::connect(replug.grpc()).await?;
    let value = Bytes::from_static(b"its value");
    application.save(KEY.to_owned(), value.clone()).await?;
    // What a plugin had in memory went with its process; that it answers is what counts then.
    let expected = plugin.keeps_data().then_some(value);

    let data = tempfile::tempdir()?;
    let mut rounds = Rounds::default();
    for round in 0..count + WARM_UP {
        let own = own_start(plugin, data.path()).await?;
        let returned =
            timeout(PATIENCE, kill_and_ask(&mut replug, &mut application, expected.as_ref()));
        let (duration, failed) = returned.await.map_err(|_| "no answer after a kill")??;
        rounds.failed += failed;
        if round >= WARM_UP {
            rounds.answer.push(own.answer);
            rounds.value.push(own.value);
            rounds.back.push(duration);
        }
    }
    replug.stop().await?;
    // Apart: a whole replug that has just ended would be in the way of the plugin's own start.
    for round in 0..count + WARM_UP {
        let first = timeout(PATIENCE, first_answer(plugin, program)).await;
        let first = first.map_err(|_| "no answer after replug's start")??;
        if round >= WARM_UP {
            rounds.first.push(first);
        }
    }
    Ok(rounds)
}

/// From just before a replug of its own is started to its first good answer.
async fn first_answer(plugin: &Plugin, program: &Path) -> Result<Duration, Failure> {
    let home = Home::new()?;
    home.write_plan(&plugin.plan(&home, BACKOFF))?;
    let began = Instant::now();
    let mut replug = Replug::launch(program, &home)?;
    let address = replug.serves().await?;
    let mut application = Application::connect(&address).await?;
    application.get(KEY.to_owned()).await?;
    let first = began.elapsed();
    replug.stop().await?;
    Ok(first)
}

/// Kills the plugin and asks until the next generation has answered. Gives how long that took from
/// the kill on, and how many calls failed meanwhile.
async fn kill_and_ask(
    replug: &mut Replug,
    application: &mut Application,
    expected: Option<&Bytes>,
) -> Result<(Duration, usize), Failure> {
    let life = replug.until(|life| life.ready).await?;
    let process = Process::find(life.pid)?;
    let mut failed = 0;
    let killed = Instant::now();
    process.kill()?;
    let back = loop {
        match application.get(KEY.to_owned()).await {
            // The killed process may still have answered, with its last breath.
            Ok(_) if replug.life().generation == life.generation => {}
            Ok(value) => {
                let back = killed.elapsed();
                if expected.is_some_and(|expected| *expected != value) {
                    return Err(format!("the value has become {value:?}").into());
                }
                break back;
            }
            Err(_) => failed += 1,
        }
    };
    replug.until(|now| now.ready && now.generation > life.generation).await?;
    Ok((back, failed))
}
