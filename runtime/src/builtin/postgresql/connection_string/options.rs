//! What a connection string has that the parser of this client does not know, in either form.

use replug_component::Error;
use tokio_postgres::config::SslMode;

/// Options that say how TLS is spoken, taken out of the rest.
#[derive(Debug, Default)]
pub(super) struct TlsOptions {
    pub(super) mode: Option<String>,
    /// Paths of files.
    pub(super) root: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

/// Options of Dapr's client that mean nothing here.
const OF_ANOTHER_CLIENT: [&str; 5] = [
    "sslsni",
    "default_query_exec_mode",
    "statement_cache_capacity",
    "description_cache_capacity",
    "krbsrvname",
];

/// Options that are the client's or of the start of a session; others are settings of the session.
const OF_CLIENTS: [&str; 22] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
    "passfile",
    "sslpassword",
    "krbspn",
    "service",
    "servicefile",
];

/// What a connection string has that the parser does not know.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) tls: TlsOptions,
    /// Settings of the session.
    pub(super) of_session: Vec<(String, String)>,
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

    pub(super) fn mode(&self) -> Result<SslMode, Error> {
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
}

impl Taken {
    /// The name that the parser knows an option by. None: it is taken.
    fn known<'n>(&mut self, name: &'n str, value: &str) -> Option<&'n str> {
        if self.tls.take(name, value) {
            return None;
        }
        match name {
            "database" => Some("dbname"),
            name if OF_CLIENTS.contains(&name) => Some(name),
            name => {
                self.of_session.push((name.to_owned(), value.to_owned()));
                None
            }
        }
    }

    /// Takes its options out of a URL.
    pub(super) fn out_of_url(&mut self, url: &str) -> String {
        let Some((base, options)) = url.split_once('?') else {
            return url.to_owned();
        };
        let options = options.split('&').filter(|option| !option.is_empty());
        let rest = options.filter_map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let name = self.known(name, &percent_decoded(value))?;
            Some(format!("{name}={value}"))
        });
        let rest: Vec<String> = rest.collect();
        if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) }
    }

    /// Takes its options out of pairs, whose values may stand in quotes.
    pub(super) fn out_of_pairs(&mut self, text: &str) -> Result<String, Error> {
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
            if let Some(name) = self.known(name.trim(), &unquoted(written)) {
                rest.extend([name, "=", written, " "]);
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

pub(super) fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}
