//! How fast a plugin may print: one that does so without end is read at a pace that leaves the
//! processors to those who call, whatever becomes of its lines.

use std::time::Duration;

use tokio::time::Instant;

/// What may be read at once, in bytes: more than most plugins print in a day.
const BURST: u64 = 4 << 20;

/// What may be read in a second from then on, in bytes.
const PER_SECOND: u64 = 16 << 20;

/// How long a pause is at least: less would be more wake-ups than work.
const PAUSE: Duration = Duration::from_millis(10);

/// How much of its allowance a pipe has left.
#[derive(Debug)]
pub(super) struct Pace {
    left: u64,
    counted: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, counted: now }
    }

    /// So many bytes were read. How long to wait before more are.
    pub(super) fn read(&mut self, bytes: usize, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.counted);
        self.counted = now;
        let passed = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(PER_SECOND) / 1_000_000;
        self.left = self.left.saturating_add(gained).min(BURST);
        let left = self.left.checked_sub(bytes as u64);
        self.left = left.unwrap_or_default();
        left.is_none().then_some(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_read_at_once_and_what_follows_at_the_pace() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.read(4 << 20, now), None);
        let (mut read, begun) = (0_u64, now);
        while now < begun + Duration::from_secs(2) {
            match pace.read(8192, now) {
                None => now += Duration::from_micros(10),
                Some(pause) => now += pause,
            }
            read += 8192;
        }
        let wanted = 2 * PER_SECOND;
        assert!(read.abs_diff(wanted) < wanted / 10, "{read}");
    }

    #[test]
    fn a_plugin_that_was_quiet_has_a_burst_again() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert!(pace.read(5 << 20, now).is_some());
        assert_eq!(pace.read(4 << 20, now + Duration::from_secs(100_000)), None);
    }
}
