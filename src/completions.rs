//! What a shell completes: commands and options from the command line's own definition, and the names
//! of plugins from the replug that runs. The script of a shell asks this program for both.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory as _;
use clap_complete::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};
use replug_supervisor::control::Client;

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::Failure;
use crate::{block_on, check, stdout};

/// By which variable a shell asks, and says which shell it is.
const VARIABLE: &str = "REPLUG_COMPLETE";

/// What the scripts ask.
const PROGRAM: &str = "replug";

/// How long somebody who pressed a key waits for names.
const PATIENCE: Duration = Duration::from_millis(500);

/// Writes a shell's script to standard output.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let shell = args.shell.to_string();
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&shell) else {
        return Err(Failure::failed(format!("cannot complete for {shell}")));
    };
    let mut script = Vec::new();
    let written = shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script);
    written.map_err(|error| Failure::failed(error.to_string()))?;
    stdout::write(&script)
}

/// Answers a shell that asks, and ends; returns where nobody does.
pub(crate) fn answer_shell() {
    if env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(Cli::command).var(VARIABLE).bin(PROGRAM).complete();
    }
}

/// The plugins of the replug that the words before mean, and the processes of those that have
/// several. None where it does not run, or is not for this user to ask.
pub(crate) fn plugins() -> Vec<CompletionCandidate> {
    let control = option(&["--control"], "REPLUG_CONTROL").or_else(|| {
        let config = option(&["--config", "-c"], "REPLUG_CONFIG");
        check::examine(&config.unwrap_or("plugins.toml".into())).control
    });
    let Some(control) = control else { return Vec::new() };
    let asked = block_on(async {
        let asked = async { Ok::<_, Failure>(Client::connect(&control).await?.status().await?) };
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        answer.map_err(|_| Failure::failed("replug does not answer"))?
    });
    // Whoever only pressed a key is told nothing else.
    let plugins = asked.map(|status| status.plugins).unwrap_or_default();
    let processes = plugins.iter().flat_map(|plugin| &plugin.instances);
    let names = plugins.iter().chain(processes).map(|plugin| &plugin.name);
    names.map(CompletionCandidate::new).collect()
}

/// What is given for an option among the words of the line, or by its variable.
fn option(names: &[&str], variable: &str) -> Option<PathBuf> {
    let words: Vec<_> = env::args().collect();
    let given = words.iter().zip(words.iter().skip(1)).find_map(|(word, next)| {
        let joined = word.split_once('=').filter(|(name, _)| names.contains(name));
        joined.map(|(_, value)| value).or(names.contains(&word.as_str()).then_some(next))
    });
    given.map(PathBuf::from).or_else(|| env::var_os(variable).map(PathBuf::from))
}
