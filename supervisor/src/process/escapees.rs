//! What left its plugin's group, as a daemon does, and outlived its life, where no cgroup holds it:
//! looked for among the orphans, known by its mark, and killed.

use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};
use tokio::time::{Instant, sleep_until};

use super::mark::{Mark, Origin};
use super::orphans::Orphans;

/// How long after a look at which some could not be known the next one is, at first. The kernel does
/// not say when a process has become another program, which takes a moment.
const MOMENT: Duration = Duration::from_millis(1);

/// For how long what cannot be known is looked at: what has no environment has none later either.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far the search is.
#[derive(Debug, Default)]
pub(super) struct Escapees {
    /// Whether some may be there, or were killed and have not ended.
    dying: bool,
    /// Those of whom nothing can be known yet.
    unknown: Option<Unknown>,
}

#[derive(Debug, Clone, Copy)]
struct Unknown {
    since: Instant,
    look_at: Instant,
}

impl Escapees {
    /// Has them looked for whenever a child has ended.
    pub(super) fn look(&mut self) {
        self.dying = true;
    }

    /// Whether some may be there, or were killed and have not ended: to be looked for again when a
    /// child has ended.
    pub(super) fn are_dying(&self) -> bool {
        self.dying
    }

    /// Resolves when they are to be looked for again; never, where none is unknown. Dropping the
    /// future loses nothing.
    pub(super) async fn may_be_known(&self) {
        match self.unknown {
            Some(Unknown { look_at, .. }) => sleep_until(look_at).await,
            None => std::future::pending().await,
        }
    }

    /// Looks for them, and kills them; with `all`, whatever came from a plugin.
    ///
    /// Orphans are children that only the caller reaps, so a number is its process's own.
    pub(super) fn end(
        &mut self,
        mark: &Mark,
        orphans: &Orphans,
        is_own: impl Fn(u32) -> bool,
        lives: impl Fn(u64) -> bool,
        all: bool,
    ) {
        let (mut killed, mut unknown) = (false, false);
        for pid in orphans.adopted().into_iter().filter(|pid| !is_own(*pid)) {
            let origin = mark.origin_of(pid);
            unknown |= origin == Origin::Unknown;
            if all || matches!(origin, Origin::Life(life) if !lives(life)) {
                killed |= kill_with_group(pid);
            }
        }
        self.dying = killed;
        let now = Instant::now();
        let since = self.unknown.map_or(now, |unknown| unknown.since);
        let looked = now - since;
        self.unknown = (unknown && looked < PATIENCE)
            .then(|| Unknown { since, look_at: now + looked.max(MOMENT) });
    }
}

/// Kills an orphan, with its group where that is its own. False: it may not be killed.
fn kill_with_group(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    let pid = Pid::from_raw(pid);
    if getpgid(Some(pid)) == Ok(pid) {
        // At once, so that none of it starts another meanwhile.
        let _ = killpg(pid, Signal::SIGKILL);
    }
    tracing::debug!("killed {pid}, which had left its plugin's group");
    kill(pid, Signal::SIGKILL).is_ok()
}
