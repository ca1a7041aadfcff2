//! The HTTPS front and the plain listener.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use telemetry::address;

use super::super::value::{self, File, List, NamedPair};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Serving")]
pub(in super::super) struct ServingFlags {
    /// Address to serve HTTPS on; 0.0.0.0 and :: mean every address, IPv4 and IPv6.
    #[arg(long, value_name = "IP", default_value = "0.0.0.0", value_parser = value::ip)]
    pub(in super::super) bind_address: IpAddr,

    /// Port to serve HTTPS on, 1 to 65535.
    #[arg(long, value_name = "PORT", default_value = "443", value_parser = value::port)]
    pub(in super::super) secure_port: u16,

    /// Let other processes listen on the same address and port (SO_REUSEPORT).
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = value::boolean)]
    #[arg(action = clap::ArgAction::Set)]
    pub(in super::super) permit_port_sharing: bool,

    /// Serving certificate, intermediates behind it; picked up when it changes.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) tls_cert_file: File,

    /// Key of the serving certificate.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    pub(in super::super) tls_private_key_file: File,

    /// Without --tls-cert-file: where apiserver.crt and apiserver.key are looked for, or made.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "apiserver.local.config/certificates"
    )]
    #[arg(value_parser = value::file)]
    pub(in super::super) cert_dir: File,

    /// Another certificate, for clients that ask for one of these server names, or for a name in
    /// it; may be given several times.
    #[arg(long, value_name = "CERTIFICATE,KEY[:NAMES]", value_parser = value::named_pair)]
    pub(in super::super) tls_sni_cert_key: Vec<NamedPair>,

    /// Oldest version of TLS: VersionTLS12, which is the default, or VersionTLS13.
    #[arg(long, value_name = "VERSION", default_value = "")]
    pub(in super::super) tls_min_version: String,

    /// Cipher suites for TLS 1.2, by their Go names; all that there are by default. Those of TLS
    /// 1.3 are always served.
    #[arg(long, value_name = "NAMES", default_value = "", value_parser = value::list)]
    pub(in super::super) tls_cipher_suites: Vec<List>,

    /// Serve HTTP/1.1 only.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = value::boolean)]
    #[arg(action = clap::ArgAction::Set)]
    pub(in super::super) disable_http2: bool,

    /// HTTP/2 streams at once per connection; 0 for 250.
    #[arg(long, value_name = "N", default_value = "0", value_parser = value::limit)]
    pub(in super::super) http2_max_streams_per_connection: u32,

    /// After SIGTERM: how long to go on serving while endpoints forget this process.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = value::duration)]
    pub(in super::super) shutdown_delay_duration: Duration,

    /// Address of the plain HTTP listener for /metrics, /healthz, /livez and /readyz; for local peers
    /// also the status page at / and /log-level.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    #[arg(value_parser = address::parse)]
    pub(in super::super) admin_address: SocketAddr,

    /// How long readiness waits for the first relist, so that no request meets an empty list.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = value::duration)]
    pub(in super::super) startup_grace: Duration,
}
