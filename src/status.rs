//! `replug status`: how everything stands, for eyes or for programs.

mod json;
mod table;

use std::io::{self, Write as _};
use std::path::PathBuf;

use replug_proto::replug::control::v1 as pb;
use replug_supervisor::control::Client;

use crate::block_on;
use crate::cli::{ControlArgs, StatusArgs};
use crate::colour;
use crate::exit::Failure;
pub(crate) use json::write_outcomes;
pub(crate) use table::{component_state, plugin_state, short};

/// Writes components alone.
pub(crate) fn write_components(
    components: &[pb::Component],
    json: bool,
    out: &mut impl io::Write,
) -> io::Result<()> {
    if json {
        json::write_components(components, out)
    } else {
        table::write_components(components, colour::wanted(&io::stdout()), out)
    }
}

/// Asks and shows.
pub(crate) fn status(args: &StatusArgs) -> Result<(), Failure> {
    block_on(async {
        let status = connect(&args.control).await?.status().await?;
        let mut out = std::io::stdout().lock();
        let written = if args.json {
            json::write(&status, &mut out)
        } else {
            table::write(&status, colour::wanted(&io::stdout()), &mut out)
        };
        // A reader that has seen enough, as `head` does, is no failure.
        let _ = written.and_then(|()| out.flush());
        Ok(())
    })
}

/// Connects to the running replug that the arguments mean.
pub(crate) async fn connect(args: &ControlArgs) -> Result<Client, Failure> {
    Ok(Client::connect(&control_socket(args)?).await?)
}

/// Where the running replug that the arguments mean listens.
pub(crate) fn control_socket(args: &ControlArgs) -> Result<PathBuf, Failure> {
    match &args.control {
        Some(socket) => Ok(socket.clone()),
        None => crate::check::control_socket(&args.config.config),
    }
}
