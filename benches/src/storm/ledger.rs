//! What was written and read, and what has to be there for it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tonic::Status;

use crate::Failure;
use crate::application::{Application, outcome_unknown};
use crate::report::{Report, Table};

/// The outcomes of writes and reads.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    acknowledged: Vec<u64>,
    /// Writes of which replug said that they may have been carried out or not.
    unknown: Vec<u64>,
    /// Other failed writes, by code.
    failed_writes: BTreeMap<String, usize>,
    failed_reads: BTreeMap<String, usize>,
    reads: usize,
    /// Reads of an acknowledged write that gave something else.
    wrong_reads: usize,
    /// One failure as it was told, for whoever looks for its cause.
    example: Option<String>,
    slowest: Duration,
}

/// The key of a number.
pub(super) fn key(number: u64) -> String {
    format!("key-{number}")
}

/// The value of a number, and of no other.
pub(super) fn value(number: u64) -> Bytes {
    format!("{{\"number\":{number},\"filling\":\"{:064x}\"}}", u128::from(number).pow(2)).into()
}

impl Ledger {
    pub(super) fn wrote(&mut self, number: u64, written: Result<(), Status>, took: Duration) {
        self.slowest = self.slowest.max(took);
        match written {
            Ok(()) => self.acknowledged.push(number),
            Err(status) if outcome_unknown(&status) => self.unknown.push(number),
            Err(status) => {
                *self.failed_writes.entry(format!("{:?}", status.code())).or_default() += 1;
                self.example.get_or_insert_with(|| format!("write: {status}"));
            }
        }
    }

    pub(super) fn read(&mut self, number: u64, read: Result<Bytes, Status>, took: Duration) {
        self.slowest = self.slowest.max(took);
        self.reads += 1;
        match read {
            Ok(found) if found == value(number) => {}
            Ok(found) => {
                self.wrong_reads += 1;
                self.example.get_or_insert_with(|| format!("{} gave {found:?}", key(number)));
            }
            Err(status) => {
                *self.failed_reads.entry(format!("{:?}", status.code())).or_default() += 1;
                self.example.get_or_insert_with(|| format!("read: {status}"));
            }
        }
    }

    /// A write that has been acknowledged, now or long ago.
    pub(super) fn an_acknowledged(&self) -> Option<u64> {
        fastrand::choice(&self.acknowledged).copied()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.unknown.extend(other.unknown);
        for (all, more) in [
            (&mut self.failed_writes, other.failed_writes),
            (&mut self.failed_reads, other.failed_reads),
        ] {
            for (code, count) in more {
                *all.entry(code).or_default() += count;
            }
        }
        self.reads += other.reads;
        self.wrong_reads += other.wrong_reads;
        self.example = self.example.take().or(other.example);
        self.slowest = self.slowest.max(other.slowest);
    }

    /// How many writes there were, so the first number that none has had.
    pub(super) fn next(&self) -> u64 {
        (self.acknowledged.len() + self.unknown.len() + sum(&self.failed_writes)) as u64
    }

    /// Acknowledged writes.
    pub(super) fn writes(&self) -> usize {
        self.acknowledged.len()
    }

    pub(super) fn slowest(&self) -> Duration {
        self.slowest
    }

    /// Reads every acknowledged write again. Gives how many are not there as they were written.
    pub(super) async fn verify(&self, applications: &[Application]) -> Result<usize, Failure> {
        let mut readers = JoinSet::new();
        let share = self.acknowledged.len().div_ceil(applications.len()).max(1);
        for (application, numbers) in applications.iter().zip(self.acknowledged.chunks(share)) {
            let (mut application, numbers) = (application.clone(), numbers.to_vec());
            readers.spawn(async move {
                let mut lost = 0;
                for number in numbers {
                    if application.get(key(number)).await? != value(number) {
                        lost += 1;
                    }
                }
                Ok::<_, Status>(lost)
            });
        }
        let mut lost = 0;
        while let Some(read) = readers.join_next().await {
            lost += read??;
        }
        Ok(lost)
    }

    /// What came of the calls; `writes` of them were acknowledged in `took`, while it was killed.
    pub(super) fn table(&self, took: Duration, writes: usize) -> Table {
        let mut table = Table::new("calls", ["what", "count"]);
        table.row(["writes acknowledged".into(), self.acknowledged.len().into()]);
        table.row(["writes whose outcome is unknown".into(), self.unknown.len().into()]);
        table.row(["reads".into(), self.reads.into()]);
        for (what, by_code) in [("writes", &self.failed_writes), ("reads", &self.failed_reads)] {
            for (code, &count) in by_code {
                table.row([format!("{what} failed with {code}").into(), count.into()]);
            }
        }
        let seconds = took.as_secs().max(1);
        table.row(["writes a second in the storm".into(), (writes as u64 / seconds).into()]);
        table.row(["seconds of the storm".into(), took.as_secs().into()]);
        table
    }

    /// What has to hold of the calls.
    pub(super) fn require(&self, report: &mut Report) {
        report.require_none("failed reads", sum(&self.failed_reads));
        report.require_none("reads of another value", self.wrong_reads);
        report.require_none(
            "failed writes but those with an unknown outcome",
            sum(&self.failed_writes),
        );
        if let Some(example) = &self.example {
            report.note(format!("the first failure: {example}"));
        }
    }
}

fn sum(counts: &BTreeMap<String, usize>) -> usize {
    counts.values().sum()
}
