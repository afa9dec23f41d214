//! From a publish over gRPC to the delivery at an application over HTTP, through a pubsub on the Go
//! SDK, by replug and by daprd where its program is at hand.
//!
//! Each of the publishers waits for its message to be delivered before it publishes the next, so that
//! nothing piles up. Both ways have a plugin and an application of their own, and are loaded in turns.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::application::Application;
use crate::daprd::Daprd;
use crate::hearer::{Hearer, message};
use crate::home::Home;
use crate::load::{Tally, median};
use crate::plugin::{Name, Plugin};
use crate::replug::Replug;
use crate::report::{Cell, Report, Table};
use crate::vitals::cpu;
use crate::{Failure, PATIENCE};

/// Processor time of replug that a message may take, in microseconds, and how often daprd's rate has
/// to be reached.
const MOST_CPU: f64 = 200.0;
const LEAST_OF_DAPRD: f64 = 4.0;

/// From a publish over gRPC to the delivery at an application over HTTP
#[derive(Debug, Args)]
pub(crate) struct DeliveryArgs {
    /// Connections of the publishing application
    #[arg(long, default_value_t = 16)]
    connections: usize,

    /// Messages under way on each
    #[arg(long, default_value_t = 4)]
    messages: usize,

    /// Their size in bytes
    #[arg(long, default_value_t = 512)]
    size: usize,

    /// Rounds of each way, after one that does not count
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// For how long each
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,

    /// Dapr's sidecar, to be measured in the same run
    #[arg(long, value_name = "PATH")]
    daprd: Option<PathBuf>,
}

/// A way that messages go.
struct Way {
    name: &'static str,
    /// The process between.
    pid: u32,
    applications: Vec<Application>,
    hearer: Arc<Hearer>,
    rates: Vec<f64>,
    cpu: Vec<f64>,
    tally: Tally,
}

/// Measures.
pub(crate) async fn measure(program: &Path, args: &DeliveryArgs) -> Result<Report, Failure> {
    let mut report = Report::new("delivery");
    report.setting("connections", args.connections);
    report.setting("messages on each", args.messages);
    report.setting("bytes", args.size);
    report.setting("rounds", args.rounds);
    report.setting("seconds", args.seconds);
    let plugin = Plugin::find(Name::GoBus, program).await?;
    let numbers = Arc::new(AtomicU64::new(1));

    let home = Home::new()?;
    let hearer = Arc::new(Hearer::start().await?);
    let app = format!("[app]\nport = {}\n", hearer.port());
    home.write_plan(&(app + &plugin.plan(&home, "{ initial = \"1s\" }")))?;
    let replug = Replug::start(program, &home).await?;
    let mut ways =
        vec![Way::open("replug", replug.pid(), replug.grpc(), hearer, args.connections).await?];
    let mut daprd = None;
    let folder = Home::new()?;
    if let Some(program) = &args.daprd {
        let hearer = Arc::new(Hearer::start().await?);
        let port = Some(hearer.port());
        let running = Daprd::start(program, &plugin, &folder.path(""), port).await?;
        let pid = running.pid()?;
        ways.push(Way::open("daprd", pid, &running.grpc, hearer, args.connections).await?);
        daprd = Some(running);
    }
    for round in 0..=args.rounds {
        for way in &mut ways {
            way.round(args, &numbers, round > 0).await?;
        }
    }
    let columns = ["way", "a second", "p50 µs", "p99 µs", "CPU µs a message", "failed"];
    let mut table = Table::new("messages, from publish to delivery", columns);
    for way in &mut ways {
        table.row(way.row());
        report.require_none(format!("{}: messages that failed", way.name), way.tally.failed);
    }
    report.table(table);
    let spent = median(ways[0].cpu.iter().copied()).unwrap_or_default();
    report.require("CPU µs a message", MOST_CPU, format!("{spent:.0}"), spent <= MOST_CPU);
    if let [replug, daprd] = &ways[..] {
        let shares = replug.rates.iter().zip(&daprd.rates).map(|(ours, theirs)| ours / theirs);
        let times = median(shares).unwrap_or_default();
        let held = times >= LEAST_OF_DAPRD;
        report.require("rate, times daprd's", LEAST_OF_DAPRD, format!("{times:.2}"), held);
    }
    drop((ways, daprd));
    replug.stop().await?;
    Ok(report)
}

// === impl Way ===

impl Way {
    async fn open(
        name: &'static str,
        pid: u32,
        grpc: &str,
        hearer: Arc<Hearer>,
        connections: usize,
    ) -> Result<Self, Failure> {
        let mut applications = Vec::new();
        for _ in 0..connections.max(1) {
            applications.push(Application::connect(grpc).await?);
        }
        // Whoever has just subscribed is told of what is published from then on: the first message
        // that comes says that it has.
        let mut first = applications[0].clone();
        let subscribed = async {
            loop {
                let delivered = hearer.expect(0);
                first.publish(message(0, 0)).await?;
                if timeout(Duration::from_millis(100), delivered).await.is_ok() {
                    return Ok::<_, Failure>(());
                }
            }
        };
        timeout(PATIENCE, subscribed).await.map_err(|_| format!("{name} delivers nothing"))??;
        let tally = Tally::default();
        Ok(Self { name, pid, applications, hearer, rates: Vec::new(), cpu: Vec::new(), tally })
    }

    async fn round(
        &mut self,
        args: &DeliveryArgs,
        numbers: &Arc<AtomicU64>,
        counts: bool,
    ) -> Result<(), Failure> {
        let before = cpu(self.pid)?;
        let begun = Instant::now();
        let until = begun + Duration::from_secs_f64(args.seconds);
        let mut publishers = JoinSet::new();
        for application in &self.applications {
            for _ in 0..args.messages {
                let (application, hearer) = (application.clone(), self.hearer.clone());
                publishers.spawn(publish(application, hearer, numbers.clone(), args.size, until));
            }
        }
        let mut tally = Tally::default();
        while let Some(published) = publishers.join_next().await {
            tally.add(published?);
        }
        let seconds = begun.elapsed().as_secs_f64();
        let spent = cpu(self.pid)?.saturating_sub(before).as_secs_f64();
        if counts {
            let good = f64::from(u32::try_from(tally.good().max(1))?);
            self.rates.push(good / seconds);
            self.cpu.push(spent * 1e6 / good);
            self.tally.add(tally);
        }
        Ok(())
    }

    fn row(&mut self) -> [Cell; 6] {
        self.tally.sort();
        [
            self.name.into(),
            median(self.rates.iter().copied()).map(f64::round).into(),
            self.tally.micros(500).into(),
            self.tally.micros(990).into(),
            median(self.cpu.iter().copied()).into(),
            self.tally.failed.into(),
        ]
    }
}

/// One message after the other, each until it is delivered.
async fn publish(
    mut application: Application,
    hearer: Arc<Hearer>,
    numbers: Arc<AtomicU64>,
    size: usize,
    until: Instant,
) -> Tally {
    let mut tally = Tally::default();
    loop {
        let begun = Instant::now();
        if begun >= until {
            return tally;
        }
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let delivered = hearer.expect(number);
        let good = application.publish(message(number, size)).await.is_ok()
            && matches!(timeout(PATIENCE, delivered).await, Ok(Ok(())));
        tally.answered(begun.elapsed(), good);
    }
}
