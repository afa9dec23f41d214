//! Flags that are numbers, ports, sizes and durations, read as daprd reads them.

use std::time::Duration;

use super::flags::Flags;

/// A whole number of any size.
pub(super) fn number(flags: &Flags, name: &str) -> Result<i64, String> {
    let text = flags.text(name);
    text.parse().map_err(|_| {
        format!("error parsing {name} flag: strconv.Atoi: parsing {text:?}: invalid syntax")
    })
}

/// A port; zero where none is given.
pub(super) fn port(flags: &Flags, name: &str) -> Result<u16, String> {
    let text = flags.text(name);
    if text.is_empty() {
        return Ok(0);
    }
    let number = number(flags, name)?;
    u16::try_from(number).map_err(|_| format!("error parsing {name} flag: {number} is no port"))
}

/// A size in bytes by the flag `name`, else by its alias from before, which counts in units of two
/// to the power of `shift`.
pub(super) fn size(flags: &Flags, name: &str, alias: &str, shift: u32) -> Result<usize, String> {
    let old = number(flags, alias)?;
    if !flags.given(name) && flags.given(alias) && old != -1 {
        return Ok(usize::try_from(old).unwrap_or(0) << shift);
    }
    let text = flags.text(name);
    quantity(text).ok_or_else(|| {
        format!("failed to parse {name}: {text:?} is no quantity; write one such as 4Mi")
    })
}

/// A quantity as Kubernetes writes it: `4Mi`, `100k`, `1.5Gi`. What is below zero is zero.
fn quantity(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| c != '.' && c != '-' && c != '+' && !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let size: f64 = match unit {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Held to what fits.
    Some((number * size).ceil().clamp(0.0, u32::MAX.into()) as usize)
}

/// A duration as Go writes it; none where the flag is empty.
pub(super) fn duration(flags: &Flags, name: &str) -> Result<Option<Duration>, String> {
    let text = flags.text(name);
    if text.is_empty() {
        return Ok(None);
    }
    let read = replug_runtime::resources::go_duration(text);
    read.map(Some).ok_or_else(|| {
        format!("invalid argument {text:?} for \"--{name}\" flag: write a duration such as 3s")
    })
}
