//! What a request says of itself, in the words of OpenTelemetry's conventions for HTTP.
//!
//! Law: methods and versions are few, whatever callers send; the host is the caller's own text, of
//! any length up to what the listener reads.

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{Method, Request, Version};

/// The methods that HTTP knows; every other one is its caller's invention.
pub const METHODS: [&str; 9] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

/// What the conventions call a method that is none of [`METHODS`].
pub const OTHER_METHOD: &str = "_OTHER";

/// The method, if it is one of [`METHODS`].
#[must_use]
pub fn method(method: &Method) -> Option<&'static str> {
    METHODS.into_iter().find(|known| *known == method.as_str())
}

/// HTTP's version as `network.protocol.version` has it.
#[must_use]
pub fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// Whom the caller asked for: by the request's target, or else by its `Host`; nothing if that is
/// no host.
#[must_use]
pub fn host<B>(request: &Request<B>) -> Option<Authority> {
    let header = || Authority::try_from(request.headers().get(HOST)?.as_bytes()).ok();
    request.uri().authority().cloned().or_else(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_versions_are_few() {
        for known in METHODS {
            let same: Method = known.parse().unwrap();
            assert_eq!(method(&same), Some(known));
        }
        for invented in ["get", "BREW", "_OTHER"] {
            assert_eq!(method(&invented.parse().unwrap()), None, "{invented}");
        }
        let versions = [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2];
        assert_eq!(versions.map(version), ["1.0", "1.1", "2"]);
    }

    #[test]
    fn the_target_names_the_host_before_the_header_does() {
        let asked = |uri: &str, header: &str| {
            let request = Request::builder().uri(uri).header(HOST, header).body(());
            host(&request.unwrap()).map(|host| host.to_string())
        };
        assert_eq!(asked("/x", "a:80").as_deref(), Some("a:80"));
        assert_eq!(asked("http://b/x", "a").as_deref(), Some("b"));
        assert_eq!(asked("/x", "not a host"), None);
        assert_eq!(host(&Request::new(())), None);
    }
}
