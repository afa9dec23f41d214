//! `replug start`, `stop`, `restart`, `signal` and `wait`: what becomes of plugins, asked of a
//! running replug.

use futures_util::future::join_all;
use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::plugin::State;
use replug_supervisor::control::ClientError;

use crate::block_on;
use crate::cli::{PluginNamesArgs, RestartArgs, SignalArgs, WaitArgs, WaitState};
use crate::exit::Failure;
use crate::status::{connect, plugin_state, state_of, write_outcomes};
use crate::stdout;

/// What came of one plugin, by its name.
pub(crate) type Outcome = (String, Result<pb::Plugin, Failure>);

/// Has plugins run, and says how it went.
pub(crate) fn start(args: &PluginNamesArgs) -> Result<(), Failure> {
    block_on(async {
        let client = &connect(&args.control).await?;
        // At once: one may have to be ready before another can start.
        let started = args.plugins.iter().map(async |name| outcome(name, client.start(name).await));
        tell(args, join_all(started).await)
    })
}

/// Has plugins not run, and says how it went.
pub(crate) fn stop(args: &PluginNamesArgs) -> Result<(), Failure> {
    block_on(async {
        let client = &connect(&args.control).await?;
        let stopped = args.plugins.iter().map(async |name| outcome(name, client.stop(name).await));
        tell(args, join_all(stopped).await)
    })
}

/// Has the next generations of plugins run, and says how it went.
pub(crate) fn restart(args: &RestartArgs) -> Result<(), Failure> {
    let rolling = args.rolling;
    let args = &args.names;
    block_on(async {
        let client = connect(&args.control).await?;
        let mut outcomes = Vec::new();
        // One after the other: what one of them serves is there while the next is away.
        for name in &args.plugins {
            let restarted = client.restart(name, rolling).await.map(|answer| {
                if !answer.plainly.is_empty() {
                    eprintln!("{name}: restarted, not replaced: {}", answer.plainly);
                }
                answer.plugin.unwrap_or_default()
            });
            outcomes.push(outcome(name, restarted));
        }
        tell(args, outcomes)
    })
}

/// Sends a plugin a signal.
pub(crate) fn signal(args: &SignalArgs) -> Result<(), Failure> {
    block_on(async {
        let client = connect(&args.control).await?;
        let signal = client.signal(&args.plugin, &args.signal).await?;
        stdout::write(format!("{}: {signal} sent\n", args.plugin).as_bytes())
    })
}

/// Waits for a state of plugins, and says that it is there.
pub(crate) fn wait(args: &WaitArgs) -> Result<(), Failure> {
    let names = &args.names;
    block_on(async {
        let client = &connect(&names.control).await?;
        let state = match args.state {
            WaitState::Ready => State::Ready,
            WaitState::Stopped => State::Stopped,
            WaitState::Failed => State::Failed,
        };
        let waiting = names.plugins.iter().map(async |name| {
            let waiting = client.wait(name, state);
            let Some(limit) = args.timeout else { return outcome(name, waiting.await) };
            let Ok(waited) = tokio::time::timeout(limit, waiting).await else {
                let limit = humantime::format_duration(limit);
                let state = plugin_state(state);
                let why = format!("plugin `{name}` is not {state} after {limit}");
                return (name.clone(), Err(Failure::failed(why)));
            };
            outcome(name, waited)
        });
        tell(names, join_all(waiting).await)
    })
}

fn outcome(name: &str, done: Result<pb::Plugin, ClientError>) -> Outcome {
    (name.to_owned(), done.map_err(Failure::from))
}

/// Says what came of every plugin. Fails where one of them has failed.
fn tell(args: &PluginNamesArgs, outcomes: Vec<Outcome>) -> Result<(), Failure> {
    let mut text = Vec::new();
    if args.json {
        write_outcomes(&outcomes, &mut text).map_err(Failure::failed)?;
    } else {
        for (_, plugin) in &outcomes {
            let Ok(plugin) = plugin else { continue };
            let pid = plugin.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
            let which = match plugin.instances.as_slice() {
                [] => format!(", generation {}{pid}", plugin.generation),
                _ => String::new(),
            };
            let told = format!("{}: {}{which}\n", plugin.name, state_of(plugin));
            text.extend_from_slice(told.as_bytes());
        }
    }
    stdout::write(&text)?;
    let failures = outcomes.into_iter().filter_map(|(_, outcome)| outcome.err());
    failures.reduce(Failure::and).map_or(Ok(()), Err)
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NotRunning { .. } => Self::not_running(format!(
                "{error}\n  is replug running? `replug run` starts it; --config, --control or --app-id says where it is"
            )),
            ClientError::Lost(_) => Self::not_running(error),
            ClientError::Denied { .. } => Self::denied(error),
            ClientError::Refused { .. } => Self::failed(error),
        }
    }
}
