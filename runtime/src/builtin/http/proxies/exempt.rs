//! What goes without a proxy: `NO_PROXY`, as Go reads it.

use std::net::IpAddr;

/// Hosts that are asked directly.
#[derive(Debug, Default)]
pub(super) struct Exempt(Vec<Rule>);

#[derive(Debug)]
enum Rule {
    /// `*`
    All,
    /// `10.0.0.0/8`
    Network(IpAddr, u32),
    /// `10.1.2.3`, `10.1.2.3:80`
    Address(IpAddr, Option<u16>),
    /// `shop.example` and all below it, `.shop.example` and `*.shop.example` for these alone; a port
    /// may follow.
    Domain { below: String, itself: bool, port: Option<u16> },
}

impl Exempt {
    /// Entries with commas between. One that is none of the above is a domain that nobody has.
    pub(super) fn new(text: &str) -> Self {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Self(entries.filter_map(|entry| Rule::new(&entry.to_ascii_lowercase())).collect())
    }

    /// Whether this host, at this port, is asked directly. This machine always is.
    pub(super) fn has(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        host == "localhost"
            || address.is_some_and(|address| address.is_loopback())
            || self.0.iter().any(|rule| rule.has(&host, address, port))
    }
}

impl Rule {
    fn new(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some((address, length)) = entry.split_once('/') {
            let (address, length) = (address.parse().ok()?, length.parse().ok()?);
            return (length <= bits(address).1).then_some(Self::Network(address, length));
        }
        // An IPv6 address has colons of its own, and brackets where a port follows it.
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().ok()?))
            }
            _ => (entry, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse() {
            return Some(Self::Address(address, port));
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        match host.strip_prefix('.').unwrap_or(host) {
            "" => None,
            name => {
                let itself = !host.starts_with('.');
                Some(Self::Domain { below: format!(".{name}"), itself, port })
            }
        }
    }

    fn has(&self, host: &str, address: Option<IpAddr>, at: u16) -> bool {
        match self {
            Self::All => true,
            Self::Network(network, length) => {
                address.is_some_and(|address| is_in(address, *network, *length))
            }
            Self::Address(one, port) => address == Some(*one) && port.is_none_or(|port| port == at),
            Self::Domain { below, itself, port } => {
                let named = host.ends_with(below.as_str()) || *itself && host == &below[1..];
                named && port.is_none_or(|port| port == at)
            }
        }
    }
}

fn is_in(address: IpAddr, network: IpAddr, length: u32) -> bool {
    let ((address, width), (network, other)) = (bits(address), bits(network));
    let behind = width.saturating_sub(length);
    // Shifted by all of its bits, a number is none.
    let prefix = |bits: u128| bits.checked_shr(behind).unwrap_or(0);
    width == other && prefix(address) == prefix(network)
}

/// An address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (address.into(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_domains_addresses_and_networks_with_ports_or_without() {
        let exempt = Exempt::new(
            "Shop.Example, .below.example ,*.star.example:8080,10.0.0.0/8, 192.0.2.1:81,\
             [2001:db8::1]:443,2001:db8:1::/48,,wrong/99",
        );
        for (host, port, expected) in [
            ("shop.example", 80, true),
            ("a.shop.EXAMPLE", 80, true),
            ("ashop.example", 80, false),
            ("below.example", 80, false),
            ("a.below.example", 80, true),
            ("a.star.example", 8080, true),
            ("a.star.example", 80, false),
            ("star.example", 8080, false),
            ("10.200.0.1", 80, true),
            ("11.0.0.1", 80, false),
            ("192.0.2.1", 81, true),
            ("192.0.2.1", 80, false),
            ("2001:db8::1", 443, true),
            ("2001:db8::1", 80, false),
            ("2001:db8:1:2::3", 80, true),
            ("2001:db8:2::3", 80, false),
            ("wrong", 80, false),
            ("localhost", 80, true),
            ("127.9.9.9", 80, true),
        ] {
            assert_eq!(exempt.has(host, port), expected, "{host}:{port}");
        }
        assert!(Exempt::new("*").has("anything", 1));
        assert!(
            Exempt::new("0.0.0.0/0").has("8.8.8.8", 1) && !Exempt::new("0.0.0.0/0").has("a", 1)
        );
        assert!(!Exempt::new("").has("shop.example", 80));
    }
}
