//! How the application is reached: plain values, whoever has read them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::token::AppToken;

/// Where an application listens unless it says otherwise.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1";

/// How long the question whether an application wants a binding's events may take.
pub const DEFAULT_BINDING_OPTIONS_TIMEOUT: Duration = Duration::from_secs(3);

/// The largest answer in bytes that is taken from an application.
const DEFAULT_MAX_BODY: usize = 4 << 20;

/// How the application is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSettings {
    /// Its port; zero where it has none: nothing is called then.
    pub port: u16,
    /// What it speaks.
    pub protocol: Protocol,
    /// Its host, a name or an address.
    pub address: String,
    /// How many requests it gets at a time over HTTP; zero: as many as there are.
    pub max_concurrency: usize,
    /// Whether and how it is asked for its health.
    pub health: Option<HealthCheck>,
    /// What it is shown, so that it knows who calls.
    pub token: Option<AppToken>,
    /// The largest answer in bytes that is taken from it.
    pub max_body: usize,
    /// How long the question whether it wants a binding's events may take.
    pub binding_options_timeout: Duration,
    /// Whether it is told of the trace that an event belongs to.
    pub traces: bool,
    /// Whether it is asked for its configuration.
    pub ask_configuration: bool,
    /// Whether it is asked for its subscriptions.
    pub ask_subscriptions: bool,
}

/// What an application speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/1.1 over TLS, whose certificate is not verified.
    Https,
    /// HTTP/2 without TLS.
    H2c,
    /// gRPC without TLS.
    Grpc,
    /// gRPC over TLS, whose certificate is not verified.
    Grpcs,
}

/// A text that names no protocol.
#[derive(Debug, thiserror::Error)]
#[error("no protocol that an application could speak")]
pub struct UnknownProtocol;

/// How an application is asked for its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for over HTTP. Applications that speak gRPC have a call for it.
    pub path: String,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take; no longer than the interval.
    pub timeout: Duration,
    /// How many failures in a row make it unhealthy.
    pub threshold: u32,
}

// === impl AppSettings ===

impl Default for AppSettings {
    /// An application that serves nothing.
    fn default() -> Self {
        Self {
            port: 0,
            protocol: Protocol::Http,
            address: DEFAULT_ADDRESS.to_owned(),
            max_concurrency: 0,
            health: None,
            token: None,
            max_body: DEFAULT_MAX_BODY,
            binding_options_timeout: DEFAULT_BINDING_OPTIONS_TIMEOUT,
            traces: true,
            ask_configuration: true,
            ask_subscriptions: true,
        }
    }
}

impl AppSettings {
    /// Host and port as they stand in a URL: an IPv6 address in brackets.
    pub(super) fn authority(&self) -> String {
        if self.address.contains(':') && !self.address.starts_with('[') {
            format!("[{}]:{}", self.address, self.port)
        } else {
            format!("{}:{}", self.address, self.port)
        }
    }

    /// The bound on answers as one number.
    pub(super) fn body_limit(&self) -> usize {
        if self.max_body == 0 { usize::MAX } else { self.max_body }
    }
}

// === impl Protocol ===

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Http, Self::Https, Self::H2c, Self::Grpc, Self::Grpcs];

    /// As Dapr writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
        }
    }

    /// Whether `AppCallback` is called instead of paths.
    #[must_use]
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }

    pub(super) fn is_encrypted(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }

    pub(super) fn is_http2(self) -> bool {
        matches!(self, Self::H2c | Self::Grpc | Self::Grpcs)
    }

    pub(super) fn scheme(self) -> &'static str {
        if self.is_encrypted() { "https" } else { "http" }
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        let same = |it: &Self| it.as_str().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(same).ok_or(UnknownProtocol)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl HealthCheck ===

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/healthz".to_owned(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_millis(500),
            threshold: 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_stands_in_brackets_in_a_url() {
        let at = |address: &str| {
            let address = address.to_owned();
            AppSettings { port: 80, address, ..AppSettings::default() }.authority()
        };
        assert_eq!(at("127.0.0.1"), "127.0.0.1:80");
        assert_eq!(at("::1"), "[::1]:80");
        assert_eq!(at("[::1]"), "[::1]:80");
        assert_eq!(at("app.local"), "app.local:80");
    }

    #[test]
    fn a_protocol_is_known_in_any_case() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.as_str().to_uppercase().parse::<Protocol>().unwrap(), protocol);
        }
        assert!("http3".parse::<Protocol>().is_err());
    }
}
