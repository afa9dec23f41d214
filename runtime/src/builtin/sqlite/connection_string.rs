//! Where a database is: a path, `file:path?options` or `:memory:`.
//!
//! Options that SQLite knows (`mode`, `immutable`, `vfs` …) are passed on to it. Two are Dapr's:
//! `_pragma=name(value)`, which is carried out on every connection, and `_txlock`, which changes
//! nothing here. `cache` is left out: connections do not share caches, and a database in memory has
//! one connection.

use replug_component::Error;

/// Pragmas that are settings of their own, or that the store needs as they are.
const OWN_PRAGMAS: [(&str, &str); 3] = [
    ("busy_timeout", "use the setting `busyTimeout`"),
    ("journal_mode", "use the setting `disableWAL`"),
    ("foreign_keys", "the store has none"),
];

/// A connection string, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConnectionString {
    /// What SQLite opens: a path, a URI or `:memory:`.
    pub(super) open: String,
    /// What errors call the database.
    pub(super) shown: String,
    /// The database is the one connection's, and gone with it.
    pub(super) in_memory: bool,
    /// Nothing is written: `mode=ro` or `immutable=1`.
    pub(super) read_only: bool,
    /// Names and values of `_pragma`s.
    pub(super) pragmas: Vec<(String, String)>,
}

impl ConnectionString {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::Invalid(
                "`connectionString` is missing; write a file's path, such as data.db, or :memory:"
                    .into(),
            ));
        }
        let (base, options) = text.split_once('?').unwrap_or((text, ""));
        let is_uri = base.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"));
        let path = if is_uri { &base[5..] } else { base };
        let mut parsed = Self {
            open: base.to_owned(),
            shown: path.to_owned(),
            in_memory: path.to_ascii_lowercase().starts_with(":memory:"),
            read_only: false,
            pragmas: Vec::new(),
        };
        let mut passed_on = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match (name, value) {
                ("_pragma", pragma) => parsed.pragmas.push(parse_pragma(pragma)?),
                ("_txlock" | "cache", _) => {}
                ("mode", "memory") => parsed.in_memory = true,
                ("mode", "ro") | ("immutable", "1") => {
                    parsed.read_only = true;
                    passed_on.push(option);
                }
                _ => passed_on.push(option),
            }
        }
        if parsed.in_memory {
            parsed.open = ":memory:".into();
            parsed.shown = ":memory:".into();
        } else if !passed_on.is_empty() {
            parsed.open = format!("file:{path}?{}", passed_on.join("&"));
        } else if is_uri {
            parsed.open = format!("file:{path}");
        }
        Ok(parsed)
    }
}

/// `name(value)` or `name=value`, perhaps with the signs between percent-encoded.
fn parse_pragma(text: &str) -> Result<(String, String), Error> {
    let plain = text.replace("%28", "(").replace("%29", ")").replace("%3D", "=");
    let parts = plain.strip_suffix(')').and_then(|plain| plain.split_once('('));
    let word = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        (!text.is_empty() && text.bytes().all(fits)).then(|| text.to_ascii_lowercase())
    };
    let (name, value) = parts
        .or_else(|| plain.split_once('='))
        .and_then(|(name, value)| Some((word(name)?, word(value)?)))
        .ok_or_else(|| {
            Error::Invalid(format!(
                "`connectionString` has `_pragma={text}`; write _pragma=name(value), such as \
                 _pragma=synchronous(normal)"
            ))
        })?;
    if let Some((_, instead)) = OWN_PRAGMAS.iter().find(|(own, _)| *own == name) {
        return Err(Error::Invalid(format!(
            "`connectionString` must not set `_pragma={name}`: {instead}"
        )));
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_uris_and_memory_are_told_apart() {
        for (text, open, in_memory, read_only) in [
            ("data.db", "data.db", false, false),
            ("/var/50%.db", "/var/50%.db", false, false),
            ("file:data.db", "file:data.db", false, false),
            ("file:/a/b.db?cache=shared&_txlock=immediate", "file:/a/b.db", false, false),
            ("data.db?mode=ro", "file:data.db?mode=ro", false, true),
            ("file:data.db?immutable=1&vfs=unix", "file:data.db?immutable=1&vfs=unix", false, true),
            (":memory:", ":memory:", true, false),
            ("file::memory:?cache=shared", ":memory:", true, false),
            ("file:name?mode=memory", ":memory:", true, false),
        ] {
            let parsed = ConnectionString::parse(text).unwrap();
            assert_eq!(
                (parsed.open.as_str(), parsed.in_memory, parsed.read_only),
                (open, in_memory, read_only),
                "{text}"
            );
        }
    }

    #[test]
    fn pragmas_are_taken_out_and_some_are_refused() {
        let text = "a.db?_pragma=synchronous(NORMAL)&_pragma=cache_size%28-4000%29";
        let parsed = ConnectionString::parse(text).unwrap();
        assert_eq!(parsed.open, "a.db");
        let pragmas = [("synchronous", "normal"), ("cache_size", "-4000")];
        assert_eq!(parsed.pragmas, pragmas.map(|(n, v)| (n.to_owned(), v.to_owned())));
        for wrong in ["busy_timeout(1)", "journal_mode=off", "x", "a(b", "a('b')", "a(b);c"] {
            let error = ConnectionString::parse(&format!("a.db?_pragma={wrong}")).unwrap_err();
            assert!(error.to_string().contains("`connectionString`"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_connection_string_or_told(
            text in "(file:)?.{0,20}([?](_pragma=[a-z_]{0,12}[(]?.{0,6}[)]?|mode=|.{0,9})(&.{0,9}){0,3})?",
        ) {
            match ConnectionString::parse(&text) {
                Ok(parsed) => {
                    let options = parsed.open.split_once('?').map_or("", |(_, options)| options);
                    prop_assert!(!options.split('&').any(|option| option.starts_with("_pragma=")));
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}
