//! `replug man`: the manual, made from the command line's own definition.

use std::fs;

use clap::CommandFactory as _;
use clap_mangen::{Man, generate_to};

use crate::cli::{Cli, ManArgs};
use crate::exit::Failure;
use crate::stdout;

/// Writes the pages.
pub(crate) fn man(args: &ManArgs) -> Result<(), Failure> {
    let Some(folder) = &args.dir else {
        let mut page = Vec::new();
        Man::new(Cli::command().disable_help_subcommand(true))
            .render(&mut page)
            .map_err(Failure::failed)?;
        return stdout::write(&page);
    };
    fs::create_dir_all(folder)
        .and_then(|()| generate_to(Cli::command(), folder))
        .map_err(|error| Failure::failed(format!("{}: {error}", folder.display())))
}
