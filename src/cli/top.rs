//! `replug top`.

use std::time::Duration;

use clap::Args;

use super::ControlArgs;

/// Watch the plugins of a running replug on the whole screen.
///
/// A line for each plugin, with the processor time and memory that its processes use, the calls that
/// it serves and those that wait for it; below it what is known of the one that is selected, what it
/// printed last, and what has happened to it. Plugins can be started, stopped and restarted.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// How often everything is looked at anew
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,

    /// Write what the screen would show after one interval, and end
    #[arg(long)]
    pub(crate) once: bool,

    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

fn interval(text: &str) -> Result<Duration, String> {
    /// More often than this, looking would be most of what there is to see.
    const LEAST: Duration = Duration::from_millis(100);
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval < LEAST { Err("write 100ms or more".into()) } else { Ok(interval) }
}
