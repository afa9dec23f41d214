//! How long a value lives: `ttlInSeconds` of a write's metadata, and `ttlExpireTime` of a read's.

use std::num::{IntErrorKind, ParseIntError};
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
/// an empty text, 0 and -1 ask for. Nothing is taken to live for more than some 136 years.
pub(super) fn parse(metadata: &Metadata, below: BelowMinusOne) -> Result<Option<Duration>, Error> {
    let Some(text) = said(metadata) else { return Ok(None) };
    let seconds = match below {
        BelowMinusOne::Forever => whole(text, "Atoi").map_err(Error::Invalid)?,
        BelowMinusOne::Refused => {
            let seconds = whole(text, "ParseInt").map_err(|why| wrong(&why))?;
            if seconds < -1 || seconds > i32::MAX.into() {
                return Err(wrong("must be -1 or greater"));
            }
            seconds
        }
    };
    // A negative number is none: it asks for none.
    let seconds = u64::try_from(seconds).unwrap_or(0).min(u32::MAX.into());
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

/// The seconds that this metadata says, whatever they mean; none: it says nothing.
pub(super) fn seconds(metadata: &Metadata) -> Result<Option<i32>, Error> {
    let Some(text) = said(metadata) else { return Ok(None) };
    let seconds = whole(text, "ParseInt").map_err(|why| wrong(&why))?;
    i32::try_from(seconds).map(Some).map_err(|_| wrong("must be -1 or greater"))
}

/// The same of a value in Redis, where any number counts; in the words of Dapr's store.
pub(super) fn any_seconds(metadata: &Metadata) -> Result<Option<i64>, Error> {
    let Some(text) = said(metadata) else { return Ok(None) };
    let seconds = whole(text, "ParseInt");
    let seconds = seconds.map_err(|why| format!("failed to parse ttl from metadata: {why}"));
    seconds.map(Some).map_err(Error::Invalid)
}

fn said(metadata: &Metadata) -> Option<&str> {
    metadata.get(TTL_IN_SECONDS).map(String::as_str).filter(|text| !text.is_empty())
}

/// The number that a text is, or what Go's `function` says of one that is none.
fn whole(text: &str, function: &str) -> Result<i64, String> {
    text.parse().map_err(|error: ParseIntError| {
        let why = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.{function}: parsing {text:?}: {why}")
    })
}

fn wrong(why: &str) -> Error {
    let what = format!("incorrect value for metadata '{TTL_IN_SECONDS}'");
    Error::Invalid(format!("error parsing TTL: {what}: {why}"))
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
            for wrong in ["soon", "1.5", "1s", "99999999999999999999"] {
                assert!(matches!(ttl(wrong, below), Err(Error::Invalid(_))), "{wrong}");
            }
        }
        assert_eq!(parse(&Metadata::new(), BelowMinusOne::Refused).unwrap(), None);
    }

    #[test]
    fn a_wrong_ttl_is_told_of_in_the_words_of_daprs_stores() {
        use BelowMinusOne::{Forever, Refused};
        let sql = "error parsing TTL: incorrect value for metadata 'ttlInSeconds': ";
        for (text, below, told) in [
            ("x", Forever, "strconv.Atoi: parsing \"x\": invalid syntax".to_owned()),
            ("x", Refused, format!("{sql}strconv.ParseInt: parsing \"x\": invalid syntax")),
            (
                "99999999999999999999",
                Forever,
                "strconv.Atoi: parsing \"99999999999999999999\": value out of range".to_owned(),
            ),
            ("-2", Refused, format!("{sql}must be -1 or greater")),
            ("2147483648", Refused, format!("{sql}must be -1 or greater")),
        ] {
            assert_eq!(ttl(text, below).unwrap_err().to_string(), told);
        }
        assert_eq!(ttl("2147483648", Forever).unwrap(), Some(Duration::from_secs(1 << 31)));
    }

    #[test]
    fn any_number_is_a_lifetime_in_redis() {
        let seconds =
            |text: &str| any_seconds(&Metadata::from([(TTL_IN_SECONDS.into(), text.into())]));
        assert_eq!(seconds("99999999999").unwrap(), Some(99_999_999_999));
        assert_eq!((seconds("-7").unwrap(), seconds("").unwrap()), (Some(-7), None));
        assert_eq!(
            seconds("1.5").unwrap_err().to_string(),
            "failed to parse ttl from metadata: strconv.ParseInt: parsing \"1.5\": invalid syntax"
        );
    }

    #[test]
    fn a_ttl_below_minus_one_is_what_the_store_makes_of_it() {
        assert_eq!(ttl("-2", BelowMinusOne::Forever).unwrap(), None);
        assert!(matches!(ttl("-2", BelowMinusOne::Refused), Err(Error::Invalid(_))));
    }
}
