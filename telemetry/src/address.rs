//! The address of a listener as people write it.
//!
//! Law: only addresses, never names; `:8081` (as Go programs write it) is every IPv4 address.

use std::net::SocketAddr;

/// Not an address to listen on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an address, expected ip:port, [ipv6]:port or :port")]
pub struct Error(String);

/// Parses `ip:port`, `[ipv6]:port` or `:port`.
///
/// # Errors
///
/// If `text` has none of these forms.
pub fn parse(text: &str) -> Result<SocketAddr, Error> {
    let whole = if text.starts_with(':') {
        format!("0.0.0.0{text}")
    } else {
        text.to_owned()
    };
    whole.parse().map_err(|_| Error(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        assert_eq!(parse(":8081").unwrap(), "0.0.0.0:8081".parse().unwrap());
        assert_eq!(
            parse("127.0.0.1:0").unwrap(),
            "127.0.0.1:0".parse().unwrap()
        );
        assert_eq!(parse("[::]:9090").unwrap(), "[::]:9090".parse().unwrap());
    }

    #[test]
    fn anything_else_is_named_in_the_error() {
        for wrong in ["", "8081", "localhost:8081", ":x", "1.2.3.4", ":99999"] {
            assert_eq!(parse(wrong), Err(Error(wrong.to_owned())));
        }
    }
}
