//! The proxies that the environment names, as Go's HTTP client takes them: `HTTP_PROXY` for URLs with
//! `http`, `HTTPS_PROXY` for those with `https`, and `NO_PROXY` for what goes without one, each in
//! small letters too. What is on this machine never goes through a proxy.

mod exempt;

use std::fmt;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use replug_component::Error;

use exempt::Exempt;

/// The port of SOCKS, where none is named.
const SOCKS_PORT: u16 = 1080;

/// Which requests go through which proxy.
pub(super) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exempt: Exempt,
}

/// A proxy.
#[derive(Clone)]
pub(super) struct Proxy {
    /// Where it is and what it speaks; a port is named where it needs one.
    pub(super) uri: Uri,
    login: Intercept,
}

/// How requests go through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The proxy is asked instead of the server, by the whole URL.
    Asked,
    /// The proxy opens a way to the server.
    Tunnel,
    /// The same over SOCKS 5.
    Socks,
}

impl Proxies {
    /// Those of the environment at this moment.
    pub(super) fn from_environment() -> Result<Self, Error> {
        Self::new(|name| std::env::var(name).ok())
    }

    fn new(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let first = |names: [&'static str; 2]| {
            let mut set = names.into_iter().filter_map(|name| Some((name, variable(name)?)));
            set.find(|(_, value)| !value.is_empty())
        };
        let proxy = |names| first(names).map(|(name, value)| Proxy::new(name, &value)).transpose();
        let exempt = first(["NO_PROXY", "no_proxy"]).map(|(_, value)| value);
        Ok(Self {
            http: proxy(["HTTP_PROXY", "http_proxy"])?,
            https: proxy(["HTTPS_PROXY", "https_proxy"])?,
            exempt: Exempt::new(&exempt.unwrap_or_default()),
        })
    }

    /// The proxy of requests to this URL, and how they go through it. None: they go without one.
    pub(super) fn of(&self, url: &Uri) -> Option<(&Proxy, Way)> {
        let encrypted = url.scheme() == Some(&Scheme::HTTPS);
        let proxy = if encrypted { self.https.as_ref()? } else { self.http.as_ref()? };
        let host = url.host()?.trim_matches(['[', ']']);
        let port = url.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        if self.exempt.has(host, port) {
            return None;
        }
        let way = match proxy.uri.scheme_str() {
            Some("socks5" | "socks5h") => Way::Socks,
            _ if encrypted => Way::Tunnel,
            _ => Way::Asked,
        };
        Some((proxy, way))
    }

    /// The login that a request has to bring itself, since the proxy is asked instead of the server.
    pub(super) fn login_for(&self, url: &Uri) -> Option<&HeaderValue> {
        let (proxy, way) = self.of(url)?;
        proxy.login().filter(|_| way == Way::Asked)
    }
}

impl Proxy {
    fn new(name: &str, value: &str) -> Result<Self, Error> {
        // Its value may have a password.
        let wrong = || {
            Error::Invalid(format!(
                "the environment variable {name} is no address of a proxy, such as \
                 http://proxy.example:3128; http, https, socks5 and socks5h can be spoken"
            ))
        };
        let any = Matcher::builder().all(value.trim()).build();
        let login = any.intercept(&Uri::from_static("http://any")).ok_or_else(wrong)?;
        let mut parts = login.uri().clone().into_parts();
        match parts.scheme.as_ref().map(Scheme::as_str) {
            Some("http" | "https") => {}
            Some("socks5" | "socks5h") => {
                let host = parts.authority.take().ok_or_else(wrong)?;
                let with_port = match host.port() {
                    Some(_) => Ok(host),
                    None => format!("{host}:{SOCKS_PORT}").parse::<Authority>(),
                };
                parts.authority = Some(with_port.map_err(|_| wrong())?);
            }
            _ => return Err(wrong()),
        }
        let uri = Uri::from_parts(parts).map_err(|_| wrong())?;
        Ok(Self { uri, login })
    }

    /// What an HTTP proxy is told of who asks.
    pub(super) fn login(&self) -> Option<&HeaderValue> {
        self.login.basic_auth()
    }

    /// The user and the password of a SOCKS proxy.
    pub(super) fn socks_login(&self) -> Option<(&str, &str)> {
        self.login.raw_auth()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", Authority::as_str);
        write!(f, "{}://{authority}", self.uri.scheme_str().unwrap_or("http"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, Error> {
        Proxies::new(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn through(proxies: &Proxies, url: &str) -> Option<(String, Way)> {
        proxies.of(&url.parse().unwrap()).map(|(proxy, way)| (proxy.to_string(), way))
    }

    #[test]
    fn each_scheme_has_its_proxy_and_this_machine_has_none() {
        let proxies = proxies(&[
            ("http_proxy", "proxy.example:3128"),
            ("HTTPS_PROXY", "https://me:s3cret@safe.example"),
            ("https_proxy", "http://other.example"),
            ("ALL_PROXY", "http://not.of.go"),
        ])
        .unwrap();
        let plain = ("http://proxy.example:3128".to_owned(), Way::Asked);
        assert_eq!(through(&proxies, "http://shop.example/a"), Some(plain));
        let safe = ("https://safe.example".to_owned(), Way::Tunnel);
        assert_eq!(through(&proxies, "https://shop.example:8443/a"), Some(safe));
        for here in ["http://localhost/a", "https://127.0.0.7:1/", "http://[::1]:80/"] {
            assert_eq!(through(&proxies, here), None, "{here}");
        }
        let url = "https://shop.example".parse().unwrap();
        assert_eq!(proxies.of(&url).unwrap().0.login().unwrap(), "Basic bWU6czNjcmV0");
        assert_eq!(proxies.login_for(&url), None);
    }

    #[test]
    fn socks_has_a_port_of_its_own_and_what_cannot_be_spoken_is_refused_without_its_password() {
        let both = [("HTTP_PROXY", "socks5://me:s3cret@there"), ("NO_PROXY", "shop.example:81")];
        let proxies_ = proxies(&both).unwrap();
        let socks = ("socks5://there:1080".to_owned(), Way::Socks);
        assert_eq!(through(&proxies_, "http://shop.example"), Some(socks));
        assert_eq!(through(&proxies_, "http://shop.example:81"), None);
        assert_eq!(through(&proxies_, "https://shop.example"), None);
        for wrong in ["ftp://me:s3cret@there", "http://me:s3cret@", "socks4://s3cret", "s3cret{"] {
            let Err(error) = proxies(&[("HTTP_PROXY", wrong)]) else { panic!("{wrong}") };
            let error = error.to_string();
            assert!(error.contains("HTTP_PROXY") && !error.contains("s3cret"), "{error}");
        }
    }
}
