//! A component's settings, as Dapr names them. Names count in any case; unknown ones are left alone.

use std::time::{Duration, UNIX_EPOCH};

use async_nats::datetime::parse_rfc3339;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, push};
use replug_component::{Error, Metadata};

use crate::builtin::setting::{Secret, duration, filled, number, truth};
use crate::go_duration;

/// Seconds from 1970 up to a year that has no place in RFC 3339.
const YEAR_10000: u64 = 253_402_300_800;

const DEFAULT_NAME: &str = "dapr.io - pubsub.jetstream";

/// What a component is made with.
#[derive(Debug)]
pub(super) struct Settings {
    /// `natsURL`; several with commas between. It may have a password.
    pub(super) url: Secret,
    /// The same without.
    shown: String,
    pub(super) login: Login,
    /// `name`: what the server calls the connection.
    pub(super) name: String,
    /// `streamName`; none: the stream that has the topic.
    pub(super) stream: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) api_prefix: Option<String>,
    /// `concurrency` is `parallel`.
    pub(super) parallel: bool,
    /// `ackWait`; also how long a message that failed is kept back.
    pub(super) ack_wait: Option<Duration>,
    /// What consumers are made with, but for the topic and where it delivers.
    pub(super) consumer: push::Config,
}

/// As whom the component comes.
#[derive(Debug)]
pub(super) enum Login {
    None,
    Token(Secret),
    Jwt(Secret, Secret),
    /// Paths of files.
    Certificate(String, String),
}

impl Settings {
    pub(super) fn new(metadata: &Metadata) -> Result<Self, Error> {
        let url = filled(metadata, &["natsURL"])?.ok_or_else(|| {
            Error::Invalid("`natsURL` is missing; write nats://localhost:4222".into())
        })?;
        let ack_wait = duration(metadata, &["ackWait"], Duration::ZERO)?;
        let concurrency = filled(metadata, &["concurrency"])?.unwrap_or("single");
        let parallel = match concurrency.to_ascii_lowercase().as_str() {
            "single" => false,
            "parallel" => true,
            _ => {
                return Err(Error::Invalid(format!(
                    "`concurrency` is `{concurrency}`; write single or parallel"
                )));
            }
        };
        let owned = |name| Ok::<_, Error>(filled(metadata, &[name])?.map(str::to_owned));
        Ok(Self {
            shown: url.split(',').map(without_login).collect::<Vec<_>>().join(","),
            url: url.into(),
            login: login(metadata)?,
            name: owned("name")?.unwrap_or_else(|| DEFAULT_NAME.to_owned()),
            stream: owned("streamName")?,
            domain: owned("domain")?,
            api_prefix: owned("apiPrefix")?,
            parallel,
            ack_wait: Some(ack_wait).filter(|wait| !wait.is_zero()),
            consumer: consumer(metadata, ack_wait)?,
        })
    }

    /// An error of this server, without what nobody is to see.
    pub(super) fn told(&self, text: &str) -> Error {
        let text = self.url.taken_out_of(text.to_owned());
        let text = match &self.login {
            Login::Token(secret) => secret.taken_out_of(text),
            Login::Jwt(jwt, seed) => seed.taken_out_of(jwt.taken_out_of(text)),
            Login::None | Login::Certificate(..) => text,
        };
        Error::Failed(format!("nats {}: {text}", self.shown))
    }
}

/// A URL without what stands before its `@`.
fn without_login(url: &str) -> &str {
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    address.rsplit_once('@').map_or(address, |(_, host)| host).trim()
}

fn login(metadata: &Metadata) -> Result<Login, Error> {
    let both = |one, other| match (filled(metadata, &[one])?, filled(metadata, &[other])?) {
        (Some(first), Some(second)) => Ok(Some((first, second))),
        (None, None) => Ok(None),
        _ => Err(Error::Invalid(format!("of `{one}` and `{other}` there is one; write both"))),
    };
    if let Some((jwt, seed)) = both("jwt", "seedKey")? {
        return Ok(Login::Jwt(jwt.into(), seed.into()));
    }
    if let Some((certificate, key)) = both("tls_client_cert", "tls_client_key")? {
        return Ok(Login::Certificate(certificate.to_owned(), key.to_owned()));
    }
    Ok(filled(metadata, &["token"])?.map_or(Login::None, |token| Login::Token(token.into())))
}

