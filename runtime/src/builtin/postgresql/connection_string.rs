//! Where a database is: `postgres://user:password@host:port/database?options`, or
//! `host=… user=… password=…`, with what stands beside it in settings of its own.
//!
//! TLS is read here as libpq reads it: `sslmode` with `sslrootcert`, `sslcert` and `sslkey`. Whom to
//! trust matters from `verify-ca` on, or with `require` where there is a root certificate; both check
//! the host's name too. Options of Go's pool (`pool_…`) are taken out, since there is another here.
//! Names that no client knows are settings of the session, such as `search_path`, as in Dapr's client,
//! and what is not said at all is looked for in the environment ([`environment`]).

mod environment;
mod options;

use replug_component::{Error, Metadata};
use rustls::ClientConfig;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use self::options::{Taken, TlsOptions};
use crate::builtin::setting::{Secret, filled, text};
use crate::builtin::tls::Trust;

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
        Self::with_environment(metadata, |name| std::env::var(name).ok())
    }

    fn with_environment(
        metadata: &Metadata,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let text = text(metadata, &["connectionString", "url"])?.unwrap_or_default().trim();
        let beside = beside(metadata)?;
        if text.is_empty() && beside.is_empty() {
            return Err(Error::Invalid(
                "`connectionString` is missing; write host=localhost user=postgres \
                 password=… dbname=… or postgres://user:password@host/database"
                    .into(),
            ));
        }
        let mut taken = Taken::default();
        let rest = match text.split_once("://") {
            Some(_) => taken.out_of_url(text),
            None => taken.out_of_pairs(text)?,
        };
        let Taken { mut tls, of_session } = taken;
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
        environment::fill(&mut config, &mut tls, variable)?;
        set_for_session(&mut config, &of_session);
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

/// Has a session begin with these settings.
fn set_for_session(config: &mut Config, settings: &[(String, String)]) {
    let mut options = config.get_options().unwrap_or_default().to_owned();
    for (name, value) in settings {
        if !options.is_empty() {
            options.push(' ');
        }
        options.push_str("-c ");
        for c in format!("{name}={value}").chars() {
            // As the server reads them, words end at blanks without a backslash before them.
            if c == '\\' || c.is_whitespace() {
                options.push('\\');
            }
            options.push(c);
        }
    }
    if !options.is_empty() {
        config.options(options);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_postgres::config::SslMode;

    use super::options::percent_decoded;
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<ConnectionString, Error> {
        parse_where(pairs, &[])
    }

    /// The same where the environment has these variables.
    fn parse_where(
        pairs: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Result<ConnectionString, Error> {
        let metadata = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        ConnectionString::with_environment(&metadata.collect(), |wanted| {
            let found = variables.iter().find(|(name, _)| *name == wanted)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn both_forms_say_the_same() {
        for text in [
            "postgres://shop:s3cret@db.local:5433/orders?sslmode=verify-full&pool_max_conns=3",
            "host=db.local port=5433 user=shop password='s3cret' dbname=orders sslmode=verify-full",
            "host=db.local  port = 5433 user=shop password=s3cret database='orders' \
             pool_max_conns=9 sslmode='verify-full'",
            "postgres://shop:s3cret@db.local:5433?database=orders&sslmode=require",
        ] {
            let parsed = parse(&[("connectionString", text)]).unwrap();
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
    fn what_no_client_knows_is_a_setting_of_the_session() {
        for text in [
            "host=h options='-c a=1' search_path='shop, public' statement_timeout=5000",
            "postgres://h?options=-c%20a%3D1&search_path=shop,%20public&statement_timeout=5000",
        ] {
            let parsed = parse(&[("connectionString", text)]).unwrap();
            let wanted = r"-c a=1 -c search_path=shop,\ public -c statement_timeout=5000";
            assert_eq!(parsed.config.get_options(), Some(wanted), "{text}");
        }
        assert_eq!(parse(&[("connectionString", "host=h")]).unwrap().config.get_options(), None);
    }

    #[test]
    fn the_environment_has_what_is_not_said() {
        let environment = [
            ("PGHOST", "db.local"),
            ("PGPORT", "5433"),
            ("PGDATABASE", "orders"),
            ("PGUSER", "shop"),
            ("PGPASSWORD", "s3cret"),
            ("PGSSLMODE", "require"),
            ("PGAPPNAME", "mine"),
        ];
        let none =
            parse_where(&[("connectionString", "connect_timeout=10")], &environment).unwrap();
        assert_eq!(none.shown, "db.local:5433/orders");
        assert_eq!(none.config.get_user(), Some("shop"));
        assert_eq!(none.config.get_password(), Some(&b"s3cret"[..]));
        assert_eq!(none.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(none.config.get_application_name(), Some("mine"));
        let text = "host=other user=me dbname=x port=1 password=y sslmode=disable";
        let all = parse_where(&[("connectionString", text)], &environment).unwrap();
        assert_eq!((all.shown.as_str(), all.config.get_user()), ("other:1/x", Some("me")));
        assert_eq!(all.config.get_password(), Some(&b"y"[..]));
        assert_eq!(all.config.get_ssl_mode(), SslMode::Disable);
        let wrong = parse_where(&[("connectionString", "host=h")], &[("PGPORT", "x")]);
        assert_eq!(wrong.unwrap_err().to_string(), "`PGPORT` is `x`, which is none");
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
