//! What only a start needs of replug's program is not kept in memory.

use std::convert::Infallible;
use std::time::Duration;

use replug_supervisor::process::give_back_program;
use replug_supervisor::supervisor::Supervisor;
use tokio::time::{sleep, timeout};

/// How long plugins have stood as they are when nothing more is taken to follow soon.
const SETTLED: Duration = Duration::from_secs(2);

/// How long it is left alone then, however plugins come and go.
const PAUSE: Duration = Duration::from_secs(60);

/// Gives back what is in memory of the program when plugins have started, ended or changed and
/// nothing has followed for a while: three quarters of it are read at a start alone, and what is
/// still needed comes back by itself, in less than a millisecond for all calls together.
pub(super) async fn keep_slim(supervisor: &Supervisor) -> Infallible {
    let mut changes = supervisor.changes();
    loop {
        changes.next().await;
        while timeout(SETTLED, changes.next()).await.is_ok() {}
        match tokio::task::spawn_blocking(give_back_program).await {
            Ok(Ok(bytes)) => tracing::debug!(bytes, "the program's memory is given back"),
            Ok(Err(error)) => tracing::debug!(%error, "the program's memory is kept"),
            Err(error) => tracing::debug!(%error, "the program's memory is kept"),
        }
        sleep(PAUSE).await;
    }
}
