//! A store's settings, as Dapr names them. Names count in any case; unknown ones are left alone.

use replug_component::{Error, Metadata};

use crate::builtin::setting::{Secret, filled, number, text, truth};

const DEFAULT_PORT: u16 = 2379;

/// How many operations an etcd server takes in one transaction unless it is told otherwise.
const DEFAULT_MAX_TXN_OPS: usize = 128;

/// What a store is made with.
#[derive(Debug)]
pub(super) struct Settings {
    /// `endpoints`, with commas between.
    pub(super) endpoints: Vec<Endpoint>,
    /// `keyPrefixPath`: comes before every key, and a slash between.
    pub(super) prefix: String,
    /// `maxTxnOps`, which is the server's `--max-txn-ops`.
    pub(super) max_txn_ops: usize,
    /// `ca`, `cert` and `key` where `tlsEnable` says so, all PEM.
    pub(super) tls: Option<(String, String, Secret)>,
}

/// One server of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Settings {
    pub(super) fn new(metadata: &Metadata) -> Result<Self, Error> {
        let endpoints = text(metadata, &["endpoints"])?.unwrap_or_default();
        let endpoints = endpoints.split(',').map(str::trim).filter(|text| !text.is_empty());
        let endpoints: Vec<Endpoint> = endpoints.map(endpoint).collect::<Result<_, _>>()?;
        if endpoints.is_empty() {
            return Err(Error::Invalid(
                "`endpoints` is missing; write servers with commas between, such as \
                 localhost:2379"
                    .into(),
            ));
        }
        let most = number(metadata, &["maxTxnOps"])?.map(usize::try_from).transpose();
        let most = most
            .ok()
            .filter(|most| *most != Some(0))
            .ok_or_else(|| Error::Invalid("`maxTxnOps` is below 1; write 1 or more".into()))?;
        Ok(Self {
            endpoints,
            prefix: text(metadata, &["keyPrefixPath"])?.unwrap_or_default().to_owned(),
            max_txn_ops: most.unwrap_or(DEFAULT_MAX_TXN_OPS),
            tls: tls(metadata)?,
        })
    }
}

fn endpoint(text: &str) -> Result<Endpoint, Error> {
    let wrong = || {
        Error::Invalid(format!(
            "`endpoints` has `{text}`, which is no server; write a host and a port, such as \
             localhost:2379"
        ))
    };
    let address = text.split_once("://").map_or(text, |(_, address)| address);
    let address = address.strip_suffix('/').unwrap_or(address);
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err(wrong());
    }
    let port = port.map(str::parse).transpose().map_err(|_| wrong())?;
    Ok(Endpoint { host: host.to_owned(), port: port.unwrap_or(DEFAULT_PORT) })
}

fn tls(metadata: &Metadata) -> Result<Option<(String, String, Secret)>, Error> {
    if !truth(metadata, "tlsEnable")? {
        return Ok(None);
    }
    let pem = |name| {
        filled(metadata, &[name])?.ok_or_else(|| {
            Error::Invalid(format!("`{name}` is missing; with `tlsEnable` write it as PEM"))
        })
    };
    Ok(Some((pem("ca")?.to_owned(), pem("cert")?.to_owned(), Secret::from(pem("key")?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::new(
            &pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        )
    }

    #[test]
    fn endpoints_are_hosts_with_ports_or_urls() {
        let settings = settings(&[("endpoints", "a:1, http://b:2/,c,[::1]:3,https://d")]).unwrap();
        let shown: Vec<String> = settings.endpoints.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a:1", "b:2", "c:2379", "[::1]:3", "d:2379"]);
        assert_eq!((settings.max_txn_ops, settings.prefix.as_str()), (128, ""));
    }

    #[test]
    fn a_wrong_value_is_refused_by_the_name_of_its_setting() {
        for (name, value) in [
            ("endpoints", ""),
            ("endpoints", "a:x"),
            ("endpoints", "user@a:1"),
            ("maxTxnOps", "0"),
            ("maxTxnOps", "-3"),
            ("tlsEnable", "perhaps"),
        ] {
            let error = settings(
                &[("Endpoints", "a:1"), (name, value)][usize::from(name == "endpoints")..],
            );
            let error = error.unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
        let error = settings(&[("endpoints", "a"), ("tlsEnable", "true")]).unwrap_err();
        assert!(error.to_string().contains("`ca`"), "{error}");
    }
}
