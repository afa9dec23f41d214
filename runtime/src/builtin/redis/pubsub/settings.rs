//! What is particular to messages in the settings, by Dapr's names.

use std::time::Duration;

use replug_component::{Error, Metadata};

use crate::builtin::redis::settings::timeout;
use crate::builtin::setting::{filled, number};

const DEFAULT_PROCESSING_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_REDELIVER_INTERVAL: Duration = Duration::from_secs(15);
const DEFAULT_QUEUE_DEPTH: usize = 100;
const DEFAULT_CONCURRENCY: usize = 10;

/// How messages are published and delivered.
#[derive(Debug)]
pub(super) struct PubSubSettings {
    /// The consumer group, and the consumer in it: `consumerID`.
    pub(super) group: String,
    /// How long a message stays unacknowledged before it is delivered again, and how often it is
    /// looked for such: `processingTimeout` and `redeliverInterval`. None: no message is.
    pub(super) redelivery: Option<(Duration, Duration)>,
    /// How many messages wait here for each subscription: `queueDepth`.
    pub(super) queue_depth: usize,
    /// How many messages are out at once: `concurrency`.
    pub(super) concurrency: usize,
    /// About how many messages a stream keeps: `maxLenApprox`.
    pub(super) max_length: Option<i64>,
    /// About how long it keeps them: `streamTTL`.
    pub(super) stream_ttl: Option<Duration>,
}

impl PubSubSettings {
    pub(super) fn new(metadata: &Metadata) -> Result<Self, Error> {
        let group = filled(metadata, &["consumerID"])?
            .ok_or_else(|| Error::Invalid("`consumerID` is missing; write a name".into()))?;
        let processing = duration(metadata, "processingTimeout", DEFAULT_PROCESSING_TIMEOUT)?;
        let interval = duration(metadata, "redeliverInterval", DEFAULT_REDELIVER_INTERVAL)?;
        Ok(Self {
            group: group.to_owned(),
            redelivery: processing.zip(interval),
            queue_depth: count(metadata, "queueDepth", DEFAULT_QUEUE_DEPTH)?,
            concurrency: count(metadata, "concurrency", DEFAULT_CONCURRENCY)?,
            max_length: number(metadata, &["maxLenApprox"])?.filter(|most| *most > 0),
            stream_ttl: timeout(metadata, "streamTTL")?.or(None),
        })
    }
}

/// None: the setting is 0, which turns it off.
fn duration(metadata: &Metadata, name: &str, default: Duration) -> Result<Option<Duration>, Error> {
    match filled(metadata, &[name])? {
        None => Ok(Some(default)),
        Some(_) => Ok(timeout(metadata, name)?.or(None)),
    }
}

fn count(metadata: &Metadata, name: &str, default: usize) -> Result<usize, Error> {
    let Some(number) = number(metadata, &[name])? else {
        return Ok(default);
    };
    usize::try_from(number).ok().filter(|count| (1..=1_000_000).contains(count)).ok_or_else(|| {
        Error::Invalid(format!("`{name}` is {number}; write a number from 1 to 1000000"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<PubSubSettings, Error> {
        let pairs = pairs.iter().chain(&[("consumerID", "shop")]);
        let metadata = pairs.map(|(name, value)| ((*name).into(), (*value).into())).collect();
        PubSubSettings::new(&metadata)
    }

    #[test]
    fn the_defaults_are_those_of_dapr_and_zero_turns_redelivery_off() {
        let settings_ = settings(&[]).unwrap();
        let minute = Duration::from_secs(60);
        assert_eq!(settings_.redelivery, Some((minute, Duration::from_secs(15))));
        assert_eq!((settings_.queue_depth, settings_.concurrency), (100, 10));
        assert_eq!(settings(&[("redeliverInterval", "0")]).unwrap().redelivery, None);
        let both = [("processingTimeout", "200"), ("redeliverInterval", "1s")];
        let expected = (Duration::from_millis(200), Duration::from_secs(1));
        assert_eq!(settings(&both).unwrap().redelivery, Some(expected));
    }

    #[test]
    fn a_wrong_value_is_refused_by_the_name_of_its_setting() {
        for (name, value) in
            [("concurrency", "0"), ("queueDepth", "-1"), ("processingTimeout", "soon")]
        {
            let error = settings(&[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        }
        let error = PubSubSettings::new(&Metadata::new()).unwrap_err();
        assert!(error.to_string().contains("`consumerID`"), "{error}");
    }
}
