//! How metrics are made: their names, labels and bounds, and the rules by which labels are changed.

use std::cell::RefCell;
use std::collections::BTreeSet;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    Counter, CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts,
    Registry,
};

use super::open::Open;
use super::rules::{LabelRules, Rules};

/// Upper bounds of latencies in milliseconds where a Configuration has none, as Dapr has them.
pub const LATENCY_BOUNDS: [i64; 34] = [
    1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400,
    500, 650, 800, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
];

/// Upper bounds of sizes in bytes.
const KIB: f64 = 1024.0;

/// The longest value that a label has in Dapr, in bytes.
const LONGEST: usize = 255;

/// Makes metrics of one application.
pub(super) struct Maker<'m> {
    pub(super) registry: &'m Registry,
    pub(super) app_id: &'m str,
    latencies: Vec<f64>,
    sizes: Vec<f64>,
    rules: Rules,
    /// What has been made.
    names: RefCell<Vec<String>>,
}

/// The series of one metric, found by its labels, which rules may have changed.
#[derive(Debug)]
pub(super) struct Series<V, M> {
    series: V,
    /// None: labels are as they are.
    rules: Option<Box<LabelRules>>,
    /// None: labels are names that the runtime knows.
    open: Option<Box<Open>>,
    /// Counts, and is shown to nobody.
    nowhere: M,
}

pub(super) type Histograms = Series<HistogramVec, Histogram>;
pub(super) type Counters = Series<IntCounterVec, IntCounter>;
pub(super) type FloatCounters = Series<CounterVec, Counter>;

// === impl Maker ===

impl<'m> Maker<'m> {
    /// Of the application `app_id`. `latencies` are upper bounds in milliseconds, in any order; none:
    /// Dapr's. Those that are not above zero bound nothing.
    pub(super) fn new(
        registry: &'m Registry,
        app_id: &'m str,
        latencies: &[i64],
        rules: Rules,
    ) -> Self {
        let latencies = if latencies.is_empty() { &LATENCY_BOUNDS } else { latencies };
        let latencies: BTreeSet<_> = latencies.iter().copied().filter(|it| *it > 0).collect();
        #[allow(clippy::cast_precision_loss)] // Milliseconds as people write them are exact.
        let latencies = latencies.into_iter().map(|bound| bound as f64);
        // The last is there in any case; without it none would be the library's own.
        let latencies = latencies.chain([f64::INFINITY]).collect();
        let sizes = [1., 2., 4., 16., 64., 256.].map(|size| size * KIB);
        let mib = [1., 4., 16., 64., 256.].map(|size| size * KIB * KIB);
        let gib = [1., 4.].map(|size| size * KIB * KIB * KIB);
        let sizes = sizes.into_iter().chain(mib).chain(gib).collect();
        Self { registry, app_id, latencies, sizes, rules, names: RefCell::default() }
    }

    /// The names of what has been made.
    pub(super) fn names(self) -> Vec<String> {
        self.names.into_inner()
    }

    fn options(&self, name: &str) -> Opts {
        Opts::new(name, name).const_label("app_id", self.rules.changed(name, "app_id", self.app_id))
    }

    fn made<B: MetricVecBuilder>(
        &self,
        name: &str,
        labels: &[&str],
        make: impl Fn() -> prometheus::Result<MetricVec<B>>,
    ) -> Series<MetricVec<B>, B::M>
    where
        MetricVec<B>: Collector + Clone + 'static,
    {
        let fresh = || make().expect("names and bounds are well-formed");
        let series = fresh();
        self.registry.register(Box::new(series.clone())).expect("no two have one name");
        self.names.borrow_mut().push(name.to_owned());
        let nowhere = fresh().with_label_values(&vec![""; labels.len()]);
        Series { series, rules: self.rules.of(name, labels), open: None, nowhere }
    }

    fn histogram(&self, name: &str, labels: &[&str], buckets: &[f64]) -> Histograms {
        let options = HistogramOpts::from(self.options(name)).buckets(buckets.to_vec());
        self.made(name, labels, || HistogramVec::new(options.clone(), labels))
    }

    pub(super) fn latencies(&self, name: &str, labels: &[&str]) -> Histograms {
        self.histogram(name, labels, &self.latencies)
    }

    pub(super) fn sizes(&self, name: &str, labels: &[&str]) -> Histograms {
        self.histogram(name, labels, &self.sizes)
    }

    pub(super) fn counter(&self, name: &str, labels: &[&str]) -> Counters {
        self.made(name, labels, || IntCounterVec::new(self.options(name), labels))
    }

    pub(super) fn float_counter(&self, name: &str, labels: &[&str]) -> FloatCounters {
        self.made(name, labels, || CounterVec::new(self.options(name), labels))
    }
}

// === impl Series ===

impl<B: MetricVecBuilder> Series<MetricVec<B>, B::M> {
    /// The labels at these places have values that callers make up. Those beyond a bound, after rules
    /// have changed them, are counted together, by empty values.
    pub(super) fn open(self, places: &'static [usize]) -> Self {
        Self { open: Some(Box::new(Open::new(places))), ..self }
    }

    /// The series of these labels, in the order in which the metric has them. As in Dapr, what has a
    /// value that cannot be a label's is counted nowhere.
    pub(super) fn of(&self, labels: &[&str]) -> B::M {
        match &self.rules {
            None => self.found(labels),
            Some(rules) => {
                let changed = rules.changed(labels);
                self.found(&changed.iter().map(|value| &**value).collect::<Vec<_>>())
            }
        }
    }

    fn found(&self, labels: &[&str]) -> B::M {
        if !labels.iter().all(|value| is_label(value)) {
            return self.nowhere.clone();
        }
        match &self.open {
            Some(open) if !open.has_room_for(labels) => {
                self.series.with_label_values(&open.emptied(labels))
            }
            _ => self.series.with_label_values(labels),
        }
    }
}

/// Whether Dapr takes it for the value of a label.
fn is_label(value: &str) -> bool {
    value.len() <= LONGEST && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}
