//! Whom the load is meant for.
//!
//! Law: unless told otherwise, load is only ever aimed at this machine, at private addresses, and
//! at names that a cluster resolves: a tool that makes load must not hit a stranger by a typo.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// A host (name or address) and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
}

/// Not a target.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not host:port")]
pub struct Error(String);

impl Target {
    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is loopback, private, or a name inside a cluster.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        match self.host.parse() {
            Ok(address) => is_private(address),
            Err(_) => is_cluster_name(&self.host.to_ascii_lowercase()),
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            // 100.64.0.0/10 (RFC 6598) is what managed clusters also give to pods.
            let shared = u32::from(v4) & 0xffc0_0000 == u32::from(Ipv4Addr::new(100, 64, 0, 0));
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// A single label is completed by the cluster's search domains; the rest spell them out. A number
/// is no label: to resolvers `134744072` and `0x8080808` are addresses, and of strangers.
fn is_cluster_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.starts_with("0x") || name.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    !name.contains('.') || name.ends_with(".svc") || name.ends_with(".svc.cluster.local")
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let error = || Error(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(error)?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let plain = |symbol: char| symbol.is_ascii_alphanumeric() || "-._".contains(symbol);
        let valid = match bracketed {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(plain),
        };
        let host = bracketed.unwrap_or(host).to_owned();
        if valid {
            Ok(Self { host, port })
        } else {
            Err(error())
        }
    }
}

impl fmt::Display for Target {
    /// As in a URL: an IPv6 address is in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_names_and_addresses() {
        for text in [
            "server-headless:9090",
            "10.0.0.1:80",
            "[::1]:9090",
            "a.b.svc:1",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "server",
            ":9090",
            "server:",
            "server:0",
            "server:99999",
            "::1:80x",
        ] {
            assert_eq!(
                wrong.parse::<Target>(),
                Err(Error(wrong.to_owned())),
                "{wrong}"
            );
        }
        for wrong in [
            "http://server:9090",
            "::1:9090",
            "[server]:9090",
            "a b:1",
            "a/b:1",
        ] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn knows_its_own() {
        for ours in [
            "localhost:1",
            "server-headless:9090",
            "server.default.svc:9090",
            "server.default.svc.cluster.local.:9090",
            "127.0.0.1:1",
            "10.1.2.3:1",
            "172.16.0.1:1",
            "192.168.0.1:1",
            "100.64.0.1:1",
            "[::1]:1",
            "[fd00::1]:1",
            "[::ffff:10.0.0.1]:1",
        ] {
            assert!(ours.parse::<Target>().unwrap().is_ours(), "{ours}");
        }
        for other in [
            "example.com:80",
            "8.8.8.8:53",
            "172.32.0.1:1",
            "[2001:db8::1]:1",
            "x.svc.com:1",
            "134744072:53",
            "0X08080808.:53",
        ] {
            assert!(!other.parse::<Target>().unwrap().is_ours(), "{other}");
        }
    }
}
