//! What a Redis component is told in its metadata, by Dapr's names. Names count in any case; unknown
//! ones are left alone, as are those of Dapr's pool of connections (`poolSize`, `idleTimeout` …):
//! here all calls share one connection.

mod topology;

use std::fmt::Display;
use std::time::Duration;

use replug_component::{Error, Metadata};

use crate::builtin::setting::{Secret, filled, number, text, truth};
use crate::go_duration;

pub(super) use topology::{Address, Topology, Watched};

const DEFAULT_DIAL_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(3);
const DEFAULT_RETRIES: u32 = 3;
const DEFAULT_MIN_PAUSE: Duration = Duration::from_millis(8);
const DEFAULT_MAX_PAUSE: Duration = Duration::from_millis(512);

/// What a connection is made with.
#[derive(Debug)]
pub(in crate::builtin) struct Settings {
    /// Where the server is, or the servers are: `redisHost`, `redisPort`, `redisType`, `failover`.
    pub(super) topology: Topology,
    /// `redisUsername`.
    pub(super) username: Option<String>,
    /// `redisPassword`.
    pub(super) password: Option<Secret>,
    /// `redisDB`.
    pub(super) database: i64,
    /// `enableTLS`; none: no TLS.
    pub(super) tls: Option<Tls>,
    /// How long a connection may take to be made: `dialTimeout`.
    pub(super) dial_timeout: Option<Duration>,
    /// How long an answer to a read may take: `readTimeout`.
    pub(super) read_timeout: Option<Duration>,
    /// How long an answer to a write may take: `writeTimeout`, else `readTimeout`.
    pub(super) write_timeout: Option<Duration>,
    /// How often a connection is tried again: `redisMaxRetries`.
    pub(super) retries: u32,
    /// The first pause between two tries: `redisMinRetryInterval`. Each is twice the one before.
    pub(super) min_pause: Duration,
    /// The longest pause: `redisMaxRetryInterval`.
    pub(super) max_pause: Duration,
}

/// How TLS is spoken.
#[derive(Debug)]
pub(super) struct Tls {
    /// `insecureSkipTLSVerify`.
    pub(super) anybody: bool,
    /// `clientCert` and `clientKey`, both PEM.
    pub(super) client: Option<(String, Secret)>,
}

impl Settings {
    pub(in crate::builtin) fn new(metadata: &Metadata) -> Result<Self, Error> {
        refuse_what_is_not_there(metadata)?;
        let topology = Topology::new(metadata)?;
        let tls = tls(metadata)?;
        if tls.is_some() && matches!(topology, Topology::Node(Address::Unix(_))) {
            return Err(Error::Invalid(
                "`enableTLS` is for TCP and `redisHost` is a Unix socket".into(),
            ));
        }
        let mut database = number(metadata, &["redisDB"])?.unwrap_or(0);
        if database != 0 && matches!(topology, Topology::Cluster(_)) {
            tracing::warn!("`redisDB` is {database} and has no effect: a cluster has one database");
            database = 0;
        }
        let read_timeout = timeout(metadata, "readTimeout")?.or(Some(DEFAULT_READ_TIMEOUT));
        let min_pause = pause(metadata, "redisMinRetryInterval", DEFAULT_MIN_PAUSE)?;
        let max_pause = pause(metadata, "redisMaxRetryInterval", DEFAULT_MAX_PAUSE)?;
        Ok(Self {
            topology,
            username: filled(metadata, &["redisUsername"])?.map(str::to_owned),
            password: filled(metadata, &["redisPassword"])?.map(Secret::from),
            database,
            tls,
            dial_timeout: timeout(metadata, "dialTimeout")?.or(Some(DEFAULT_DIAL_TIMEOUT)),
            read_timeout,
            write_timeout: timeout(metadata, "writeTimeout")?.or(read_timeout),
            // Below zero is none, and zero is as if nothing was said, as in Dapr.
            retries: number(metadata, &["redisMaxRetries", "maxRetries"])?
                .filter(|retries| *retries != 0)
                .map_or(DEFAULT_RETRIES, |retries| u32::try_from(retries).unwrap_or(0)),
            min_pause: min_pause.min(max_pause),
            max_pause,
        })
    }

    /// The pauses between tries, from the first on.
    pub(super) fn pauses(&self) -> Pauses {
        Pauses { next: self.min_pause, longest: self.max_pause }
    }

