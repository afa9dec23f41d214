//! How long a message is to live, as its metadata say.

use std::time::Duration;

use replug_component::Metadata;

use crate::go_duration;

/// The names it goes by, in any case; the first one counts more.
const NAMES: [&str; 2] = ["ttl", "ttlInSeconds"];

/// The time to live; none where nothing is said, or what is no duration and no number of seconds
/// above zero.
pub(crate) fn ttl(metadata: &Metadata) -> Option<Duration> {
    let value = NAMES.into_iter().find_map(|name| {
        let (_, value) = metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value)
    })?;
    match value.parse::<i64>() {
        Ok(0) => Some(Duration::ZERO),
        Ok(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
        Err(_) if value.is_empty() => None,
        Err(_) => go_duration::parse(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_a_duration_or_seconds() {
        let ttl = |name: &str, value: &str| ttl(&[(name.into(), value.into())].into());
        assert_eq!(ttl("TTLinSeconds", "90"), Some(Duration::from_secs(90)));
        assert_eq!(ttl("ttl", "1m30s"), Some(Duration::from_secs(90)));
        for wrong in ["", "-1", "soon"] {
            assert_eq!(ttl("ttl", wrong), None, "{wrong}");
        }
    }
}
