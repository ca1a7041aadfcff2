//! A Prometheus over TLS that asks for a client certificate: its certificate, that of the adapter,
//! and the authorities on both sides rotate.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustls_pki_types::CertificateDer;

use super::mount::Mount;
use super::world::{SAMPLES, World, half, pair};
use crate::authority::{Ca, Identity};
use crate::prometheus::{Prometheus, Secured};
use crate::tls::{Dial, Failure, Protocol};

/// Rotations of each side; a change of the adapter's files is noticed within 2 s.
const ROUNDS: usize = 4;

/// 1 while the adapter's files are broken.
const FAILING: &str = "prometheus_certificates_reload_failing";

/// Prometheus' side, and the adapter's files.
pub(super) struct Upstream {
    directory: PathBuf,
    /// What Prometheus goes by.
    web: Mutex<Web>,
    /// The adapter's bundle of authorities.
    bundle: Mount,
    /// The adapter's client certificate.
    certificate: Mount,
    /// Whose certificates are in use.
    servers: Ca,
    clients: Ca,
}

struct Web {
    version: u32,
    server: Identity,
    clients: String,
}

impl Upstream {
    pub(super) async fn start(directory: &Path) -> (Self, Prometheus) {
        let (servers, clients) = (Ca::new("Prometheus"), Ca::new("its clients"));
        let identity = clients.issue("adapter", &[]);
        let bundle = Mount::new(&directory.join("bundle"), &[("ca.crt", &servers.pem())]);
        let certificate = Mount::new(&directory.join("client"), &pair(&identity).each_ref());
        let web = Web {
            version: 0,
            server: servers.issue_serving(),
            clients: clients.pem(),
        };
        let upstream = Self {
            directory: directory.to_owned(),
            web: Mutex::new(web),
            bundle,
            certificate,
            servers,
            clients,
        };
        upstream.change(|_| {});
        let secured = Secured {
            web_config: directory.join("web.yml"),
            client: client(&upstream.servers, &identity),
        };
        let prometheus = Prometheus::start_secured(SAMPLES, secured).await;
        (upstream, prometheus)
    }

    /// How the adapter reaches it.
    pub(super) fn arguments(&self) -> [String; 3] {
        let path = |name| self.certificate.path(name);
        [
            format!("--prometheus-ca-file={}", self.bundle.path("ca.crt")),
            format!("--prometheus-client-tls-cert-file={}", path("tls.crt")),
            format!("--prometheus-client-tls-key-file={}", path("tls.key")),
        ]
    }

    /// Rotates both sides again and again.
    pub(super) async fn rotate(mut self, world: &World) -> usize {
        for round in 0..ROUNDS {
            self.rotate_servers(world, round).await;
            self.rotate_clients(world, round).await;
        }
        // A new client makes new connections, which only the newest certificates can make.
        let bundle = format!("{}\n", self.servers.pem());
        replace(world, &self.bundle, &[("ca.crt", &bundle)]).await;
        world.until_metric("rps").await;
        2 * ROUNDS
    }

    /// Prometheus gets a certificate of another authority.
    async fn rotate_servers(&mut self, world: &World, round: usize) {
        let next = Ca::new("Prometheus");
        let (old, new) = (self.servers.pem(), next.pem());
        if round == 1 {
            spoil(world, &self.bundle, &[("ca.crt", half(&old))]).await;
        }
        let both = format!("{old}{new}");
        replace(world, &self.bundle, &[("ca.crt", &both)]).await;
        let server = next.issue_serving();
        let certificate = server.chain[0].clone();
        self.change(|web| web.server = server);
        let identity = self.clients.issue("operator", &[]);
        assert_eq!(self.served(world, &identity).await.unwrap(), certificate);
        replace(world, &self.bundle, &[("ca.crt", &new)]).await;
        self.servers = next;
    }

    /// The adapter gets a certificate of another authority.
    async fn rotate_clients(&mut self, world: &World, round: usize) {
        let next = Ca::new("its clients");
        let (old, new) = (self.clients.pem(), next.pem());
        self.change(|web| web.clients = format!("{old}{new}"));
        let identity = pair(&next.issue("adapter", &[]));
        if round == 0 {
            spoil(world, &self.certificate, &identity.halved()).await;
        } else if round == 2 {
            let other = pair(&next.issue("other", &[]));
            spoil(world, &self.certificate, &identity.with_key_of(&other)).await;
        }
        replace(world, &self.certificate, &identity.each_ref()).await;
        self.change(|web| web.clients = new);
        let last = self.clients.issue("adapter", &[]);
        self.served(world, &last).await.unwrap_err();
        self.clients = next;
    }

    /// What Prometheus serves to a client with a certificate, after an answer.
    async fn served(
        &self,
        world: &World,
        identity: &Identity,
    ) -> Result<CertificateDer<'static>, Failure> {
        let dial = Dial {
            address: world.prometheus.address(),
            protocol: Protocol::Http2,
            identity: Some(identity),
            authorities: &[],
        };
        let (mut client, certificate) = dial.client_and_certificate().await?;
        // A client of TLS 1.3 learns with the first answer whether it was let in.
        client.get("/-/ready").await?;
        Ok(certificate)
    }

    /// Gives Prometheus other files, all at once: it reads them at every handshake.
    fn change(&self, change: impl FnOnce(&mut Web)) {
        let mut web = self.web.lock().unwrap();
        change(&mut web);
        web.version += 1;
        let path = |name: &str| self.directory.join(format!("{name}-{}", web.version));
        fs::write(path("server.crt"), web.server.certificate_pem()).unwrap();
        fs::write(path("server.key"), web.server.key_pem()).unwrap();
        fs::write(path("clients.crt"), &web.clients).unwrap();
        let config = format!(
            "tls_server_config:\n  cert_file: {}\n  key_file: {}\n  client_ca_file: {}\n  \
             client_auth_type: RequireAndVerifyClientCert\n",
            path("server.crt").display(),
            path("server.key").display(),
            path("clients.crt").display(),
        );
        fs::write(path("web.yml"), config).unwrap();
        fs::rename(path("web.yml"), self.directory.join("web.yml")).unwrap();
    }
}

/// Gives the adapter a good version, and waits until it is used.
async fn replace(world: &World, mount: &Mount, files: &[(&str, &str)]) {
    const REPLACED: &str = "prometheus_certificates_reloads_total{result=\"success\"}";
    let before = world.told(REPLACED).await;
    mount.swap(files);
    world
        .until(REPLACED, async || world.told(REPLACED).await > before)
        .await;
    world.until_told(FAILING, 0).await;
}

/// Gives the adapter a broken version, and waits until it says so.
async fn spoil(world: &World, mount: &Mount, files: &[(&str, &str)]) {
    mount.swap(files);
    world.until_told(FAILING, 1).await;
    let told = "keeping the last good certificates for Prometheus";
    world.program.says(&[told]).await;
}

/// A client that trusts one authority.
fn client(authority: &Ca, identity: &Identity) -> reqwest::Client {
    let pem = format!("{}{}", identity.certificate_pem(), identity.key_pem());
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap()])
        .identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap())
        .build()
        .unwrap()
}
