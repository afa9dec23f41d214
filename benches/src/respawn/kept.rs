//! One process, kept alive by one supervisor.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::stamps::{Stamp, Stamps, now};
use crate::home::{Home, text};
use crate::plugin::PLUGIN;
use crate::process::Process;
use crate::replug::Replug;
use crate::tiny::STAMPS;
use crate::{Failure, PATIENCE};

/// Who keeps a process alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supervisor {
    Replug,
    Runsv,
    S6,
}

/// A supervisor that runs, and its process.
pub(super) struct Kept {
    supervisor: Supervisor,
    running: Running,
    stamps: Stamps,
    present: Stamp,
}

enum Running {
    Replug(Replug),
    Other(Child),
}

// === impl Supervisor ===

impl Supervisor {
    pub(super) const ALL: [Self; 3] = [Self::Replug, Self::Runsv, Self::S6];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Replug => "replug",
            Self::Runsv => "runsv",
            Self::S6 => "s6-supervise",
        }
    }

    /// What it makes a process wait for that ended soon after its start.
    pub(super) fn forced_delay(self) -> Option<&'static str> {
        match self {
            Self::Replug => None,
            Self::Runsv => Some("waits a second after an end within the first second of a life"),
            Self::S6 => Some("waits a second before a start that follows an end"),
        }
    }
}

// === impl Kept ===

impl Kept {
    /// Starts the supervisor, and waits until its process has begun.
    pub(super) async fn start(
        supervisor: Supervisor,
        replug: &Path,
        tiny: &Path,
        home: &Home,
    ) -> Result<Self, Failure> {
        let name = supervisor.name();
        let stamps = Stamps::listen(&home.path(&format!("{name}.stamps")))?;
        let running = if supervisor == Supervisor::Replug {
            home.write_plan(&format!(
                "[plugins.{PLUGIN}]\n\
                 command = [{:?}]\n\
                 env = {{ {STAMPS} = {:?} }}\n\
                 backoff = {{ stable_after = \"1ms\" }}\n",
                text(tiny),
                text(stamps.path()),
            ))?;
            Running::Replug(Replug::launch(replug, home)?)
        } else {
            let folder = home.path(name);
            std::fs::create_dir(&folder)?;
            symlink(tiny, folder.join("run"))?;
            let mut command = Command::new(name);
            command.arg(&folder).env(STAMPS, stamps.path());
            command.env("REPLUG_SOCKET_FOLDER", folder.join("sockets"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let started = command.kill_on_drop(true).spawn();
            let remedy = "Debian has it in its packages runit and s6";
            Running::Other(started.map_err(|error| format!("{error}; {remedy}"))?)
        };
        let present = stamps.next().await?;
        Ok(Self { supervisor, running, stamps, present })
    }

    pub(super) fn name(&self) -> &'static str {
        self.supervisor.name()
    }

    pub(super) fn supervisor(&self) -> Supervisor {
        self.supervisor
    }

    /// Kills the process, and waits for the next. Gives how long that took.
    pub(super) async fn kill(&mut self) -> Result<Duration, Failure> {
        if let Running::Replug(replug) = &mut self.running {
            let pid = self.present.pid;
            replug.until(|life| life.pid == pid && life.ready).await?;
        }
        let process = Process::find(self.present.pid);
        let process = process.map_err(|error| format!("under {}: {error}", self.name()))?;
        let killed = now();
        process.kill()?;
        self.present = self.stamps.next().await?;
        Ok(self.present.at.saturating_sub(killed))
    }

    /// Ends the supervisor, and with it the process.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        match self.running {
            Running::Replug(replug) => replug.stop().await,
            Running::Other(mut child) => {
                let pid = child.id().ok_or("it has ended")?;
                Process::find(pid)?.ask_to_end()?;
                timeout(PATIENCE, child.wait()).await.map_err(|_| "it does not end")??;
                Ok(())
            }
        }
    }
}
