//! `${VAR}` in a plan's texts: replaced by the variable's value before anything else is read.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Surroundings;
use super::place::{Fault, Findings, Place, TextId, join};

/// Replaces in every string of the tree, but in no key: `${VAR}` by the variable of replug's own
/// environment, `${VAR:-text}` by the text where the variable is unset or empty, `$$` by `$`. Any
/// other `$` stays.
pub(super) fn replace(
    tree: &mut DeTable<'_>,
    text: TextId,
    surroundings: &Surroundings,
    findings: &mut Findings<'_>,
) {
    table(tree, "", text, surroundings, findings);
}

fn table(
    table: &mut DeTable<'_>,
    path: &str,
    text: TextId,
    surroundings: &Surroundings,
    findings: &mut Findings<'_>,
) {
    for (key, item) in table.iter_mut() {
        value(item, &join(path, key.get_ref()), text, surroundings, findings);
    }
}

fn value(
    item: &mut Spanned<DeValue<'_>>,
    path: &str,
    text: TextId,
    surroundings: &Surroundings,
    findings: &mut Findings<'_>,
) {
    let span = item.span();
    match item.get_mut() {
        DeValue::String(written) if written.contains('$') => {
            match replaced(written, surroundings) {
                Ok(replaced) => *written = replaced.into(),
                Err(fault) => findings.error(&Place::new(text, path, span), fault),
            }
        }
        DeValue::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                value(item, &format!("{path}[{at}]"), text, surroundings, findings);
            }
        }
        DeValue::Table(inner) => table(inner, path, text, surroundings, findings),
        _ => {}
    }
}

fn replaced(written: &str, surroundings: &Surroundings) -> Result<String, Fault> {
    let mut text = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            text.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let Some((inner, after)) = after.split_once('}') else {
                return Err(Fault::new(
                    "has `${` without `}`",
                    "close it, or write `$${` where the text itself is meant",
                ));
            };
            text.push_str(variable(inner, surroundings)?);
            rest = after;
        } else {
            text.push('$');
            rest = &rest[1..];
        }
    }
    text.push_str(rest);
    Ok(text)
}

/// What stands for `VAR` or `VAR:-text`.
fn variable<'v>(inner: &'v str, surroundings: &'v Surroundings) -> Result<&'v str, Fault> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(Fault::new(
            format!("has `${{{inner}}}`, which names no variable"),
            "write ${VAR} or ${VAR:-default}, and `$${` where the text itself is meant",
        ));
    }
    match (surroundings.env.get(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default),
        (None, None) => Err(Fault::new(
            format!("takes the environment variable `{name}`, which is not set"),
            format!("set it before replug starts, or write ${{{name}:-default}}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced_in(text: &str) -> Result<String, String> {
        let env = [("HOME", "/root"), ("EMPTY", "")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        replaced(text, &Surroundings { env, ..Surroundings::default() })
            .map_err(|fault| fault.message)
    }

    #[test]
    fn variables_stand_for_their_values() {
        for (text, wanted) in [
            ("${HOME}/data", "/root/data"),
            ("${HOME}${HOME}", "/root/root"),
            ("${NOT_SET:-a b}", "a b"),
            ("${EMPTY:-filled}", "filled"),
            ("${EMPTY}", ""),
            ("${HOME:-other}", "/root"),
            ("${NOT_SET:-}", ""),
        ] {
            assert_eq!(replaced_in(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_dollar_that_begins_nothing_stays() {
        for (text, wanted) in
            [("$HOME $1 $", "$HOME $1 $"), ("$$", "$"), ("$${HOME}", "${HOME}"), ("a$$$$b", "a$$b")]
        {
            assert_eq!(replaced_in(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_stands_for_nothing_is_an_error() {
        for (text, wanted) in [
            ("${NOT_SET}", "takes the environment variable `NOT_SET`, which is not set"),
            ("${HOME", "has `${` without `}`"),
            ("${}", "has `${}`, which names no variable"),
            ("${HO ME}", "has `${HO ME}`, which names no variable"),
            ("${1}", "has `${1}`, which names no variable"),
        ] {
            assert_eq!(replaced_in(text).as_ref().map_err(String::as_str), Err(wanted), "{text}");
        }
    }
}
