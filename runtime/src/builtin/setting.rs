//! Settings of a component, as Dapr reads them from metadata: names count in any case, and unknown
//! ones are left alone.

use std::time::Duration;

use replug_component::{Error, Metadata};

/// The value of the first of these names that is there.
pub(super) fn text<'m>(metadata: &'m Metadata, names: &[&str]) -> Result<Option<&'m str>, Error> {
    for name in names {
        let mut values = metadata.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (Some((_, value)), None) => return Ok(Some(value)),
            (Some((one, _)), Some((other, _))) => {
                return Err(Error::Invalid(format!("`{one}` and `{other}` are the same setting")));
            }
            (None, _) => {}
        }
    }
    Ok(None)
}

/// A duration in Go's form, under the first of these names that is there.
pub(super) fn duration(
    metadata: &Metadata,
    names: &[&str],
    default: Duration,
) -> Result<Duration, Error> {
    let Some(text) = text(metadata, names)? else {
        return Ok(default);
    };
    crate::go_duration::parse(text).ok_or_else(|| {
        let name = names[0];
        Error::Invalid(format!("`{name}` is `{text}`; write a duration such as 20s or 1h30m"))
    })
}

/// Whether something is so; it is not where nothing is said.
pub(super) fn truth(metadata: &Metadata, name: &str) -> Result<bool, Error> {
    let text = text(metadata, &[name])?.unwrap_or_default();
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "" | "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err(Error::Invalid(format!("`{name}` is `{text}`; write true or false"))),
    }
}
