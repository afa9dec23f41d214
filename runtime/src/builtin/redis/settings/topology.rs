//! Where Redis is: one server, a cluster, or the master that sentinels name.

use std::fmt;
use std::sync::Arc;

use replug_component::{Error, Metadata};

use crate::builtin::setting::{Secret, filled, number, text, truth};

const DEFAULT_PORT: u16 = 6379;

/// In which form Redis is there.
#[derive(Debug)]
pub(in crate::builtin::redis) enum Topology {
    /// One server.
    Node(Address),
    /// A cluster, with some of its nodes: `redisType` is `cluster`.
    Cluster(Vec<Address>),
    /// A master and its replicas, watched by sentinels: `failover` is true.
    Sentinels(Arc<Watched>),
}

/// What sentinels watch, and how they are asked.
#[derive(Debug)]
pub(in crate::builtin::redis) struct Watched {
    /// `sentinelMasterName`.
    pub(in crate::builtin::redis) name: String,
    /// `redisHost`.
    pub(in crate::builtin::redis) sentinels: Vec<Address>,
    /// `sentinelUsername`.
    pub(in crate::builtin::redis) username: Option<String>,
    /// `sentinelPassword`.
    pub(in crate::builtin::redis) password: Option<Secret>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::builtin) enum Address {
    /// A host and a port.
    Tcp(String, u16),
    /// A Unix socket, which Dapr does not have: `redisHost` that begins with a slash.
    Unix(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

impl Topology {
    pub(super) fn new(metadata: &Metadata) -> Result<Self, Error> {
        let hosts = hosts(metadata)?;
        let is_cluster = match filled(metadata, &["redisType"])?.unwrap_or("node") {
            kind if kind.eq_ignore_ascii_case("node") => false,
            kind if kind.eq_ignore_ascii_case("cluster") => true,
            kind => {
                return Err(Error::Invalid(format!(
                    "`redisType` is `{kind}`; write node or cluster"
                )));
            }
        };
        // As in Dapr, where sentinels count more than the type: what they watch is no cluster.
        if truth(metadata, "failover")? {
            let name = filled(metadata, &["sentinelMasterName"])?.ok_or_else(|| {
                Error::Invalid(
                    "`failover` is true and `sentinelMasterName` is missing; write what the \
                     sentinels call the master"
                        .into(),
                )
            })?;
            return Ok(Self::Sentinels(Arc::new(Watched {
                name: name.to_owned(),
                sentinels: hosts,
                username: filled(metadata, &["sentinelUsername"])?.map(str::to_owned),
                password: filled(metadata, &["sentinelPassword"])?.map(Secret::from),
            })));
        }
        if is_cluster {
            return match hosts.iter().find(|host| matches!(host, Address::Unix(_))) {
                Some(path) => Err(Error::Invalid(format!(
                    "`redisHost` is `{path}`, a Unix socket, and the nodes of a cluster have \
                     addresses; write one of those"
                ))),
                None => Ok(Self::Cluster(hosts)),
            };
        }
        match <[Address; 1]>::try_from(hosts) {
            Ok([host]) => Ok(Self::Node(host)),
            Err(_) => Err(Error::Invalid(
                "`redisHost` has several addresses; those of a cluster need `redisType` cluster, \
                 those of sentinels `failover`"
                    .into(),
            )),
        }
    }
}

/// Every address of `redisHost`; there is one at least.
fn hosts(metadata: &Metadata) -> Result<Vec<Address>, Error> {
    let port = number(metadata, &["redisPort"])?.map(u16::try_from).transpose();
    let port = port.map_err(|_| Error::Invalid("`redisPort` is no port".into()))?;
    // 0 is none, as in Dapr.
    let port = port.filter(|port| *port != 0);
    let hosts = text(metadata, &["redisHost"])?.unwrap_or_default().split(',').map(str::trim);
    let hosts: Result<Vec<Address>, Error> =
        hosts.filter(|host| !host.is_empty()).map(|host| address(host, port)).collect();
    let hosts = hosts?;
    if hosts.is_empty() {
        return Err(Error::Invalid(
            "`redisHost` is missing; write the server's address, such as localhost:6379".into(),
        ));
    }
    Ok(hosts)
}

fn address(host: &str, port: Option<u16>) -> Result<Address, Error> {
    if host.starts_with('/') {
        return Ok(Address::Unix(host.to_owned()));
    }
    let wrong = || {
        Error::Invalid(format!(
            "`redisHost` is `{host}`; write the server's address, such as localhost:6379"
        ))
    };
    if host.contains(['@', '/']) {
        return Err(wrong());
    }
    let (name, own_port) = match host.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((name, ""))) => (name, None),
        Some(Some((name, rest))) => (name, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
        Some(None) => return Err(wrong()),
        // More than one colon without brackets: an IPv6 address without a port.
        None => match host.split_once(':') {
            Some((name, port)) if !port.contains(':') => (name, Some(port)),
            _ => (host, None),
        },
    };
    let own_port: Option<u16> = own_port.map(str::parse).transpose().map_err(|_| wrong())?;
    match (own_port, port) {
        (Some(own), Some(port)) if own != port => Err(Error::Invalid(format!(
            "`redisHost` is `{host}` and `redisPort` is {port}; write the port once"
        ))),
        (own, port) => Ok(Address::Tcp(name.to_owned(), own.or(port).unwrap_or(DEFAULT_PORT))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(pairs: &[(&str, &str)]) -> Result<Topology, Error> {
        Topology::new(
            &pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        )
    }

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.into(), port)
    }

    #[test]
    fn an_address_has_its_port_from_either_setting() {
        for (host, port, expected) in [
            ("localhost", "", tcp("localhost", 6379)),
            ("localhost", "0", tcp("localhost", 6379)),
            ("localhost:7000", "", tcp("localhost", 7000)),
            ("localhost:7000", "7000", tcp("localhost", 7000)),
            ("redis.local", "7001", tcp("redis.local", 7001)),
            ("::1", "", tcp("::1", 6379)),
            ("[::1]:7000", "", tcp("::1", 7000)),
            ("/run/redis.sock", "", Address::Unix("/run/redis.sock".into())),
        ] {
            let there = topology(&[("redisHost", host), ("redisPort", port)]).unwrap();
            assert!(matches!(there, Topology::Node(at) if at == expected), "{host} {port}");
        }
        for (host, port) in [
            ("", ""),
            (" , ", ""),
            ("a:1,b:2", ""),
            ("localhost:x", ""),
            ("localhost:1", "2"),
            ("redis://localhost", ""),
            ("localhost", "70000"),
        ] {
            let error = topology(&[("redisHost", host), ("redisPort", port)]).unwrap_err();
            assert!(error.to_string().contains("`redis"), "{error}");
        }
    }

    #[test]
    fn several_addresses_are_a_clusters_or_those_of_sentinels() {
        let hosts = ("RedisHost", "a:1, b,c:3");
        let expected = [tcp("a", 1), tcp("b", 6379), tcp("c", 3)];
        let cluster = topology(&[hosts, ("redisType", "Cluster")]).unwrap();
        assert!(matches!(cluster, Topology::Cluster(nodes) if nodes == expected));
        let login = [("sentinelUsername", "me"), ("sentinelPassword", "s3cret")];
        let sentinels = [hosts, ("failover", "true"), ("sentinelMasterName", "shop")];
        let Topology::Sentinels(watched) = topology(&[&sentinels[..], &login].concat()).unwrap()
        else {
            panic!("sentinels");
        };
        assert_eq!((watched.name.as_str(), &watched.sentinels[..]), ("shop", &expected[..]));
        assert_eq!(watched.username.as_deref(), Some("me"));
        assert!(!format!("{watched:?}").contains("s3cret"));

        let error = topology(&[hosts, ("failover", "true")]).unwrap_err();
        assert!(error.to_string().contains("`sentinelMasterName`"), "{error}");
        let error = topology(&[("redisHost", "/s,a"), ("redisType", "cluster")]).unwrap_err();
        assert!(error.to_string().contains("`/s`"), "{error}");
    }
}
