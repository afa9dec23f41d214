//! Tasks that write and read for as long as they are let.

use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::rig::Application;

/// How many tasks share each application's connection.
const TASKS_EACH: usize = 3;

/// A running load. Its tasks end with it.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    tasks: JoinSet<Outcome>,
}

/// What came of one task's calls.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Keys that were written. Each has itself as its value.
    pub(crate) acknowledged: Vec<String>,
    /// Keys of writes of which it is not known whether they were carried out.
    pub(crate) unknown: Vec<String>,
    /// What must not have happened.
    pub(crate) failed: Vec<String>,
}

impl Load {
    /// Starts tasks over these applications' connections. Their keys begin with `name`.
    pub(crate) fn start(applications: &[Application], name: &str) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (number, application) in applications.iter().enumerate() {
            for task in 0..TASKS_EACH {
                let name = format!("{name}-{number}-{task}");
                tasks.spawn(work(application.clone(), name, stopped.clone()));
            }
        }
        Self { stop, tasks }
    }

    /// Lets the calls under way end.
    pub(crate) async fn stop(self) -> Vec<Outcome> {
        self.stop.send_replace(true);
        self.tasks.join_all().await
    }
}

/// Writes a new key, reads one that was written, and so on.
async fn work(application: Application, name: String, stopped: watch::Receiver<bool>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut number = 0_u64;
    while !*stopped.borrow() {
        number += 1;
        let key = format!("{name}-{number}");
        match application.save(&key, &key).await {
            Ok(()) => outcome.acknowledged.push(key),
            // Under way when the plugin was killed.
            Err(status) if outcome_unknown(&status) => outcome.unknown.push(key),
            Err(status) => outcome.failed.push(format!("write {key}: {status}")),
        }
        let Some(key) = fastrand::choice(&outcome.acknowledged) else { continue };
        match application.get(key).await {
            Ok(value) if value == key.as_bytes() => {}
            Ok(value) => outcome.failed.push(format!("read {key}: {value:?}")),
            Err(status) => outcome.failed.push(format!("read {key}: {status}")),
        }
    }
    outcome
}

/// Whether replug says of a failed write that it may have been carried out or not.
fn outcome_unknown(status: &Status) -> bool {
    let info = status.get_details_error_info();
    info.is_some_and(|info| info.metadata.get("outcome_unknown").is_some_and(|it| it == "true"))
}
