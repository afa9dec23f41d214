//! `replug components`: the components alone, for eyes or for programs.

use crate::block_on;
use crate::cli::ComponentsArgs;
use crate::exit::Failure;
use crate::status::{connect, write_components};
use crate::stdout;

/// Asks and shows.
pub(crate) fn components(args: &ComponentsArgs) -> Result<(), Failure> {
    let components = block_on(async { Ok(connect(&args.control).await?.components().await?) })?;
    let mut text = Vec::new();
    write_components(&components, args.json, &mut text).map_err(Failure::failed)?;
    stdout::write(&text)
}
