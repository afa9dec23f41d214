//! What replug costs on a call's way: the same operation on the same plugin called directly, through
//! replug, and through daprd where its program is at hand.
//!
//! All ways are loaded in turns, round after round in one run, so that whatever else the machine
//! does meets all of them. Each has a plugin process of its own, which rests while the others work.

mod http1;
mod http2;
mod operation;
mod plot;
mod relay;
mod stage;
mod tally;
mod way;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use self::operation::Operation;
use self::stage::Stage;
pub(crate) use self::tally::{Tally, median};
use self::way::{Round, Shape, Way};
use crate::Failure;
use crate::plugin::Name;
use crate::report::{Cell, Report, Table};

/// The largest value: with its key and the rest of its message it just fits gRPC's 4 MiB.
const LARGEST: usize = (4 << 20) - (1 << 10);

/// The share of the plugin's own rate that has to be left, the processor time a call may take, and
/// what a lone call may take of one through a relay: for a state store on the Go SDK and 1 KiB.
const LEAST_RATE: f64 = 0.55;
const MOST_CPU: f64 = 38.0;
const MOST_LONE: f64 = 1.3;
/// How often daprd's rate at the least, and how much of its p99 at the most.
const LEAST_OF_DAPRD: f64 = 2.2;
const MOST_P99_OF_DAPRD: f64 = 0.5;
/// How much more a call may take beside many plugins.
const MOST_AMONG_MANY: f64 = 1.1;
/// Resident memory in bytes, before and after the load.
const MOST_IDLE: u64 = 12_000_000;
const MOST_LOADED: u64 = 20_000_000;

/// What replug costs on a call's way: rate, latency, CPU and memory, beside the plugin called
/// directly
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// The plugin that serves the state store
    #[arg(long, value_name = "NAME", default_value = "go")]
    plugin: Name,

    /// What is asked for
    #[arg(long, value_name = "NAME", default_value = "get,save", value_delimiter = ',')]
    operation: Vec<Operation>,

    /// Sizes of a value: 64, 1K, 4M
    #[arg(long, value_name = "BYTES", default_value = "1K", value_delimiter = ',', value_parser = size)]
    value: Vec<usize>,

    /// Connections of the application
    #[arg(long, value_name = "COUNT", default_value = "16", value_delimiter = ',')]
    connections: Vec<usize>,

    /// Calls under way on each
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    calls: usize,

    /// Rounds of each way, after one that does not count
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// For how long each
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,

    /// Also over HTTP
    #[arg(long)]
    http: bool,

    /// Also over replug's Unix socket, as the plugin that is called directly has one
    #[arg(long)]
    socket: bool,

    /// Only one call at a time, beside one through a relay of bytes
    #[arg(long)]
    lone: bool,

    /// Also beside so many plugins and components
    #[arg(long, value_name = "COUNT")]
    plugins: Option<usize>,

    /// Dapr's sidecar, to be measured in the same run
    #[arg(long, value_name = "PATH")]
    daprd: Option<PathBuf>,

    /// Draw the figures as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// What one way has shown of one case.
struct Outcome {
    way: &'static str,
    rate: f64,
    /// Of the way to the plugin itself, in the same rounds.
    of_direct: f64,
    between: Option<f64>,
    plugin: Option<f64>,
    load: Option<f64>,
    tally: Tally,
}

/// An operation, a size and a shape.
#[derive(Debug, Clone, Copy)]
struct Case {
    operation: Operation,
    size: usize,
    shape: Shape,
}

/// Measures.
pub(crate) async fn measure(program: &Path, args: &LoadArgs) -> Result<Report, Failure> {
    let mut report = Report::new("load");
    report.setting("rounds", args.rounds);
    report.setting("seconds", args.seconds);
    let columns = [
        "case",
        "way",
        "a second",
        "of direct",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "CPU µs",
        "plugin µs",
        "load µs",
        "failed",
    ];
    let mut table = Table::new("calls", columns);
    let mut memory = Table::new("resident KiB", ["plugin", "way", "idle", "loaded"]);
    let mut bars = Vec::new();
    let mut wanted: Vec<(Name, Vec<Operation>)> = Vec::new();
    for &operation in &args.operation {
        let plugin = operation.plugin(args.plugin);
        match wanted.iter_mut().find(|(known, _)| *known == plugin) {
            Some((_, operations)) => operations.push(operation),
            None => wanted.push((plugin, vec![operation])),
        }
    }
    for (plugin, operations) in wanted {
        let largest = args.value.iter().copied().max().unwrap_or_default();
        let mut stage = Stage::set(program, plugin, args, largest).await?;
        for note in stage.notes.drain(..) {
            report.note(note);
        }
        for operation in operations {
            for case in cases(operation, args) {
                eprintln!("{case}");
                let outcomes = run(&stage.ways, case, args).await?;
                for outcome in &outcomes {
                    table.row(outcome.row(&case.to_string()));
                }
                require(&mut report, plugin, case, &outcomes);
                bars.push((case.to_string(), outcomes));
            }
        }
        for (way, idle, loaded) in stage.memory()? {
            if way == stage::REPLUG {
                for (what, bytes, most) in
                    [("idle", idle, MOST_IDLE), ("after the load", loaded, MOST_LOADED)]
                {
                    let what = format!("{}: resident memory of replug, {what}", stage.plugin.name);
                    report.require(what, format!("{most} bytes"), bytes, bytes <= most);
                }
            }
            let kib = |bytes: u64| Cell::from(bytes / 1024);
            memory.row([stage.plugin.name.into(), way.into(), kib(idle), kib(loaded)]);
        }
        stage.clear().await?;
    }
    report.table(table);
    report.table(memory);
    if let Some(file) = &args.plot {
        std::fs::write(file, plot::drawn(&bars))?;
    }
    Ok(report)
}

