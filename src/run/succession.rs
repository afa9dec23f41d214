//! Another program takes over: it is judged, callers end, plugins are let go of, and then it is
//! executed in the place of this one. Where that fails, this one goes on as if nothing had been.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use replug_runtime::api::Bound;
use replug_supervisor::output::HandedPrintouts;
use replug_supervisor::process::Successor;
use replug_supervisor::upgrade::{
    self, Accepted, Candidate, Estate, Folder, Keeping, Listening, Luggage, Request,
};
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;

use super::house::{Furniture, House, Plugins};
use super::life::Life;
use super::signals::Stop;
use super::{GRACE, VERSION, addresses};
use crate::exit::Failure;

/// The program that takes over.
pub(super) struct Heir {
    candidate: Candidate,
    /// How long calls that are under way have to end.
    drain: Duration,
}

/// What has come of it, where this program is still the one that runs.
pub(super) enum Outcome {
    /// It goes on with this.
    GoesOn(Box<Furniture>),
    /// Somebody wants everything to stop.
    ToStop(Box<Life>),
    /// It cannot go on.
    Stuck(Failure),
}

/// Waits until somebody wants another program to take over, and one can.
pub(super) async fn sought(
    house: &House,
    requests: &mut mpsc::Receiver<Request>,
    signal: &mut Signal,
) -> Heir {
    loop {
        let (binary, drain, answer) = tokio::select! {
            Some(Request { binary, drain, answer }) = requests.recv() => {
                (binary, drain, Some(answer))
            }
            Some(()) = signal.recv() => (None, None, None),
        };
        let binary = binary.unwrap_or_else(|| house.program.clone());
        let judged = judge(house, binary).await;
        let told = match &judged {
            Ok(candidate) => {
                let version = candidate.fitness.replug.clone();
                Ok(Accepted { version, attempt: house.past.attempts + 1 })
            }
            Err(reason) => {
                tracing::error!("no upgrade: {reason}");
                house.record(format!("no upgrade: {reason}"));
                Err(reason.clone())
            }
        };
        if let Some(answer) = answer {
            // Whoever asked may have gone. What was asked is done nevertheless.
            let _ = answer.send(told);
        }
        if let Ok(candidate) = judged {
            return Heir { candidate, drain: drain.unwrap_or(GRACE) };
        }
    }
}

async fn judge(house: &House, binary: PathBuf) -> Result<Candidate, String> {
    if house.daprd.is_some() {
        return Err("in daprd's place replug is not upgraded while it runs: restart it".to_owned());
    }
    let candidate = upgrade::examine(&house.spawner, &binary, &house.config).await?;
    let places = addresses::places(&house.plan);
    if candidate.fitness.places != places {
        return Err(format!(
            "plugins.toml names other places now than those that replug uses ({}): an upgrade \
             changes none of them, a restart does",
            places.join(", ")
        ));
    }
    Ok(candidate)
}

/// Has the program take over. Returns where it has not.
pub(super) async fn hand_over(
    house: &mut House,
    mut life: Life,
    heir: Heir,
    stop: &mut Stop,
) -> Outcome {
    let Heir { candidate, drain } = heir;
    let program = candidate.program.display().to_string();
    let to = &candidate.fitness.replug;
    let hands_over = format!("replug {VERSION} hands over to replug {to} ({program})");
    tracing::info!("upgrade: {hands_over}");
    house.record(format!("upgrade: {hands_over}"));
    house.notify.reloading("upgrading").await;
    house.past.attempts += 1;
    let supervisor = life.supervisor.clone();
    let apis = tokio::select! {
        apis = life.fall_silent(drain) => apis,
        never = house.notify.keep(&supervisor) => match never {},
        signal = stop.asked() => {
            tracing::info!("{signal}: stopping, and no upgrade");
            return Outcome::ToStop(Box::new(life));
        }
    };
    let Some(apis) = apis else {
        return Outcome::Stuck(Failure::failed("nothing serves applications any more"));
    };
    house.plan = life.present.borrow().clone();
    // Should this one go on, what is wrong by then is rather told twice than not.
    house.told.clear();
    let plugins = supervisor.hand_over().await;
    drop(supervisor);
    let Life { supervisor, log, log_end, .. } = life;
    let printed = log.hand_over();
    drop((supervisor, log));
    log_end.written().await;

    let mut luggage = Luggage::default();
    let estate = settle(house, &apis, plugins, printed, &mut luggage).await;
    let error = match &estate {
        Ok(estate) => execute(house, &candidate, estate, &luggage).await,
        Err(error) => error.to_string(),
    };
    tracing::error!("no upgrade, replug {VERSION} goes on: {program} cannot be executed: {error}");
    house.past.failure = format!("{program} cannot be executed: {error}");
    house.record(format!("no upgrade: {}", house.past.failure));
    let left = estate.and_then(|estate| {
        let plugins = estate.plugins.into_iter();
        let plugins = plugins.map(|plugin| plugin.with(|ticket| luggage.claim(ticket)));
        Ok((plugins.collect::<io::Result<_>>()?, estate.printed))
    });
    match left {
        Ok((processes, printed)) => {
            let plugins = Plugins::Left { processes, printed };
            Outcome::GoesOn(Box::new(Furniture { apis, plugins }))
        }
        Err(error) => Outcome::Stuck(Failure::failed(format!("plugins are lost: {error}"))),
    }
}

/// Puts all there is where the next program finds it.
async fn settle(
    house: &House,
    apis: &Bound,
    plugins: Vec<replug_supervisor::plugin::Handed<std::os::fd::OwnedFd>>,
    printed: HandedPrintouts,
    luggage: &mut Luggage,
) -> io::Result<Estate> {
    let plugins = plugins
        .into_iter()
        .map(|plugin| plugin.with(|descriptor| Ok::<_, io::Error>(luggage.check_in(descriptor))));
    let plugins = plugins.collect::<io::Result<_>>()?;
    let apis = addresses::on_their_way(apis, luggage)?;
    let control = Listening {
        path: house.control.path().to_owned(),
        socket: luggage.check_in(house.control.shared()?),
    };
    let run =
        Folder { path: house.run.path().to_owned(), lock: luggage.check_in(house.run.lock()?) };
    let keeping = Keeping::pack(house.spawner.heritage().await?, luggage);
    Ok(Estate {
        version: VERSION.to_owned(),
        upgrades: house.past.upgrades + 1,
        attempts: house.past.attempts,
        started: house.past.started,
        apis,
        control,
        run,
        keeping,
        plugins,
        journal: house.journal.hand_over(),
        printed,
    })
}

/// Becomes the next program. Returns only why not.
async fn execute(
    house: &House,
    candidate: &Candidate,
    estate: &Estate,
    luggage: &Luggage,
) -> String {
    let successor = candidate.is_unchanged().and_then(|()| {
        let inherits = upgrade::packed(estate, luggage).map_err(|error| error.to_string())?;
        let environment: Vec<_> = upgrade::environment(&inherits).collect();
        let program = candidate.program.clone();
        Successor::new(program, std::env::args_os(), environment, inherits)
            .map_err(|error| error.to_string())
    });
    match successor {
        Ok(successor) => house.spawner.succeed(successor).await.to_string(),
        Err(error) => error,
    }
}
