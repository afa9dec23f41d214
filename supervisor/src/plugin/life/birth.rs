//! How a generation begins: by a start of its process, or with one that the program before has let
//! go of.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Arc;

use replug_runtime::plugin::Seat;
use replug_runtime::registry::Registry;
use tokio::time::Instant;

use super::super::handed::HandedLife;
use super::super::spec::Secrets;
use super::super::task::Surroundings;
use super::vitals::Vitals;
use super::{Life, Readiness};
use crate::connect::SocketSet;
use crate::output::{Output, Source};
use crate::plan::PluginSpec;
use crate::process::Bounds;
use crate::process::confinement::Identity;
use crate::sockets::{Place, PrivateFolder};
use crate::told::{SOCKET_NAME, Told};

/// A life that has begun.
pub(in crate::plugin) struct Birth {
    pub(in crate::plugin) life: Life,
    pub(in crate::plugin) pid: u32,
    pub(in crate::plugin) bounds: Bounds,
}

impl Life {
    /// Starts the process, with `secrets` for what its variables refer to. An error is a text for
    /// people.
    pub(in crate::plugin) async fn begin(
        spec: &PluginSpec,
        seat: Seat,
        surroundings: &Surroundings,
        secrets: &Secrets,
    ) -> Result<Birth, String> {
        let life_name = spec.life_name(seat);
        let identity = identity(spec).await?;
        let user = identity.as_ref().map(|identity| identity.uid);
        if let Some(socket) = &spec.socket {
            clear_stale(socket).await?;
        }
        let Surroundings { run, watch, spawner, .. } = surroundings;
        let place = run.place(&spec.name, &life_name).map_err(|error| error.to_string())?;
        let launch = spec.process(seat, &surroundings.replug, &place, identity, secrets);
        let mut launch = launch.await?;
        let probe_launch = spec.probe.is_some().then(|| launch.clone());
        let mut vitals = Vitals::prepare(spec, &place, &mut launch);
        // Its folder is made by the thread that starts it: to have it done elsewhere first would
        // take as long again as all that a start takes here.
        let notify = spec.notify;
        let made = move || folder_of(place, user, notify);
        let started = spawner.spawn_after(launch, made).await;
        let (mut process, (private, told)) = started.map_err(|error| error.to_string())?;
        // Watched when the process runs already: what is in the folder by then is seen as what comes
        // later.
        let folder = match &spec.socket {
            None => watch.watch_private(private.path()).await,
            Some(socket) => watch.watch_file_of(socket, user).await,
        };
        let folder = folder.map_err(|error| error.to_string())?;
        told.map_or(Ok(()), |socket| vitals.hear(socket))?;
        let pid = process.pid();
        let bounds = process.bounds().clone();
        vitals.begin(spec, surroundings, pid, probe_launch);
        let source = source(spec, seat);
        let pipes = process.take_output().expect("nobody has taken them from a new process");
        let output = Output::read(&source, pipes, &surroundings.log);
        let life = Self {
            plugin: spec.name.as_str().into(),
            label: spec.instance_name(seat.instance),
            seat,
            process,
            output,
            folder,
            sockets: SocketSet::new(Arc::<Registry>::clone(&surroundings.registry)),
            user,
            bounds: bounds.clone(),
            health: spec.health,
            any_socket: false,
            disconnected: false,
            held: Vec::new(),
            vitals,
            readiness: Readiness::NotYet,
            begun: Instant::now(),
            private,
        };
        Ok(Birth { life, pid, bounds })
    }

    /// Goes on with a process that the program before has let go of. An error is a text for people,
    /// and the end of the process.
    pub(in crate::plugin) async fn adopt(
        spec: &PluginSpec,
        seat: Seat,
        handed: HandedLife<OwnedFd>,
        surroundings: &Surroundings,
    ) -> Result<Birth, String> {
        let process = surroundings.spawner.claim(handed.pid).await;
        let process = process.map_err(|error| format!("its process cannot be watched: {error}"))?;
        let private = PrivateFolder::adopt(handed.folder, &spec.name);
        let watch = &surroundings.watch;
        // As it was started, whatever the plan says now.
        let folder = match handed.started_as.socket() {
            None => watch.watch_private(private.path()).await,
            Some(socket) => watch.watch_file_of(socket, handed.user).await,
        };
        let folder = folder.map_err(|error| error.to_string())?;
        let mut vitals = Vitals::resume(spec, handed.vitals, handed.ready_for.is_some())?;
        let launch = spec.process_as_read(
            seat,
            &surroundings.replug,
            private.place(),
            identity(spec).await?,
        );
        vitals.begin(spec, surroundings, handed.pid, Some(launch));
        let source = source(spec, seat);
        let life = Self {
            plugin: spec.name.as_str().into(),
            label: spec.instance_name(seat.instance),
            seat,
            user: handed.user,
            bounds: handed.bounds.clone(),
            output: Output::resume(&source, handed.output, &surroundings.log),
            folder,
            sockets: SocketSet::new(Arc::<Registry>::clone(&surroundings.registry)),
            health: spec.health,
            any_socket: false,
            disconnected: false,
            held: Vec::new(),
            vitals,
            readiness: handed.ready_for.map_or(Readiness::NotYet, Readiness::Was),
            private,
            begun: Instant::now().checked_sub(handed.uptime).unwrap_or_else(Instant::now),
            process,
        };
        Ok(Birth { pid: life.process.pid(), bounds: handed.bounds, life })
    }
}

/// Makes a life's folder, `user`'s own where one is named, and where it is to be told something the
/// socket for that. An error is a text for people.
fn folder_of(
    place: Place,
    user: Option<u32>,
    notify: bool,
) -> Result<(PrivateFolder, Option<OwnedFd>), String> {
    let private = place.make(user).map_err(|error| error.to_string())?;
    let told = notify.then(|| Told::bind(private.path())).transpose();
    let told = told.map_err(|error| {
        format!("cannot listen on {}: {error}", private.path().join(SOCKET_NAME).display())
    })?;
    Ok((private, told))
}

/// Who prints what a life prints.
fn source(spec: &PluginSpec, seat: Seat) -> Source {
    let Seat { instance, generation } = seat;
    Source { plugin: spec.name.as_str().into(), instance, generation }
}

/// Whom the plugin runs as, looked up anew for each life: users come and go.
async fn identity(spec: &PluginSpec) -> Result<Option<Identity>, String> {
    let account = spec.confinement.account.clone();
    if account.is_own() {
        return Ok(None);
    }
    let looked_up = tokio::task::spawn_blocking(move || account.resolve()).await;
    looked_up.unwrap_or_else(|error| Err(error.to_string()))
}

/// Removes the socket that a dead process left at a fixed path: a new one could not be bound there.
async fn clear_stale(socket: &Path) -> Result<(), String> {
    let found = match std::fs::symlink_metadata(socket) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", socket.display())),
    };
    if !found.file_type().is_socket() {
        return Err(format!("{} is in the way: it is no socket", socket.display()));
    }
    if tokio::net::UnixStream::connect(socket).await.is_ok() {
        return Err(format!("somebody else serves on {} already", socket.display()));
    }
    std::fs::remove_file(socket)
        .map_err(|error| format!("cannot remove the stale socket {}: {error}", socket.display()))
}
