//! A declared plugin on its way from one program of replug to the next.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Then;
use crate::output::HandedOutput;
use crate::plan::{self, PluginSpec};
use crate::process::Bounds;
use crate::restart::Memory;

/// One process of a declared plugin on its way from one program of replug to the next; `D` is a descriptor, or what
/// stands for one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Handed<D> {
    /// The plugin's name.
    pub name: String,
    /// Which of its processes this is about.
    pub(crate) instance: u32,
    pub(crate) state: HandedState,
    pub(crate) generation: u64,
    pub(crate) backoff: Memory,
    /// How the last generation ended.
    pub(crate) last_exit: Option<String>,
    pub(crate) reason: String,
    pub(crate) last_lines: Vec<String>,
    /// What it says of itself.
    pub(crate) says: String,
    pub(crate) life: Option<HandedLife<D>>,
}

/// Where a plugin is in its life, as far as the next program has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HandedState {
    /// There is no process and none is to come.
    Stopped,
    /// There is a process that can be used, or is to become so.
    Running,
    /// The process was told to end.
    Stopping(Then),
    /// There is no process; the next comes after this long.
    Backoff(Duration),
}

/// A generation on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HandedLife<D> {
    pub(crate) pid: u32,
    pub(crate) uptime: Duration,
    /// For how long it was ready, if it ever was.
    pub(crate) ready_for: Option<Duration>,
    /// Its private socket folder.
    pub(crate) folder: PathBuf,
    /// Who serves on its sockets, where that is not replug's own user.
    pub(crate) user: Option<u32>,
    pub(crate) bounds: Bounds,
    pub(crate) vitals: HandedVitals<D>,
    pub(crate) output: HandedOutput<D>,
    pub(crate) started_as: StartedAs,
}

/// How a generation is, on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HandedVitals<D> {
    /// Where it is listened to.
    pub(crate) told: Option<D>,
    /// Whether it has told that it is ready, or does not have to.
    pub(crate) ready_told: bool,
    /// How often it has to tell that it lives.
    pub(crate) watchdog: Option<Duration>,
}

/// What a process was started with, as far as another one would have to be started where the plan
/// says something else now. `Debug` leaves out the environment, in which there may be secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StartedAs {
    /// A program with its arguments, or a component type with its.
    command: Vec<String>,
    is_builtin: bool,
    environment: Vec<(String, String)>,
    cwd: PathBuf,
    socket: Option<PathBuf>,
    notify: bool,
}

// === impl Handed ===

impl<D> Handed<D> {
    /// Whether there ever was a process of it.
    pub(crate) fn has_been_started(&self) -> bool {
        self.generation > 0
    }

    /// Whether it runs, or is to run again by itself.
    pub(crate) fn is_up(&self) -> bool {
        !matches!(self.state, HandedState::Stopped | HandedState::Stopping(Then::Stay))
    }

    /// Its process, where there is one.
    pub(crate) fn process(&self) -> Option<u32> {
        self.life.as_ref().map(|life| life.pid)
    }

    /// The same with other descriptors. The first error is the end.
    pub fn with<E, Error>(
        self,
        change: impl FnMut(D) -> Result<E, Error>,
    ) -> Result<Handed<E>, Error> {
        let life = self.life.map(|life| life.with(change)).transpose()?;
        Ok(Handed {
            name: self.name,
            instance: self.instance,
            state: self.state,
            generation: self.generation,
            backoff: self.backoff,
            last_exit: self.last_exit,
            reason: self.reason,
            last_lines: self.last_lines,
            says: self.says,
            life,
        })
    }
}

impl<D> HandedLife<D> {
    fn with<E, Error>(
        self,
        mut change: impl FnMut(D) -> Result<E, Error>,
    ) -> Result<HandedLife<E>, Error> {
        let Self { pid, uptime, ready_for, folder, user, bounds, vitals, output, started_as } =
            self;
        let vitals = vitals.with(&mut change)?;
        let output = output.with(change)?;
        Ok(HandedLife { pid, uptime, ready_for, folder, user, bounds, vitals, output, started_as })
    }
}

impl<D> HandedVitals<D> {
    fn with<E, Error>(
        self,
        change: impl FnMut(D) -> Result<E, Error>,
    ) -> Result<HandedVitals<E>, Error> {
        let Self { told, ready_told, watchdog } = self;
        Ok(HandedVitals { told: told.map(change).transpose()?, ready_told, watchdog })
    }
}

// === impl StartedAs ===

impl fmt::Debug for StartedAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, is_builtin, environment: _, cwd, socket, notify } = self;
        f.debug_struct("StartedAs")
            .field("command", command)
            .field("is_builtin", is_builtin)
            .field("cwd", cwd)
            .field("socket", socket)
            .field("notify", notify)
            .finish_non_exhaustive()
    }
}

impl StartedAs {
    /// The path of its socket, where it has not taken the one that replug told it.
    pub(super) fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    pub(super) fn of(spec: &PluginSpec) -> Self {
        let (first, args, is_builtin) = match &spec.launch {
            plan::Launch::Command { program, args } => {
                (program.to_string_lossy().into_owned(), args, false)
            }
            plan::Launch::Builtin { component_type, args } => {
                (component_type.to_string(), args, true)
            }
        };
        let rest = args.iter().cloned();
        Self {
            command: std::iter::once(first).chain(rest).collect(),
            is_builtin,
            environment: spec
                .env
                .iter()
                .map(|(name, value)| {
                    // A store may give another value by now, which is no other setting.
                    let referred = || value.reference().map(|it| format!("{it:?}"));
                    let value = value.expose().map(str::to_owned).or_else(referred);
                    (name.clone(), value.unwrap_or_default())
                })
                .collect(),
            cwd: spec.cwd.clone(),
            socket: spec.socket.clone(),
            notify: spec.notify,
        }
    }
}
