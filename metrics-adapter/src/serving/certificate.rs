//! The serving certificate: where it comes from, and its replacement while serving.
//!
//! Law: once a good certificate was loaded there is always one to serve; a broken pair of files
//! changes nothing but a metric and a log line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_util::sync::CancellationToken;

use super::{Metrics, self_signed, sni, tls};

/// Base name of the files in `--cert-dir`, as in prometheus-adapter.
const PAIR_NAME: &str = "apiserver";
/// A certificate of our own making is replaced so long before its end.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Where the serving certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// Two PEM files that somebody else writes and may replace at any time.
    Files {
        /// `--tls-cert-file`: the certificate, intermediates behind it.
        certificate: PathBuf,
        /// `--tls-private-key-file`.
        key: PathBuf,
    },
    /// Two PEM files for some server names only.
    Named {
        /// The first path of `--tls-sni-cert-key`.
        certificate: PathBuf,
        /// The second path.
        key: PathBuf,
    },
    /// `apiserver.crt` and `apiserver.key` in `--cert-dir`, made and renewed by us when they
    /// are not there. A directory that cannot be written keeps the pair in memory only.
    Directory {
        /// `--cert-dir`.
        directory: PathBuf,
        /// DNS names and IP addresses to make the certificate for.
        names: Vec<String>,
    },
}

/// Why a serving certificate cannot be used. Names the flag and the file.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{flag} {}: {reason}", path.display())]
    Read {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{flag} {}: {problem}", path.display())]
    Content {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The certificate does not belong to the key.
    #[error(
        "{} {} and {} {} do not belong together: {problem}",
        flags.0, certificate.display(), flags.1, key.display()
    )]
    Pair {
        /// The flags that name the two.
        flags: (&'static str, &'static str),
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// rustls' words.
        problem: String,
    },
    /// No certificate could be made.
    #[error("--cert-dir: cannot make a self-signed certificate: {0}")]
    Generate(String),
}

/// The certificate that is served now. Shared by the TLS configuration (which reads it at every
/// handshake) and by [`Self::watch`] (which replaces it).
pub struct ServingCertificate {
    source: CertificateSource,
    current: ArcSwap<Loaded>,
    metrics: Metrics,
}

/// What is served, without any secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateState {
    /// The flag that names it.
    pub flag: &'static str,
    /// The certificate's file; it may be in memory only if we made it.
    pub file: PathBuf,
    /// Names that it was issued for, each once.
    pub names: Vec<String>,
    /// End of validity, in seconds since the epoch.
    pub not_after: i64,
}

/// One good pair, and the file contents it was made of.
struct Loaded {
    key: Arc<CertifiedKey>,
    content: Content,
    /// Names that it was issued for.
    names: Vec<String>,
    /// End of validity, in seconds since the epoch.
    not_after: i64,
}

/// File contents as read; compared to notice a change.
#[derive(Clone, PartialEq, Eq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl ServingCertificate {
    /// Loads the certificate, making it first where the source says so.
    ///
    /// # Errors
    /// [`CertificateError`]; at the start there is no last good one to fall back to.
    pub async fn load(
        source: CertificateSource,
        metrics: Metrics,
    ) -> Result<Arc<Self>, CertificateError> {
        let content = source.read(None).await?;
        let loaded = source.parse(content)?;
        let certificate = Self {
            source,
            current: ArcSwap::from_pointee(loaded),
            metrics,
        };
        certificate.report_expiry();
        Ok(Arc::new(certificate))
    }

    /// The gauge tells of the default certificate; those for some names only have their reloads
    /// counted and logged.
    fn report_expiry(&self) -> i64 {
        let not_after = self.current.load().not_after;
        if !matches!(self.source, CertificateSource::Named { .. }) {
            self.metrics.certificate_expiry_seconds.set(not_after);
        }
        not_after
    }

    /// What is served now.
    pub fn state(&self) -> CertificateState {
        let current = self.current.load();
        // The common name often is one of the others.
        let mut names = current.names.clone();
        names.sort();
        names.dedup();
        CertificateState {
            flag: self.source.flags().0,
            file: self.source.paths().0,
            names,
            not_after: current.not_after,
        }
    }

    /// The pair that is served now.
    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.load().key)
    }

    /// Whether the current certificate names `server` (or a pattern such as `*.example.com`).
    pub(super) fn is_issued_for(&self, server: &str) -> bool {
        self.current.load().names.iter().any(|name| name == server)
    }

    /// Looks at the files every `interval` and serves what is new in them, until cancelled.
    ///
    /// Polling by content sees every kind of replacement: a rename, a symlink swap of a
    /// mounted Secret, a write in place.
    pub async fn watch(&self, interval: Duration, token: &CancellationToken) {
        let mut source = self.metrics.certificate_reloads.source();
        let (flag, file) = (self.source.flags().0, self.source.paths().0);
        let file = file.display();
        while token
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_some()
        {
            match self.refresh().await {
                Ok(false) => {
                    if source.restored() {
                        tracing::info!(flag, %file, "the serving certificate's files are good again");
                    }
                }
                Ok(true) => {
                    source.replaced();
                    let not_after = self.report_expiry();
                    tracing::info!(
                        flag,
                        %file,
                        not_after_seconds = not_after,
                        "serving a new certificate",
                    );
                }
                Err(error) => {
                    let error = error.to_string();
                    if source.broken(&error) {
                        tracing::error!(%error, "keeping the last good serving certificate");
                    }
                }
            }
        }
    }

    /// Whether something changed.
    async fn refresh(&self) -> Result<bool, CertificateError> {
        let current = self.current.load_full();
        let content = self.source.read(Some(&current)).await?;
        if content == current.content {
            return Ok(false);
        }
        self.current.store(Arc::new(self.source.parse(content)?));
        Ok(true)
    }
}

