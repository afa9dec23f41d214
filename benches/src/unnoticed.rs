//! What applications notice of plugins that are killed and replaced under load: no call may fail, and
//! nothing that was acknowledged may be lost.
//!
//! Three plugins stand beside one replug: a state store on disk, a pubsub whose messages are files,
//! and a binding. Reads, writes, publishes and invocations go on without a pause. First the plugins
//! are killed, one after the other, with `replay = "all"`; then they are replaced with
//! `replug restart NAME --rolling`, and nothing is sent again but what may be anyway.

mod harm;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;

use self::harm::Harm;
use self::work::{Kind, Outcome, Work};
use crate::Failure;
use crate::application::Application;
use crate::hearer::Hearer;
use crate::home::{Home, text};
use crate::plugin::{BINDING, BUS, COMPONENT, ECHO, PLUGIN, build_go};
use crate::replug::Replug;
use crate::report::{Report, Table};
use crate::samples::millis;

/// Restart delays that do not make kills slow.
const BACKOFF: &str = "{ initial = \"1ms\", max = \"5ms\" }";

/// What applications notice of plugins that are killed and replaced under load
#[derive(Debug, Args)]
pub(crate) struct UnnoticedArgs {
    /// How often a plugin is killed
    #[arg(long, default_value_t = 90)]
    kills: usize,

    /// How often a plugin is replaced
    #[arg(long, default_value_t = 15)]
    rolling: usize,

    /// The longest time from a plugin's being ready to its kill, in milliseconds; each is drawn anew
    #[arg(long, value_name = "MS", default_value_t = 50)]
    longest_life: u64,

    /// Where the random numbers begin, to have the same again [default: another one every time]
    #[arg(long)]
    seed: Option<u64>,

    /// Tasks of each kind of call
    #[arg(long, default_value_t = 3)]
    tasks: usize,

    /// gRPC connections that they share
    #[arg(long, default_value_t = 4)]
    connections: usize,
}

/// Measures.
pub(crate) async fn measure(program: &Path, args: &UnnoticedArgs) -> Result<Report, Failure> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut report = Report::new("unnoticed");
    report.setting("kills", args.kills);
    report.setting("rolling replacements", args.rolling);
    report.setting("seed", seed);
    report.setting("tasks of each kind", args.tasks);
    report.setting("connections", args.connections);
    let mut table =
        Table::new("calls", ["while plugins are", "what", "good", "failed", "slowest ms"]);
    let killed = Harm::Kills { count: args.kills, seed, longest_life: args.longest_life };
    let replaced = Harm::Replacements { count: args.rolling };
    for (name, harm, replay) in [("killed", killed, "all"), ("replaced", replaced, "reads")] {
        let begun = Instant::now();
        let outcome = under(program, args, &harm, replay).await?;
        for kind in Kind::ALL {
            let (good, failed) = outcome.counts(kind);
            let slowest = millis(outcome.slowest(kind)).round();
            table.row([
                name.into(),
                kind.name().into(),
                good.into(),
                failed.into(),
                slowest.into(),
            ]);
            report.require_none(format!("{name}: failed {}", kind.name()), failed);
        }
        report.require_none(format!("{name}: acknowledged writes lost"), outcome.lost_writes);
        report.require_none(format!("{name}: acknowledged messages lost"), outcome.lost_messages);
        report.note(format!("{name}: {} s", begun.elapsed().as_secs()));
        for failure in outcome.failures() {
            report.note(format!("{name}: {failure}"));
        }
    }
    report.table(table);
    Ok(report)
}

/// What comes of the calls while plugins are done that harm.
async fn under(
    program: &Path,
    args: &UnnoticedArgs,
    harm: &Harm,
    replay: &str,
) -> Result<Outcome, Failure> {
    let home = Home::new()?;
    let hearer = Arc::new(Hearer::start().await?);
    home.write_plan(&plan(&home, replay, hearer.port()).await?)?;
    let mut replug = Replug::start(program, &home).await?;
    replug.until_all(|lives| lives.ready() == harm::PLUGINS.len()).await?;
    let mut applications = Vec::new();
    for _ in 0..args.connections.max(1) {
        applications.push(Application::connect(replug.grpc()).await?);
    }
    let work = Work::start(&applications, args.tasks, &hearer);
    harm.be_done(&mut replug).await?;
    let outcome = work.stop(&applications).await?;
    replug.stop().await?;
    drop(hearer);
    Ok(outcome)
}

/// The three plugins, their components and the application.
async fn plan(home: &Home, replay: &str, port: u16) -> Result<String, Failure> {
    let folders = build_go("go-folders", "tests/plugins/go-pubsub").await?;
    let echo = build_go("go-echo", "tests/plugins/go-binding").await?;
    let (data, messages) = (home.path("state.db"), home.path("messages"));
    Ok(format!(
        "[app]\nport = {port}\n\
         [defaults]\nbackoff = {BACKOFF}\n\
         [plugins.{PLUGIN}]\nbuiltin = \"state.sqlite\"\n\
         [components.{COMPONENT}]\ntype = \"state.sqlite\"\nreplay = {replay:?}\n\
         metadata = {{ connectionString = {:?} }}\n\
         [plugins.{BUS}]\ncommand = [{:?}]\n\
         [components.{BUS}]\ntype = \"pubsub.go-folders\"\nreplay = {replay:?}\n\
         metadata = {{ folder = {:?} }}\n\
         [plugins.{ECHO}]\ncommand = [{:?}]\n\
         [components.{BINDING}]\ntype = \"bindings.go-echo\"\nreplay = {replay:?}\n\
         metadata = {{ direction = \"output\" }}\n",
        text(&data),
        text(&folders),
        text(&messages),
        text(&echo),
    ))
}
