//! `bindings.cron`: events at times that a schedule names.
//!
//! `schedule` of the metadata is as in Dapr: five fields, or six of which the first is seconds
//! (`*/15 * * * * *`); `@every 5s`; `@hourly` and its like. Times are the machine's local ones. A time
//! that passes while nobody reads, or while whoever reads has too much to do, is left out.

mod schedule;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use futures_util::stream;
use replug_component::binding::{Answerer, Arrival, Event, Events, InputBinding, InputBindingType};
use replug_component::{Context, Error, Metadata};

use self::schedule::Schedule;
use super::setting;

/// The type `bindings.cron`.
pub(super) struct CronType;

#[async_trait]
impl InputBindingType for CronType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn InputBinding>, Error> {
        let text = setting::text(&metadata, &["schedule"])?.unwrap_or_default();
        if text.is_empty() {
            return Err(Error::Invalid("schedule not set".to_owned()));
        }
        let schedule = Schedule::parse(text).map_err(|cause| {
            Error::Invalid(format!("invalid schedule format '{text}': {cause}"))
        })?;
        Ok(Arc::new(Clock { schedule }))
    }
}

struct Clock {
    schedule: Schedule,
}

#[async_trait]
impl InputBinding for Clock {
    async fn read(&self, _cx: &Context) -> Result<Events, Error> {
        let times = self.schedule.times();
        Ok(Events::new(stream::unfold(times, |mut times| async move {
            times.next().await;
            Some((Arrival { event: tick(), answerer: Answerer::ignoring() }, times))
        })))
    }
}

/// What is told of a time that has come, in Go's form.
fn tick() -> Event {
    let now = Utc::now();
    let fraction = format!(".{:09}", now.timestamp_subsec_nanos());
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    let now = format!("{}{fraction} +0000 UTC", now.format("%Y-%m-%d %H:%M:%S"));
    let metadata = [("timeZone", "Local".to_owned()), ("readTimeUTC", now)];
    let metadata = metadata.map(|(name, value)| (name.to_owned(), value)).into();
    Event { metadata, ..Event::default() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    async fn open(schedule: &str) -> Result<Arc<dyn InputBinding>, Error> {
        let metadata = Metadata::from([("Schedule".to_owned(), schedule.to_owned())]);
        CronType.open(metadata).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_comes_at_every_interval() {
        let clock = open("@every 1m30s").await.unwrap();
        let from = Instant::now();
        let mut events = clock.read(&Context::default()).await.unwrap();
        let event = events.next().await.unwrap().event;
        assert_eq!(from.elapsed(), Duration::from_secs(90));
        assert_eq!(event.metadata["timeZone"], "Local");
        assert!(event.metadata["readTimeUTC"].ends_with(" +0000 UTC"), "{event:?}");
        events.next().await.unwrap();
        assert_eq!(from.elapsed(), Duration::from_secs(180));
    }

    #[tokio::test]
    async fn an_event_comes_at_the_next_second_that_the_schedule_names() {
        let clock = open("* * * * * *").await.unwrap();
        let mut events = clock.read(&Context::default()).await.unwrap();
        let from = Instant::now();
        events.next().await.unwrap();
        assert!(from.elapsed() < Duration::from_secs(2), "{:?}", from.elapsed());
    }

    #[tokio::test]
    async fn a_schedule_that_cannot_be_read_is_told_of() {
        let wrong = async |schedule: &str| open(schedule).await.err().unwrap().to_string();
        assert_eq!(wrong("").await, "schedule not set");
        for schedule in ["every day", "61 * * * * *", "@every", "@every x", "@never", "* * *"] {
            let told = wrong(schedule).await;
            let prefix = format!("invalid schedule format '{schedule}': ");
            assert!(told.starts_with(&prefix), "{told}");
        }
    }
}
