//! `replug logs`.

use std::time::SystemTime;

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::ControlArgs;

/// How many lines there are before those that follow, unless told.
const BEFORE: u32 = 10;

/// Show what plugins have printed.
///
/// replug keeps the last lines of every plugin in memory, through all its lives. Each is shown with
/// its time (UTC), its plugin, `|` for standard output or `!` for standard error, and its level
/// where it tells one. A line that is a JSON object with a level is shown as its message and its
/// fields. With --follow this goes on through restarts of plugins, and ends with exit code 4 when
/// replug itself ends.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The plugins, as plugins.toml calls them; all, where none is named
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(crate::completions::plugins))]
    pub(crate) plugins: Vec<String>,

    /// Go on with what is printed next
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// At most so many of the lines that are there [default: all, or 10 with --follow]
    #[arg(short = 'n', long, value_name = "LINES")]
    pub(crate) lines: Option<u32>,

    /// Only what was printed since: a time ago, such as `5m`, or a time, such as
    /// `2026-01-31T12:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<SystemTime>,

    /// Write each line as a JSON object
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

impl LogsArgs {
    /// At most so many of the lines that are there already.
    pub(crate) fn last(&self) -> Option<u32> {
        let all = !self.follow || self.since.is_some();
        self.lines.or((!all).then_some(BEFORE))
    }
}

fn since(text: &str) -> Result<SystemTime, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        // Before all times is as good as the first of them.
        return Ok(SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH));
    }
    let time = humantime::parse_rfc3339_weak(text).or_else(|error| {
        // A day alone begins at midnight.
        humantime::parse_rfc3339_weak(&format!("{text} 00:00:00")).map_err(|_| error)
    });
    let help = "write a time ago, such as 5m, or a time in UTC, such as 2026-01-31T12:00:00Z";
    time.map_err(|_| help.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_is_ago_or_is_written_out() {
        let at = |seconds| Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(since("1970-01-02T00:00:01Z"), at(86401));
        assert_eq!(since("1970-01-02 00:00:01"), at(86401));
        assert_eq!(since("1970-01-02"), at(86400));
        let an_hour_ago = since("1h").unwrap();
        let ago = SystemTime::now().duration_since(an_hour_ago).unwrap();
        assert!(ago >= Duration::from_secs(3600) && ago < Duration::from_secs(3700));
        assert!(since("yesterday").is_err());
    }
}
