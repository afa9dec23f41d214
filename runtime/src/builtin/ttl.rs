//! How long a value lives: `ttlInSeconds` of a write's metadata, and `ttlExpireTime` of a read's.

use std::time::Duration;

use replug_component::{Error, Metadata};

/// How long a written value lives, in seconds.
const TTL_IN_SECONDS: &str = "ttlInSeconds";

/// When a read value ends: RFC 3339, UTC, whole seconds.
pub(super) const TTL_EXPIRE_TIME: &str = "ttlExpireTime";

/// What a store makes of a TTL below -1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BelowMinusOne {
    /// It is as -1: the value lives for ever. Dapr's in-memory store does so.
    Forever,
    /// It is an error. Dapr's SQL stores do so.
    Refused,
}

/// How long a value lives that is written with this metadata; none: for ever, which is also what
/// an empty text, 0 and -1 ask for.
pub(super) fn parse(metadata: &Metadata, below: BelowMinusOne) -> Result<Option<Duration>, Error> {
    match seconds(metadata)? {
        Some(seconds) if seconds < -1 && below == BelowMinusOne::Refused => {
            Err(wrong(&seconds.to_string()))
        }
        // A negative number is no u32: it asks for none.
        seconds => Ok(seconds
            .and_then(|seconds| u32::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.into()))),
    }
}

/// The seconds that this metadata says, whatever they mean; none: it says nothing.
pub(super) fn seconds(metadata: &Metadata) -> Result<Option<i32>, Error> {
    match metadata.get(TTL_IN_SECONDS).filter(|text| !text.is_empty()) {
        Some(text) => text.parse().map(Some).map_err(|_| wrong(text)),
        None => Ok(None),
    }
}

fn wrong(text: &str) -> Error {
    let most = i32::MAX;
    Error::Invalid(format!(
        "metadata {TTL_IN_SECONDS} is `{text}`; write whole seconds from 1 to {most}, or -1 for a \
         value that does not expire"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ttl(text: &str, below: BelowMinusOne) -> Result<Option<Duration>, Error> {
        parse(&Metadata::from([(TTL_IN_SECONDS.into(), text.into())]), below)
    }

    #[test]
    fn a_ttl_is_seconds_and_nothing_zero_or_minus_one_is_for_ever() {
        for below in [BelowMinusOne::Forever, BelowMinusOne::Refused] {
            assert_eq!(ttl("10", below).unwrap(), Some(Duration::from_secs(10)));
            for forever in ["", "0", "-1"] {
                assert_eq!(ttl(forever, below).unwrap(), None);
            }
            for wrong in ["soon", "1.5", "1s", "2147483648"] {
                assert!(matches!(ttl(wrong, below), Err(Error::Invalid(_))), "{wrong}");
            }
        }
        assert_eq!(parse(&Metadata::new(), BelowMinusOne::Refused).unwrap(), None);
    }

    #[test]
    fn a_ttl_below_minus_one_is_what_the_store_makes_of_it() {
        assert_eq!(ttl("-2", BelowMinusOne::Forever).unwrap(), None);
        assert!(matches!(ttl("-2", BelowMinusOne::Refused), Err(Error::Invalid(_))));
    }
}
