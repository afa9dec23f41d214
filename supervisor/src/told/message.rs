//! The lines of one message: `KEY=VALUE`, as `sd_notify(3)` has them.

use std::time::Duration;

/// The longest status that is shown, in characters.
const LONGEST_STATUS: usize = 200;

/// What a plugin told. `MAINPID` is not among it: the plugin's process is the one that replug
/// started and whose exit it sees, whatever the plugin says. Nor are descriptors to be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// `READY=1`: its start is done.
    pub ready: bool,
    /// `RELOADING=1`: it reads its configuration again.
    pub reloading: bool,
    /// `STOPPING=1`: it has begun to end.
    pub stopping: bool,
    /// `STATUS=…`: how it is, in its own words, in one line.
    pub status: Option<String>,
    /// `EXTEND_TIMEOUT_USEC=…`: it needs so much longer from now on, to start or to stop.
    pub extend: Option<Duration>,
    /// `WATCHDOG=1`, or `trigger`.
    pub watchdog: Option<Watchdog>,
    /// `WATCHDOG_USEC=…`: from now on it says in this time that it lives.
    pub watchdog_time: Option<Duration>,
}

/// What a plugin tells the watchdog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watchdog {
    /// It lives.
    Alive,
    /// It knows of itself that it does not work any more.
    Trigger,
}

impl Message {
    /// Reads the lines that are understood, and passes over the others.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut message = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "READY" => message.ready |= value == "1",
                "RELOADING" => message.reloading |= value == "1",
                "STOPPING" => message.stopping |= value == "1",
                "STATUS" => message.status = Some(shown(value)),
                "EXTEND_TIMEOUT_USEC" => message.extend = micros(value).or(message.extend),
                "WATCHDOG" if value == "1" => message.watchdog = Some(Watchdog::Alive),
                "WATCHDOG" if value == "trigger" => message.watchdog = Some(Watchdog::Trigger),
                "WATCHDOG_USEC" => {
                    let time = micros(value).filter(|time| !time.is_zero());
                    message.watchdog_time = time.or(message.watchdog_time);
                }
                _ => {}
            }
        }
        message
    }
}

/// More than a plugin has any need of, so that no clock overflows.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn micros(text: &str) -> Option<Duration> {
    Some(Duration::from_micros(text.parse().ok()?).min(LONGEST))
}

/// A status as it is shown, in one line of bounded length.
fn shown(status: &str) -> String {
    status.chars().take(LONGEST_STATUS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_systemd_understands_is_understood() {
        let text = b"READY=1\nSTATUS=3 of 4 shards\tloaded\nMAINPID=1\nWATCHDOG=1\n\
                     EXTEND_TIMEOUT_USEC=1500000\nFDSTORE=1\nnonsense\nWATCHDOG_USEC=2000000\n";
        let message = Message {
            ready: true,
            status: Some("3 of 4 shards loaded".to_owned()),
            extend: Some(Duration::from_millis(1500)),
            watchdog: Some(Watchdog::Alive),
            watchdog_time: Some(Duration::from_secs(2)),
            ..Message::default()
        };
        assert_eq!(Message::parse(text), message);
        assert_eq!(Message::parse(b"WATCHDOG=trigger").watchdog, Some(Watchdog::Trigger));
        assert!(Message::parse(b"STOPPING=1").stopping && Message::parse(b"RELOADING=1").reloading);
    }

    #[test]
    fn what_is_wrong_is_as_if_it_had_not_been_said() {
        for text in [
            "READY=0",
            "READY",
            "WATCHDOG=2",
            "WATCHDOG_USEC=0",
            "WATCHDOG_USEC=x",
            "ready=1",
            "EXTEND_TIMEOUT_USEC=-1",
            "EXTEND_TIMEOUT_USEC=18446744073709551616",
            "",
        ] {
            assert_eq!(Message::parse(text.as_bytes()), Message::default(), "{text}");
        }
        let most = Message::parse(b"EXTEND_TIMEOUT_USEC=18446744073709551615");
        assert_eq!(most.extend, Some(LONGEST));
    }

    proptest! {
        #[test]
        fn whatever_a_plugin_sends_its_status_is_one_short_line(
            bytes in prop::collection::vec(any::<u8>(), 0..5000)
        ) {
            let message = Message::parse(&[b"STATUS=", bytes.as_slice()].concat());
            let status = message.status.unwrap_or_default();
            prop_assert!(status.chars().count() <= LONGEST_STATUS);
            prop_assert!(!status.contains(char::is_control));
        }
    }
}
