//! Where a database is: `postgres://user:password@host:port/database?options`, or
//! `host=… user=… password=…`, with what stands beside it in settings of its own.
//!
//! TLS is read here as libpq reads it: `sslmode` with `sslrootcert`, `sslcert` and `sslkey`. Whom to
//! trust matters from `verify-ca` on, or with `require` where there is a root certificate; both check
//! the host's name too. Options of Go's pool (`pool_…`) are taken out, since there is another here.

use replug_component::{Error, Metadata};
use rustls::ClientConfig;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::builtin::setting::{Secret, filled, text};
use crate::builtin::tls::Trust;

/// Options that say how TLS is spoken, taken out of the rest.
#[derive(Debug, Default)]
struct TlsOptions {
    mode: Option<String>,
    /// Paths of files.
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

/// Options of Dapr's client that mean nothing here.
const OF_ANOTHER_CLIENT: [&str; 4] = [
    "default_query_exec_mode",
    "statement_cache_capacity",
    "description_cache_capacity",
    "krbsrvname",
];

/// Where a database is, and how it is spoken to.
#[derive(Debug)]
pub(super) struct ConnectionString {
    pub(super) config: Config,
    /// What errors call the database.
    pub(super) shown: String,
    password: Option<Secret>,
    tls: TlsOptions,
}

impl ConnectionString {
    pub(super) fn new(metadata: &Metadata) -> Result<Self, Error> {
        let text = text(metadata, &["connectionString", "url"])?.unwrap_or_default().trim();
        let beside = beside(metadata)?;
        if text.is_empty() && beside.is_empty() {
            return Err(Error::Invalid(
                "`connectionString` is missing; write host=localhost user=postgres \
                 password=… dbname=… or postgres://user:password@host/database"
                    .into(),
            ));
        }
        let mut tls = TlsOptions::default();
        let rest = match text.split_once("://") {
            Some(_) => tls.taken_from_url(text),
            None => tls.taken_from_pairs(text)?,
        };
        // What the parser says names a key and never a value.
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let cause = cause.unwrap_or_else(|| error.to_string());
            Error::Invalid(format!("`connectionString` cannot be read: {cause}"))
        })?;
        for (name, value) in beside {
            let _ = match name {
                "host" => config.host(value),
                "user" => config.user(value),
                "password" => config.password(value),
                "database" => config.dbname(value),
                "port" => config.port(parsed(name, value)?),
                "hostaddr" => config.hostaddr(parsed(name, value)?),
                _ => {
                    tls.root = Some(value.to_owned());
                    &mut config
                }
            };
        }
        config.ssl_mode(tls.mode()?);
        if config.get_application_name().is_none() {
            config.application_name("replug");
        }
        let password = config.get_password().map(String::from_utf8_lossy);
        let password = password.map(|password| Secret::from(password.as_ref()));
        Ok(Self { shown: shown(&config), password, tls, config })
    }

    /// A text without the password.
    pub(super) fn without_password(&self, text: String) -> String {
        match &self.password {
            Some(password) => password.taken_out_of(text),
            None => text,
        }
    }

    /// Whom to trust, where TLS is spoken.
    pub(super) fn tls(&self) -> Result<ClientConfig, Error> {
        let TlsOptions { mode, root, certificate, key } = &self.tls;
        let read = |what: &str, path: &Option<String>| {
            let Some(path) = path.as_ref().filter(|path| path.as_str() != "system") else {
                return Ok(None);
            };
            if path.trim_start().starts_with("-----BEGIN") {
                return Ok(Some(path.clone()));
            }
            std::fs::read_to_string(path).map(Some).map_err(|error| {
                Error::Invalid(format!("`{what}` names {path}, which cannot be read: {error}"))
            })
        };
        let checked = match mode.as_deref() {
            Some("verify-ca" | "verify-full") => true,
            Some("require") => root.is_some(),
            _ => false,
        };
        let root = if checked { read("sslrootcert", root)? } else { None };
        let client = (read("sslcert", certificate)?, read("sslkey", key)?);
        let client = match &client {
            (Some(certificate), Some(key)) => Some((certificate.as_str(), key.as_str())),
            _ => None,
        };
        Trust { root: root.as_deref(), client, anybody: !checked }.config()
    }
}

/// The settings that stand beside the connection string, those that say something.
fn beside(metadata: &Metadata) -> Result<Vec<(&'static str, &str)>, Error> {
    let mut said = Vec::new();
    for name in ["host", "hostaddr", "port", "database", "user", "password", "sslRootCert"] {
        if let Some(value) = filled(metadata, &[name])? {
            said.push((name, value));
        }
    }
    Ok(said)
}

fn parsed<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Error> {
    value.parse().map_err(|_| Error::Invalid(format!("`{name}` is `{value}`, which is none")))
}

/// The host and the database: what tells it from others.
fn shown(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("{host}:{port}/{database}")
}

impl TlsOptions {
    /// Keeps an option that is for here. False: it is for the parser.
    fn take(&mut self, name: &str, value: &str) -> bool {
        let place = match name {
            "sslmode" => &mut self.mode,
            "sslrootcert" => &mut self.root,
            "sslcert" => &mut self.certificate,
            "sslkey" => &mut self.key,
            _ => return name.starts_with("pool_") || OF_ANOTHER_CLIENT.contains(&name),
        };
        *place = Some(value.to_owned()).filter(|value| !value.is_empty());
        true
    }

