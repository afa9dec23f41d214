//! `replug status`: how everything stands, for eyes or for programs.

mod details;
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
pub(crate) use details::{bytes, details};
pub(crate) use json::write_outcomes;
pub(crate) use table::{component_state, plugin_state, state_of};

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
        let mut status = connect(&args.control).await?.status().await?;
        only(&args.plugins, &mut status)?;
        let mut out = std::io::stdout().lock();
        let written = if args.json {
            json::write(&status, &mut out)
        } else if !args.plugins.is_empty() {
            each(&status, &mut out)
        } else {
            table::write(&status, colour::wanted(&io::stdout()), &mut out)
        };
        // A reader that has seen enough, as `head` does, is no failure.
        let _ = written.and_then(|()| out.flush());
        Ok(())
    })
}

/// Leaves out what is not about these plugins, unless none is named.
fn only(names: &[String], status: &mut pb::StatusResponse) -> Result<(), Failure> {
    if names.is_empty() {
        return Ok(());
    }
    let known: Vec<&str> = status.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    let ones = status.plugins.iter().flat_map(|plugin| &plugin.instances);
    let ones: Vec<&str> = ones.map(|one| one.name.as_str()).collect();
    let is_known = |name: &str| known.contains(&name) || ones.contains(&name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        let known = known.join(", ");
        return Err(Failure::failed(format!("there is no plugin `{unknown}`; there are {known}")));
    }
    let plugins = std::mem::take(&mut status.plugins).into_iter().flat_map(|plugin| {
        let mut one = |name: &String| plugin.instances.iter().find(|it| it.name == *name).cloned();
        if names.contains(&plugin.name) {
            vec![plugin]
        } else {
            names.iter().filter_map(&mut one).collect()
        }
    });
    status.plugins = plugins.collect();
    status.components.retain(|component| names.contains(&component.served_by));
    Ok(())
}

/// Everything that is known of each plugin.
fn each(status: &pb::StatusResponse, out: &mut impl io::Write) -> io::Result<()> {
    for (at, plugin) in status.plugins.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        details::write(status, plugin, out)?;
        for one in &plugin.instances {
            writeln!(out)?;
            details::write(status, one, out)?;
        }
    }
    Ok(())
}

/// Each process of a plugin: the plugin itself, where it has one.
pub(crate) fn processes(plugin: &pb::Plugin) -> &[pb::Plugin] {
    if plugin.instances.is_empty() { std::slice::from_ref(plugin) } else { &plugin.instances }
}

/// Connects to the running replug that the arguments mean.
pub(crate) async fn connect(args: &ControlArgs) -> Result<Client, Failure> {
    Ok(Client::connect(&control_socket(args)?).await?)
}

/// Where the running replug that the arguments mean listens.
pub(crate) fn control_socket(args: &ControlArgs) -> Result<PathBuf, Failure> {
    match (&args.app_id, &args.control) {
        (Some(app_id), _) => Ok(crate::daprd::control_of(app_id)),
        (None, Some(socket)) => Ok(socket.clone()),
        (None, None) => crate::check::control_socket(&args.config.config),
    }
}
