//! `env_file`: variables in a file of their own, a line each.
//!
//! ```text
//! # a comment, or an empty line
//! NAME=value with spaces      # a comment after a space
//! export NAME="a \"quoted\" value,\nwith an escape"
//! NAME='as it $stands'
//! ```
//!
//! Nothing is replaced in values. A name that is given twice has its last value.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::place::Fault;

/// The longest file of variables that is read, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// The variables in the file at `path`. No fault has a value in it.
pub(super) fn read(path: &Path, may_be_missing: bool) -> Result<BTreeMap<String, String>, Fault> {
    let refused =
        |what: String, help: &str| Fault::new(format!("names {}, {what}", path.display()), help);
    let length = fs::metadata(path).map(|data| data.len());
    if length.is_ok_and(|length| length > FILE_LIMIT) {
        return Err(refused(
            format!("which is longer than {FILE_LIMIT} bytes"),
            "name another file",
        ));
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if may_be_missing {
                return Ok(BTreeMap::new());
            }
            let help = "write it, or put a `-` before the path of a file that may be missing";
            return Err(refused("which does not exist".to_owned(), help));
        }
        Err(error) => {
            let help = "let the user that replug runs as read it, as text";
            return Err(refused(format!("which cannot be read: {error}"), help));
        }
    };
    let mut variables = BTreeMap::new();
    for (at, written) in text.lines().enumerate() {
        match line(written) {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                variables.insert(name, value);
            }
            Err(what) => {
                let help = "write NAME=value, NAME=\"value\" or NAME='value' on each line";
                return Err(refused(format!("whose line {} {what}", at + 1), help));
            }
        }
    }
    Ok(variables)
}

/// One line's variable, if it has one.
fn line(written: &str) -> Result<Option<(String, String)>, &'static str> {
    let written = written.trim();
    if written.is_empty() || written.starts_with('#') {
        return Ok(None);
    }
    let written = written.strip_prefix("export ").unwrap_or(written).trim_start();
    let Some((name, rest)) = written.split_once('=') else {
        return Err("has no `=`");
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("has no name of letters, digits and `_` before `=`");
    }
    if rest.contains('\0') {
        return Err("has a zero byte in it");
    }
    let value = match rest.trim_start().chars().next() {
        Some('\'') => {
            let (value, after) =
                rest.trim_start()[1..].split_once('\'').ok_or("has a quote that is not closed")?;
            nothing_after(after)?;
            value.to_owned()
        }
        Some('"') => double_quoted(&rest.trim_start()[1..])?,
        _ => unquoted(rest).to_owned(),
    };
    Ok(Some((name.to_owned(), value)))
}

fn double_quoted(text: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                nothing_after(chars.as_str())?;
                return Ok(value);
            }
            '\\' => value.push(match chars.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(c @ ('"' | '\\' | '$' | '\'')) => c,
                _ => return Err("has a backslash before what needs none"),
            }),
            c => value.push(c),
        }
    }
    Err("has a quote that is not closed")
}

fn nothing_after(rest: &str) -> Result<(), &'static str> {
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') { Ok(()) } else { Err("goes on after its quotes") }
}

/// Up to a comment, which a space parts from the value.
fn unquoted(text: &str) -> &str {
    let comment = text
        .char_indices()
        .find(|(at, c)| *c == '#' && (*at == 0 || text[..*at].ends_with(char::is_whitespace)));
    comment.map_or(text, |(at, _)| &text[..at]).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_name_and_a_value() {
        for (text, name, value) in [
            ("A=b", "A", "b"),
            ("  export A_1 = b", "", ""),
            ("export A=b c # d", "A", "b c"),
            ("A=b#c", "A", "b#c"),
            ("A=", "A", ""),
            ("A=#", "A", ""),
            ("A='b $c # \"d'  # e", "A", "b $c # \"d"),
            (r#"A="b \"c\"\n\$d" "#, "A", "b \"c\"\n$d"),
            ("A=b=c", "A", "b=c"),
        ] {
            let read = line(text);
            if name.is_empty() {
                assert!(read.is_err(), "{text}");
            } else {
                assert_eq!(read, Ok(Some((name.to_owned(), value.to_owned()))), "{text}");
            }
        }
        for text in ["", "   ", "# A=b"] {
            assert_eq!(line(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_is_no_variable_is_said_so() {
        for (text, wanted) in [
            ("A", "has no `=`"),
            ("=b", "has no name of letters, digits and `_` before `=`"),
            ("1A=b", "has no name of letters, digits and `_` before `=`"),
            ("A B=c", "has no name of letters, digits and `_` before `=`"),
            ("A='b", "has a quote that is not closed"),
            ("A=\"b", "has a quote that is not closed"),
            ("A=\"b\" c", "goes on after its quotes"),
            (r#"A="\q""#, "has a backslash before what needs none"),
        ] {
            assert_eq!(line(text), Err(wanted), "{text}");
        }
    }
}