fn consumer(metadata: &Metadata, ack_wait: Duration) -> Result<push::Config, Error> {
    let count = |name| Ok::<_, Error>(number(metadata, &[name])?.unwrap_or_default().max(0));
    let owned = |name| Ok::<_, Error>(filled(metadata, &[name])?.map(str::to_owned));
    let ack_policy = match filled(metadata, &["ackPolicy"])? {
        Some("all") => AckPolicy::All,
        Some("none") => AckPolicy::None,
        _ => AckPolicy::Explicit,
    };
    Ok(push::Config {
        durable_name: owned("durableName")?,
        deliver_group: owned("queueGroupName")?,
        deliver_policy: deliver_policy(metadata)?,
        ack_policy,
        ack_wait,
        max_deliver: count("maxDeliver")?,
        max_ack_pending: count("maxAckPending")?,
        rate_limit: count("rateLimit")?.unsigned_abs(),
        num_replicas: usize::try_from(count("replicas")?).unwrap_or_default(),
        flow_control: truth(metadata, "flowControl")?,
        memory_storage: truth(metadata, "memoryStorage")?,
        idle_heartbeat: duration(metadata, &["heartbeat"], Duration::ZERO)?,
        backoff: backoff(metadata)?,
        ..push::Config::default()
    })
}

fn deliver_policy(metadata: &Metadata) -> Result<DeliverPolicy, Error> {
    let policy = filled(metadata, &["deliverPolicy"])?.unwrap_or("all");
    Ok(match policy {
        "all" => DeliverPolicy::All,
        "last" => DeliverPolicy::Last,
        "new" => DeliverPolicy::New,
        "sequence" => {
            let start = number(metadata, &["startSequence"])?.and_then(|at| u64::try_from(at).ok());
            DeliverPolicy::ByStartSequence { start_sequence: start.unwrap_or_default() }
        }
        "time" => {
            let seconds = number(metadata, &["startTime"])?.unwrap_or_default();
            let start = u64::try_from(seconds).ok().filter(|seconds| *seconds < YEAR_10000);
            let start = start.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
            let start = start.ok_or_else(|| {
                Error::Invalid(format!("`startTime` is {seconds}; write seconds since 1970"))
            })?;
            let start = humantime::format_rfc3339_seconds(start).to_string();
            let start_time = parse_rfc3339(&start)
                .map_err(|error| Error::Invalid(format!("`startTime`: {error}")))?;
            DeliverPolicy::ByStartTime { start_time }
        }
        _ => {
            return Err(Error::Invalid(format!(
                "`deliverPolicy` is `{policy}`; write all, last, new, sequence or time"
            )));
        }
    })
}

/// Durations with commas between.
fn backoff(metadata: &Metadata) -> Result<Vec<Duration>, Error> {
    let Some(text) = filled(metadata, &["backOff"])? else {
        return Ok(Vec::new());
    };
    let steps = text.split(',').map(|step| go_duration::parse(step.trim()));
    steps.collect::<Option<_>>().ok_or_else(|| {
        Error::Invalid(format!("`backOff` is `{text}`; write durations such as 50ms,1s,10s"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, Error> {
        let pairs = pairs.iter().chain(&[("natsURL", "nats://shop:s3cret@host:4222")]);
        let metadata = pairs.map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Settings::new(&metadata)
    }

    #[test]
    fn settings_become_a_consumer_and_no_secret_is_shown() {
        let settings = settings(&[
            ("token", "t0ken"),
            ("durableName", "shop"),
            ("deliverPolicy", "sequence"),
            ("startSequence", "7"),
            ("ackWait", "10s"),
            ("backOff", "50ms, 1s"),
            ("concurrency", "parallel"),
        ])
        .unwrap();
        let consumer = &settings.consumer;
        assert_eq!(consumer.durable_name.as_deref(), Some("shop"));
        let policy = DeliverPolicy::ByStartSequence { start_sequence: 7 };
        assert_eq!(consumer.deliver_policy, policy);
        assert_eq!(consumer.backoff, [Duration::from_millis(50), Duration::from_secs(1)]);
        assert!(settings.parallel);
        let error = settings.told("t0ken at nats://shop:s3cret@host:4222").to_string();
        let debug = format!("{settings:?}");
        assert!(error.starts_with("nats host:4222: "), "{error}");
        for text in [error, debug] {
            assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_by_the_name_of_its_setting() {
        for (name, value) in [
            ("deliverPolicy", "some"),
            ("concurrency", "double"),
            ("ackWait", "soon"),
            ("backOff", "1s,later"),
            ("jwt", "token"),
            ("maxDeliver", "many"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        }
        assert!(Settings::new(&Metadata::new()).unwrap_err().to_string().contains("`natsURL`"));
    }
}