    fn mode(&self) -> Result<SslMode, Error> {
        match self.mode.as_deref() {
            Some("disable") => Ok(SslMode::Disable),
            None | Some("allow" | "prefer") => Ok(SslMode::Prefer),
            Some("require" | "verify-ca" | "verify-full") => Ok(SslMode::Require),
            Some(other) => Err(Error::Invalid(format!(
                "`sslmode` is `{other}`; write disable, allow, prefer, require, verify-ca or \
                 verify-full"
            ))),
        }
    }

    /// Takes its options out of a URL.
    fn taken_from_url(&mut self, url: &str) -> String {
        let Some((base, options)) = url.split_once('?') else {
            return url.to_owned();
        };
        let rest: Vec<&str> = options
            .split('&')
            .filter(|option| {
                let (name, value) = option.split_once('=').unwrap_or((option, ""));
                !option.is_empty() && !self.take(name, &percent_decoded(value))
            })
            .collect();
        if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) }
    }

    /// Takes its options out of pairs, whose values may stand in quotes.
    fn taken_from_pairs(&mut self, text: &str) -> Result<String, Error> {
        let mut rest = String::new();
        let mut at = text.trim_start();
        while !at.is_empty() {
            let wrong = || {
                Error::Invalid("`connectionString` cannot be read: write name=value pairs".into())
            };
            let (name, after) = at.split_once('=').ok_or_else(wrong)?;
            let after = after.trim_start();
            let end = end_of_value(after).ok_or_else(wrong)?;
            let written = &after[..end];
            if !self.take(name.trim(), &unquoted(written)) {
                rest.extend([name.trim(), "=", written, " "]);
            }
            at = after[end..].trim_start();
        }
        Ok(rest)
    }
}

/// Where a written value ends: after its closing quote, or before a blank. None: its quote is open.
fn end_of_value(text: &str) -> Option<usize> {
    let quoted = text.starts_with('\'');
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(usize::from(quoted)) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' if quoted => return Some(at + 1),
            c if !quoted && c.is_whitespace() => return Some(at),
            _ => {}
        }
    }
    (!quoted).then_some(text.len())
}

fn unquoted(written: &str) -> String {
    let inner = written.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    let (mut value, mut escaped) = (String::new(), false);
    for c in inner.unwrap_or(written).chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            value.push(c);
        }
    }
    value
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<ConnectionString, Error> {
        ConnectionString::new(
            &pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        )
    }

    #[test]
    fn both_forms_say_the_same() {
        for text in [
            "postgres://shop:s3cret@db.local:5433/orders?sslmode=verify-full&pool_max_conns=3",
            "host=db.local port=5433 user=shop password='s3cret' dbname=orders sslmode=verify-full",
            "host=db.local  port = 5433 user=shop password=s3cret database=x dbname='orders' \
             pool_max_conns=9 sslmode='verify-full'",
        ] {
            // `database` is no key of the second form.
            let text = text.replace("database=x ", "");
            let parsed = parse(&[("connectionString", &text)]).unwrap();
            assert_eq!(parsed.shown, "db.local:5433/orders", "{text}");
            assert_eq!(parsed.config.get_user(), Some("shop"));
            assert_eq!(parsed.config.get_password(), Some(&b"s3cret"[..]));
            assert_eq!(parsed.config.get_ssl_mode(), SslMode::Require);
            assert!(!format!("{parsed:?}").contains("s3cret"));
        }
    }

    #[test]
    fn settings_beside_it_count_too() {
        let parsed = parse(&[
            ("connectionString", "sslmode=disable"),
            ("host", "db.local"),
            ("port", "5433"),
            ("user", "shop"),
            ("password", "it's"),
            ("database", "orders"),
        ])
        .unwrap();
        assert_eq!(parsed.shown, "db.local:5433/orders");
        assert_eq!(parsed.config.get_password(), Some(&b"it's"[..]));
        assert_eq!(parsed.config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn quotes_and_escapes_end_where_they_should() {
        let parsed = parse(&[(
            "connectionString",
            r"user='a b' password='it\'s s3cret' sslrootcert='/a b' host=h",
        )]);
        let parsed = parsed.unwrap();
        assert_eq!(parsed.config.get_password(), Some(&b"it's s3cret"[..]));
        assert_eq!(parsed.config.get_user(), Some("a b"));
        assert_eq!(parsed.tls.root.as_deref(), Some("/a b"));
        assert_eq!(percent_decoded("%2Fa%20b%"), "/a b%");
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_nothing_of_it_shown() {
        for text in [
            "",
            "s3cret",
            "password='s3cret",
            "host=h sslmode=s3cret_not_but_shown",
            "host=h port=s3cret",
            "postgres://user:s3cret@host:port/",
        ] {
            let error = parse(&[("connectionString", text)]).unwrap_err().to_string();
            assert!(error.contains("`connectionString`") || error.contains("`sslmode`"), "{error}");
            assert!(!error.contains("s3cret") || error.contains("`sslmode`"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_shows_its_password(
            before in "(postgres(ql)?://[a-z]{0,5}:|host=[a-z]{1,9} password=|.{0,9})",
            after in "(@[a-z:0-9,]{0,12}(/[a-z]{0,5})?([?][a-z_]{0,12}=.{0,9}(&sslmode=.{0,9})?)?| .{0,20})",
        ) {
            let text = format!("{before}s3cr3tpassw0rd{after}");
            let is_secret =
                before.ends_with("password=") || before.contains("://") && after.starts_with('@');
            match parse(&[("connectionString", &text)]) {
                Ok(parsed) => prop_assert!(
                    !is_secret || !parsed.shown.contains("s3cr3tpassw0rd"),
                    "{}",
                    parsed.shown
                ),
                Err(error) => prop_assert!(
                    !is_secret || !error.to_string().contains("s3cr3tpassw0rd"),
                    "{error}"
                ),
            }
        }
    }
}
