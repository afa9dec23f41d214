//! Settings of a component, as Dapr reads them from metadata: names count in any case, and unknown
//! ones are left alone.

use std::time::Duration;

use replug_component::{Error, Metadata};

/// The value of the first of these names that is there.
pub(super) fn text<'m>(metadata: &'m Metadata, names: &[&str]) -> Result<Option<&'m str>, Error> {
    Ok(found(metadata, names)?.map(|(_, value)| value))
}

/// The first of these names that is there, as it is written there, and its value.
fn found<'m>(metadata: &'m Metadata, names: &[&str]) -> Result<Option<(&'m str, &'m str)>, Error> {
    for name in names {
        let mut values = metadata.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (Some((key, value)), None) => return Ok(Some((key, value))),
            (Some((one, _)), Some((other, _))) => {
                return Err(Error::Invalid(format!("`{one}` and `{other}` are the same setting")));
            }
            (None, _) => {}
        }
    }
    Ok(None)
}

/// As [`text`]; an empty one is none.
pub(super) fn filled<'m>(metadata: &'m Metadata, names: &[&str]) -> Result<Option<&'m str>, Error> {
    Ok(text(metadata, names)?.filter(|text| !text.is_empty()))
}

/// A duration in Go's form, under the first of these names that is there.
pub(super) fn duration(
    metadata: &Metadata,
    names: &[&str],
    default: Duration,
) -> Result<Duration, Error> {
    let Some((name, text)) = found(metadata, names)? else {
        return Ok(default);
    };
    crate::go_duration::parse(text).ok_or_else(|| {
        Error::Invalid(format!("`{name}` is `{text}`; write a duration such as 20s or 1h30m"))
    })
}

/// Whether something is so; it is not where nothing is said.
pub(super) fn truth(metadata: &Metadata, name: &str) -> Result<bool, Error> {
    let text = text(metadata, &[name])?.unwrap_or_default();
    match text.trim().to_ascii_lowercase().as_str() {
        _ if says_yes(text) => Ok(true),
        "" | "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err(Error::Invalid(format!("`{name}` is `{text}`; write true or false"))),
    }
}

/// Whether a text says yes, in any of the ways that Dapr reads.
pub(super) fn says_yes(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "y" | "yes" | "true" | "t" | "on" | "1")
}

/// A whole number, under the first of these names that is there.
pub(super) fn number(metadata: &Metadata, names: &[&str]) -> Result<Option<i64>, Error> {
    let found = found(metadata, names)?.map(|(name, text)| (name, text.trim()));
    let Some((name, text)) = found.filter(|(_, text)| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = |_| Error::Invalid(format!("`{name}` is `{text}`; write a whole number"));
    text.parse().map(Some).map_err(wrong)
}

/// A size in bytes as Kubernetes writes quantities: `100Mi`, `1G`, `512`. What is below zero is zero.
pub(super) fn quantity(text: &str) -> Option<usize> {
    let text = text.trim();
    let end = text.find(|c: char| !matches!(c, '.' | '-' | '+') && !c.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let (base, power) = match unit {
        "" => (1.0_f64, 1),
        "k" => (1e3, 1),
        "M" => (1e3, 2),
        "G" => (1e3, 3),
        "T" => (1e3, 4),
        "P" => (1e3, 5),
        "E" => (1e3, 6),
        "Ki" => (1024.0, 1),
        "Mi" => (1024.0, 2),
        "Gi" => (1024.0, 3),
        "Ti" => (1024.0, 4),
        "Pi" => (1024.0, 5),
        "Ei" => (1024.0, 6),
        _ => return None,
    };
    // A conversion from a float stays within what the type holds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some((number * base.powi(power)).ceil() as usize)
}

/// A setting that nobody is shown.
#[derive(Clone)]
pub(super) struct Secret(String);

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Secret {
    /// What it is.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without it, for whatever a server or a library may have put into an error.
    pub(super) fn taken_out_of(&self, text: String) -> String {
        if self.0.is_empty() { text } else { text.replace(&self.0, "***") }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
