//! A schedule, and the times that it names.

use std::time::Duration;

use chrono::Local;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep};

/// The shortest interval, as in Dapr.
const SHORTEST: Duration = Duration::from_secs(1);

/// How long one sleep is at the most: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);

/// When something happens again and again.
#[derive(Debug, Clone)]
pub(super) enum Schedule {
    /// At an interval from now on.
    Every(Duration),
    /// At times of the local clock.
    At(Box<Cron>),
}

/// The times that a schedule names, from one moment on.
#[derive(Debug)]
pub(super) enum Times {
    Every(Interval),
    At(Box<Cron>),
}

// === impl Schedule ===

impl Schedule {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(interval) = text.strip_prefix("@every ") {
            let interval = crate::go_duration::parse(interval.trim())
                .filter(|_| interval.contains(char::is_alphabetic))
                .ok_or_else(|| format!("{interval:?} is no duration such as 5s or 1h30m"))?;
            // Whole seconds, as in Dapr.
            let interval = Duration::from_secs(interval.as_secs());
            return Ok(Self::Every(interval.max(SHORTEST)));
        }
        let text = match text.strip_prefix('@') {
            None => text,
            Some(name) => described(name).ok_or_else(|| {
                format!("there is no @{name}; there are @every, @hourly, @daily and their like")
            })?,
        };
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| error.to_string())?;
        Ok(Self::At(Box::new(cron)))
    }

    /// The times after this moment.
    pub(super) fn times(&self) -> Times {
        match self {
            Self::Every(interval) => {
                let mut ticks = interval_at(Instant::now() + *interval, *interval);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
                Times::Every(ticks)
            }
            Self::At(cron) => Times::At(cron.clone()),
        }
    }
}

// === impl Times ===

impl Times {
    /// Waits for the next time; for ever where there is none.
    pub(super) async fn next(&mut self) {
        match self {
            Self::Every(ticks) => drop(ticks.tick().await),
            Self::At(cron) => at(cron).await,
        }
    }
}

/// The pattern that a word stands for.
fn described(name: &str) -> Option<&'static str> {
    Some(match name {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * 0",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        _ => return None,
    })
}

async fn at(cron: &Cron) {
    let Ok(next) = cron.find_next_occurrence(&Local::now(), false) else {
        return std::future::pending().await;
    };
    // None once it has passed.
    while let Ok(left) = next.signed_duration_since(Local::now()).to_std()
        && !left.is_zero()
    {
        sleep(left.min(LONGEST_SLEEP)).await;
    }
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, NaiveDateTime};

    use super::*;

    fn next(schedule: &str, after: &str) -> String {
        let Schedule::At(cron) = Schedule::parse(schedule).unwrap() else { panic!("{schedule}") };
        let after = NaiveDateTime::parse_from_str(after, "%F %T").unwrap();
        cron.find_next_occurrence(&after.and_utc(), false).unwrap().format("%F %T").to_string()
    }

    #[test]
    fn the_forms_of_dapr_are_understood() {
        let from = "2026-02-27 10:07:30";
        assert!(NaiveDate::from_ymd_opt(2026, 2, 27).is_some(), "a Friday");
        assert_eq!(next("*/15 * * * * *", from), "2026-02-27 10:07:45");
        assert_eq!(next("0 30 * * * *", from), "2026-02-27 10:30:00");
        assert_eq!(next("30 * * * *", from), "2026-02-27 10:30:00");
        assert_eq!(next("0 15 3 ? * SUN", from), "2026-03-01 03:15:00");
        assert_eq!(next("0 0 * * 0", from), "2026-03-01 00:00:00");
        assert_eq!(next("@hourly", from), "2026-02-27 11:00:00");
        assert_eq!(next("@daily", from), "2026-02-28 00:00:00");
        assert_eq!(next("@midnight", from), "2026-02-28 00:00:00");
        assert_eq!(next("@monthly", from), "2026-03-01 00:00:00");
        assert_eq!(next("@yearly", from), "2027-01-01 00:00:00");
    }

    #[test]
    fn an_interval_is_of_whole_seconds_and_one_at_least() {
        let every = |text| match Schedule::parse(text).unwrap() {
            Schedule::Every(interval) => interval,
            Schedule::At(_) => panic!("{text}"),
        };
        assert_eq!(every("@every 1h30m"), Duration::from_secs(5400));
        assert_eq!(every("@every 2500ms"), Duration::from_secs(2));
        assert_eq!(every("@every 1ms"), Duration::from_secs(1));
    }
}
