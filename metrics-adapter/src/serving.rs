//! The HTTPS front: accepts connections, ends TLS, serves any [`tower::Service`], and drains.
//!
//! Owns the listening socket, the serving certificate and every limit on a connection. Nobody
//! else writes its state; [`ServingCertificate::watch`] replaces the certificate when its files
//! change.
//!
//! Law: it knows nothing of what it serves. A client certificate is asked for and its possession
//! proven, but it is *not* trusted here: it travels as [`PeerCertificates`] to whoever judges it, and who
//! judges tells [`Standing`] whom to keep when places are few.

mod activity;
mod answer;
mod certificate;
mod connection;
mod cork;
mod guard;
mod line;
mod listener;
mod metrics;
mod newcomer;
mod room;
mod self_signed;
mod sni;
mod tls;

pub use certificate::{CertificateError, CertificateSource, CertificateState, ServingCertificate};
pub use connection::{PeerCertificates, Standing};
pub use guard::GuardedBody;
pub use listener::{Bound, Error, Options, PortSharing};
pub use metrics::Metrics;
pub use sni::NamedCertificates;
pub use tls::{MinVersion, Protocols, TlsOptions, server_config};

#[cfg(test)]
pub(crate) mod tests;
