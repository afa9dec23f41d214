//! `replug completions`: made from the command line's own definition.

use clap::CommandFactory as _;
use clap_complete::generate;

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::Failure;
use crate::stdout;

/// Writes them to standard output.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "replug", &mut script);
    stdout::write(&script)
}
