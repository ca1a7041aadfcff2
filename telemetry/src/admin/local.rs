//! Routes that answer local peers alone: who is on this machine, or in this pod, and who comes
//! through `kubectl port-forward`, which connects from inside the pod.
//!
//! Laws: a local peer's address is 127.0.0.1 or ::1. Not all of 127.0.0.0/8: a proxy beside the
//! program may pass strangers' connections on from another one (Istio's from 127.0.0.6). And it
//! asks for a local name: a web page whose own name was made to lead to 127.0.0.1 (DNS rebinding)
//! has its browser say that name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};

/// Puts all routes of `router` behind the check; everyone else gets 403 and one line.
pub fn only(router: Router) -> Router {
    router.route_layer(middleware::from_fn(check))
}

async fn check(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let Some(ConnectInfo(peer)) = peer.filter(|ConnectInfo(peer)| is_local(peer.ip())) else {
        let line =
            "only for local peers: come through kubectl port-forward, or from this machine\n";
        return (StatusCode::FORBIDDEN, line).into_response();
    };
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_local_name) {
        tracing::debug!(%peer, host, "a local peer asked for another host");
        let line = "only for local names: ask for localhost, 127.0.0.1 or [::1]\n";
        return (StatusCode::FORBIDDEN, line).into_response();
    }
    next.run(request).await
}

fn is_local(address: IpAddr) -> bool {
    [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ]
    .contains(&address.to_canonical())
}

/// Whether a `Host` header, with any port, is a name of this machine that nobody else can have.
fn is_local_name(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let is_plain = !authority.as_str().contains('@');
    is_plain && (name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_loopback_addresses_are_local() {
        for (address, local) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.6", false),
            ("::ffff:127.0.0.6", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("::", false),
            ("fe80::1", false),
        ] {
            assert_eq!(is_local(address.parse().unwrap()), local, "{address}");
        }
    }

    #[test]
    fn only_names_that_nobody_else_can_have_are_local() {
        for host in [
            "localhost",
            "LocalHost:8081",
            "127.0.0.1",
            "127.0.0.1:8081",
            "[::1]:8081",
        ] {
            assert!(is_local_name(host), "{host}");
        }
        for host in [
            "",
            "rebound.example:8081",
            "localhost.example",
            "127.0.0.1.example:8081",
            "localhost@rebound.example",
            "rebound.example@localhost",
            "10.0.0.1:8081",
            "::1",
            "localhost:8081:1",
            "localhost/",
        ] {
            assert!(!is_local_name(host), "{host}");
        }
    }
}