impl ResolvesServerCert for ServingCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

impl fmt::Debug for ServingCertificate {
    /// The key stays out of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServingCertificate")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl CertificateSource {
    fn paths(&self) -> (PathBuf, PathBuf) {
        match self {
            Self::Files { certificate, key } | Self::Named { certificate, key } => {
                (certificate.clone(), key.clone())
            }
            Self::Directory { directory, .. } => (
                directory.join(format!("{PAIR_NAME}.crt")),
                directory.join(format!("{PAIR_NAME}.key")),
            ),
        }
    }

    const fn flags(&self) -> (&'static str, &'static str) {
        match self {
            Self::Files { .. } => ("--tls-cert-file", "--tls-private-key-file"),
            Self::Named { .. } => ("--tls-sni-cert-key", "--tls-sni-cert-key"),
            Self::Directory { .. } => ("--cert-dir", "--cert-dir"),
        }
    }

    /// Reads the pair; for a directory, makes it where it is missing or about to end.
    async fn read(&self, current: Option<&Loaded>) -> Result<Content, CertificateError> {
        let (certificate, key) = self.paths();
        let flags = self.flags();
        let content = async {
            Ok(Content {
                certificate: read_file(flags.0, &certificate).await?,
                key: read_file(flags.1, &key).await?,
            })
        }
        .await;
        let Self::Directory { directory, names } = self else {
            return content;
        };
        match content {
            Ok(content) if !self.ends_soon(&content) => return Ok(content),
            Err(CertificateError::Read { reason, .. })
                if reason.kind() == std::io::ErrorKind::NotFound =>
            {
                // A pair held in memory only is not on disk, and still good.
                if let Some(current) = current
                    && !self.ends_soon(&current.content)
                {
                    return Ok(current.content.clone());
                }
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let pair = self_signed::generate(names, UnixTime::now())
            .map_err(|error| CertificateError::Generate(error.to_string()))?;
        if let Err(error) = write_pair(directory, (&certificate, &key), &pair).await {
            tracing::warn!(
                %error,
                directory = %directory.display(),
                "--cert-dir cannot be written: the self-signed certificate is kept in memory",
            );
        }
        Ok(Content {
            certificate: pair.certificate.into_bytes(),
            key: pair.key.into_bytes(),
        })
    }

    fn ends_soon(&self, content: &Content) -> bool {
        let Ok(loaded) = self.parse(content.clone()) else {
            return false;
        };
        let horizon = UnixTime::now().as_secs() + RENEW_BEFORE.as_secs();
        i64::try_from(horizon).is_ok_and(|horizon| loaded.not_after < horizon)
    }

    fn parse(&self, content: Content) -> Result<Loaded, CertificateError> {
        let (certificate, key) = self.paths();
        let flags = self.flags();
        let broken = |flag, path: &Path, problem: String| CertificateError::Content {
            flag,
            path: path.to_owned(),
            problem,
        };
        let chain = CertificateDer::pem_slice_iter(&content.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| broken(flags.0, &certificate, error.to_string()))?;
        let Some(leaf) = chain.first() else {
            return Err(broken(
                flags.0,
                &certificate,
                "no PEM certificate in it".to_owned(),
            ));
        };
        let (not_after, names) = match x509_parser::parse_x509_certificate(leaf) {
            Ok((_, leaf)) => (leaf.validity().not_after.timestamp(), sni::names(&leaf)),
            Err(error) => return Err(broken(flags.0, &certificate, error.to_string())),
        };
        let private = PrivateKeyDer::from_pem_slice(&content.key)
            .map_err(|error| broken(flags.1, &key, error.to_string()))?;
        let certified =
            CertifiedKey::from_der(chain, private, &tls::provider()).map_err(|error| {
                CertificateError::Pair {
                    flags,
                    certificate,
                    key,
                    problem: error.to_string(),
                }
            })?;
        Ok(Loaded {
            key: Arc::new(certified),
            content,
            names,
            not_after,
        })
    }
}

async fn read_file(flag: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    tokio::fs::read(path)
        .await
        .map_err(|reason| CertificateError::Read {
            flag,
            path: path.to_owned(),
            reason,
        })
}

async fn write_pair(
    directory: &Path,
    (certificate, key): (&Path, &Path),
    pair: &self_signed::Pair,
) -> std::io::Result<()> {
    use tokio::io::AsyncWriteExt as _;

    tokio::fs::create_dir_all(directory).await?;
    // The key first, readable for us only: a certificate without its key would be an error at
    // the next start, a key alone is made anew.
    let mut file = tokio::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(key)
        .await?;
    file.write_all(pair.key.as_bytes()).await?;
    file.flush().await?;
    tokio::fs::write(certificate, &pair.certificate).await
}

#[cfg(test)]
mod tests;