/// Every size and shape that was asked for.
fn cases(operation: Operation, args: &LoadArgs) -> Vec<Case> {
    let lone = Shape { connections: 1, calls: 1 };
    let shapes: Vec<_> = if args.lone {
        vec![lone]
    } else {
        args.connections
            .iter()
            .map(|&connections| Shape { connections, calls: args.calls })
            .collect()
    };
    let sizes = args.value.iter();
    sizes
        .flat_map(|&size| shapes.iter().map(move |&shape| Case { operation, size, shape }))
        .collect()
}

async fn run(ways: &[Way], case: Case, args: &LoadArgs) -> Result<Vec<Outcome>, Failure> {
    let time = Duration::from_secs_f64(args.seconds);
    let mut lanes = Vec::new();
    for way in ways {
        if case.operation.reads_state() {
            way.fill(case.size).await?;
        }
        lanes.push(way.lanes(case.operation, case.size, case.shape).await?);
    }
    let mut rounds: Vec<Vec<Round>> = ways.iter().map(|_| Vec::new()).collect();
    for round in 0..=args.rounds {
        for ((way, lanes), rounds) in ways.iter().zip(&mut lanes).zip(&mut rounds) {
            let done = way.round(lanes, time).await?;
            if round > 0 {
                rounds.push(done);
            }
        }
    }
    let direct: Vec<_> = rounds[0].iter().map(Round::rate).collect();
    let outcomes = ways.iter().zip(rounds).map(|(way, rounds)| Outcome::of(way, rounds, &direct));
    Ok(outcomes.collect())
}

/// What has to hold.
fn require(report: &mut Report, plugin: Name, case: Case, outcomes: &[Outcome]) {
    let of = |way: &str| outcomes.iter().find(|outcome| outcome.way == way);
    for outcome in outcomes {
        report.require_none(format!("{case}: {}: failed calls", outcome.way), outcome.tally.failed);
    }
    let Some(replug) = of(stage::REPLUG) else { return };
    let usual = plugin == Name::Go && case.size == 1 << 10;
    let single = matches!(case.operation, Operation::Get | Operation::Save);
    let mut held = |what: &str, limit: f64, measured: f64, held: bool| {
        report.require(format!("{case}: {what}"), limit, format!("{measured:.2}"), held);
    };
    if case.shape.is_lone() {
        if let Some(relay) = of(stage::RELAY) {
            let times = replug.tally.micros(500) / relay.tally.micros(500);
            held("p50, times that through a relay", MOST_LONE, times, times <= MOST_LONE);
        }
    } else if usual && single {
        let share = replug.of_direct;
        held("rate, of the direct one", LEAST_RATE, share, share >= LEAST_RATE);
        let cpu = replug.between.unwrap_or_default();
        held("CPU µs a call", MOST_CPU, cpu, cpu <= MOST_CPU);
    }
    if let Some(many) = of(stage::MANY) {
        let more = replug.rate / many.rate;
        held("cost beside many plugins", MOST_AMONG_MANY, more, more <= MOST_AMONG_MANY);
    }
    if let Some(daprd) = of(stage::DAPRD).filter(|_| usual && single && !case.shape.is_lone()) {
        let times = replug.rate / daprd.rate;
        held("rate, times daprd's", LEAST_OF_DAPRD, times, times >= LEAST_OF_DAPRD);
        let tail = replug.tally.micros(990) / daprd.tally.micros(990);
        held("p99, of daprd's", MOST_P99_OF_DAPRD, tail, tail <= MOST_P99_OF_DAPRD);
    }
}

/// A number of bytes as the command line has it.
fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(['K', 'M']);
    let unit = match &text[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        _ => return Err("write it as 64, 1K or 4M".into()),
    };
    let number: usize = digits.parse().map_err(|_| "write it as 64, 1K or 4M")?;
    Ok((number * unit).min(LARGEST))
}

// === impl Case ===

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { operation, size, shape: Shape { connections, calls } } = self;
        write!(f, "{}, {size} B, {connections}×{calls}", operation.name())
    }
}

// === impl Round ===

impl Round {
    fn rate(&self) -> f64 {
        count(self.tally.good()) / self.seconds
    }
}

// === impl Outcome ===

impl Outcome {
    fn of(way: &Way, rounds: Vec<Round>, direct: &[f64]) -> Self {
        let rate = median(rounds.iter().map(Round::rate)).unwrap_or_default();
        let shares = rounds.iter().zip(direct).map(|(round, direct)| round.rate() / direct);
        let of_direct = median(shares).unwrap_or_default();
        let between = median(rounds.iter().filter_map(|round| round.between));
        let plugin = median(rounds.iter().map(|round| round.plugin));
        let load = median(rounds.iter().map(|round| round.load));
        let mut tally = Tally::default();
        for round in rounds {
            tally.add(round.tally);
        }
        tally.sort();
        Self { way: way.name, rate, of_direct, between, plugin, load, tally }
    }

    fn row(&self, case: &str) -> [Cell; 11] {
        [
            case.into(),
            self.way.into(),
            self.rate.round().into(),
            self.of_direct.into(),
            self.tally.micros(500).into(),
            self.tally.micros(990).into(),
            self.tally.micros(999).into(),
            self.between.into(),
            self.plugin.into(),
            self.load.into(),
            self.tally.failed.into(),
        ]
    }
}

/// A count as a number to divide.
fn count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_with_their_unit() {
        assert_eq!([size("64"), size("1K"), size("4M")], [Ok(64), Ok(1024), Ok(LARGEST)]);
        assert!(size("1G").is_err() && size("K").is_err());
    }
}