    /// An error of `whom`, with no password in it.
    pub(super) fn told(&self, whom: &dyn Display, mut text: String) -> Error {
        let of_sentinels = match &self.topology {
            Topology::Sentinels(watched) => watched.password.as_ref(),
            Topology::Node(_) | Topology::Cluster(_) => None,
        };
        for password in [self.password.as_ref(), of_sentinels].into_iter().flatten() {
            text = password.taken_out_of(text);
        }
        Error::Failed(format!("redis {whom}: {text}"))
    }
}

/// Pauses, each twice the one before up to the longest.
pub(super) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// Waits for the next one.
    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(self.longest);
    }
}

/// Says so where a login is asked for that cannot be made.
fn refuse_what_is_not_there(metadata: &Metadata) -> Result<(), Error> {
    for name in ["useEntraID", "useAzureAD", "useOIDC"] {
        if truth(metadata, name)? {
            return Err(Error::Invalid(format!("`{name}` is not there yet; leave it out")));
        }
    }
    Ok(())
}

fn tls(metadata: &Metadata) -> Result<Option<Tls>, Error> {
    let anybody = truth(metadata, "insecureSkipTLSVerify")?;
    if !truth(metadata, "enableTLS")? {
        return Ok(None);
    }
    let client = match (filled(metadata, &["clientCert"])?, filled(metadata, &["clientKey"])?) {
        (Some(certificate), Some(key)) => Some((certificate.to_owned(), Secret::from(key))),
        (None, None) => None,
        _ => {
            return Err(Error::Invalid(
                "of `clientCert` and `clientKey` there is one; write both or none".into(),
            ));
        }
    };
    Ok(Some(Tls { anybody, client }))
}

/// A duration as somebody has set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::builtin) enum Timeout {
    /// It is not said, or is zero.
    Default,
    /// However long it takes: below zero.
    Never,
    /// That long.
    After(Duration),
}

impl Timeout {
    /// The duration, where there is one at all.
    pub(in crate::builtin) fn or(self, default: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Default => default,
            Self::Never => None,
            Self::After(duration) => Some(duration),
        }
    }
}

/// A duration as Dapr's Redis components read it: Go's form, or a number of milliseconds.
pub(in crate::builtin) fn timeout(metadata: &Metadata, name: &str) -> Result<Timeout, Error> {
    let text = text(metadata, &[name])?.unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(Timeout::Default);
    }
    if text.starts_with('-') {
        return Ok(Timeout::Never);
    }
    let parsed = match text.parse() {
        Ok(milliseconds) => Some(Duration::from_millis(milliseconds)),
        Err(_) => go_duration::parse(text),
    };
    match parsed {
        Some(duration) if duration.is_zero() => Ok(Timeout::Default),
        Some(duration) => Ok(Timeout::After(duration)),
        None => Err(Error::Invalid(format!(
            "`{name}` is `{text}`; write a duration such as 3s, or a number of milliseconds"
        ))),
    }
}

fn pause(metadata: &Metadata, name: &str, default: Duration) -> Result<Duration, Error> {
    Ok(timeout(metadata, name)?.or(Some(default)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::new(
            &pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        )
    }

    #[test]
    fn the_defaults_are_those_of_dapr() {
        let settings = settings(&[("redisHost", "localhost"), ("poolSize", "7")]).unwrap();
        assert_eq!(settings.dial_timeout, Some(Duration::from_secs(5)));
        assert_eq!(settings.read_timeout, Some(Duration::from_secs(3)));
        assert_eq!(settings.write_timeout, Some(Duration::from_secs(3)));
        assert_eq!((settings.database, settings.retries), (0, 3));
        assert!(settings.tls.is_none() && settings.password.is_none());
    }

    #[test]
    fn a_bare_number_is_milliseconds_and_one_below_zero_is_no_limit() {
        let settings = settings(&[
            ("redishost", "localhost"),
            ("readTimeout", "250"),
            ("writeTimeout", "-1"),
            ("dialTimeout", "1m"),
            ("redisMaxRetries", "-1"),
        ])
        .unwrap();
        assert_eq!(settings.read_timeout, Some(Duration::from_millis(250)));
        assert_eq!(settings.write_timeout, None);
        assert_eq!(settings.dial_timeout, Some(Duration::from_secs(60)));
        assert_eq!(settings.retries, 0);
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_its_name_and_no_secret_is_shown() {
        for (name, value) in [
            ("redisType", "ring"),
            ("failover", "perhaps"),
            ("useEntraID", "true"),
            ("readTimeout", "soon"),
            ("redisDB", "first"),
            ("enableTLS", "perhaps"),
        ] {
            let error = settings(&[("redisHost", "localhost"), (name, value)]).unwrap_err();
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        }
        let settings = settings(&[("redisHost", "localhost"), ("redisPassword", "s3cret")]);
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
