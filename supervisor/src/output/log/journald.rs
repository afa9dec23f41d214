//! What systemd's journal takes from a line (sd-daemon(3), systemd.exec(5)).

use std::fmt;
use std::os::fd::AsFd;

use rustix::fs::fstat;
use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The variable in which systemd names the journal's socket, as `DEVICE:INODE`.
pub const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

/// Whether what is written to `output` goes to the journald: it is the very file that the value of
/// [`JOURNAL_STREAM`] names. A variable that was inherited by somebody whose output goes elsewhere does
/// not count.
#[must_use]
pub fn is_journald(output: impl AsFd, variable: Option<&str>) -> bool {
    let named = variable.and_then(|stream| {
        let (device, inode) = stream.split_once(':')?;
        Some((device.parse::<u64>().ok()?, inode.parse::<u64>().ok()?))
    });
    named.is_some_and(|named| {
        fstat(output).is_ok_and(|output| (output.st_dev, output.st_ino) == named)
    })
}

/// The priority that the journal takes from the beginning of a line.
pub(super) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Another format, with the priority before it.
pub(super) struct Prioritised<F>(pub(super) F);

impl<F, S, N> FormatEvent<S, N> for Prioritised<F>
where
    F: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        writer.write_str(priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_journal_is_the_very_file_that_the_variable_names() {
        let file = tempfile::tempfile().unwrap();
        let found = file.metadata().unwrap();
        let named = format!("{}:{}", found.dev(), found.ino());
        assert!(is_journald(&file, Some(&named)));
        assert!(!is_journald(File::open("/dev/null").unwrap(), Some(&named)));
        for other in ["", "1", "1:", "a:b", ":"] {
            assert!(!is_journald(&file, Some(other)), "{other}");
        }
        assert!(!is_journald(&file, None));
    }
}
