//! How Prometheus knows who asks, and we that it is Prometheus.

use std::fmt;
use std::path::PathBuf;

use reqwest::ClientBuilder;
use reqwest::header::HeaderValue;

use super::ClientError;
use super::client::innermost;

/// TLS and authorization of the connection; the default has neither client certificate nor token
/// and trusts the system's authorities.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Authorities that replace the system's.
    pub authorities: Option<Material>,
    /// Client certificate and its key.
    pub client_certificate: Option<(Material, Material)>,
    /// The `Authorization` header; one among [`super::Options::headers`] comes before it.
    pub authorization: Option<Authorization>,
}

/// PEM text, or where it is.
#[derive(Clone)]
pub struct Material {
    /// The flag that names it.
    pub flag: &'static str,
    /// Where it is.
    pub place: Place,
}

/// Where PEM text is.
#[derive(Clone)]
pub enum Place {
    /// In a file.
    File(PathBuf),
    /// Here, as a kubeconfig embeds it.
    Inline(Vec<u8>),
}

/// What the files of authorities and client certificate hold; compared to notice a change.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Contents {
    authorities: Option<Vec<u8>>,
    /// The certificate, then its key.
    identity: Option<Vec<u8>>,
}

/// Whence the `Authorization` header comes.
#[derive(Clone, Debug)]
pub enum Authorization {
    /// A bearer token in a file, which somebody replaces: bound tokens live for an hour.
    TokenFile {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A header that never changes.
    Header(HeaderValue),
}

impl Material {
    /// PEM text in a file that `flag` names.
    pub const fn file(flag: &'static str, path: PathBuf) -> Self {
        Self {
            flag,
            place: Place::File(path),
        }
    }

    fn read(&self) -> Result<Vec<u8>, ClientError> {
        match &self.place {
            Place::File(path) => std::fs::read(path).map_err(|error| self.error(&error)),
            Place::Inline(pem) => Ok(pem.clone()),
        }
    }

    pub(super) fn error(&self, reason: &dyn fmt::Display) -> ClientError {
        ClientError::File {
            file: self.to_string(),
            reason: reason.to_string(),
        }
    }
}

impl fmt::Display for Material {
    /// The flag and the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(path) => write!(f, "{} {}", self.flag, path.display()),
            Place::Inline(_) => write!(f, "{} (embedded data)", self.flag),
        }
    }
}

impl fmt::Debug for Material {
    /// Keys stay out of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Material");
        debug.field("flag", &self.flag);
        if let Place::File(path) = &self.place {
            debug.field("path", path);
        }
        debug.finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the files of certificates.
    pub(super) fn read(&self) -> Result<Contents, ClientError> {
        let identity = |(certificate, key): &(Material, Material)| {
            let mut pem = certificate.read()?;
            pem.push(b'\n');
            pem.extend(key.read()?);
            Ok(pem)
        };
        Ok(Contents {
            authorities: self.authorities.as_ref().map(Material::read).transpose()?,
            identity: self.client_certificate.as_ref().map(identity).transpose()?,
        })
    }

    /// Adds the TLS side to a client.
    pub(super) fn configure(
        &self,
        mut builder: ClientBuilder,
        scheme: &str,
        contents: &Contents,
    ) -> Result<ClientBuilder, ClientError> {
        if let (Some(authorities), Some(pem)) = (&self.authorities, &contents.authorities) {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| authorities.error(&innermost(&error)))?;
            if certificates.is_empty() {
                return Err(authorities.error(&"holds no PEM certificate"));
            }
            builder = builder.tls_certs_only(certificates);
        } else if scheme == "http" {
            // Nothing to verify, so no roots: an image that holds nothing but the program has
            // none.
            builder = builder.tls_certs_only([]);
        }
        if let (Some((certificate, key)), Some(pem)) =
            (&self.client_certificate, &contents.identity)
        {
            // Read as one text, so it may be either file.
            let identity = reqwest::Identity::from_pem(pem).map_err(|error| ClientError::File {
                file: format!("{certificate} and {key}"),
                reason: innermost(&error),
            })?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }

    /// Why a client cannot be built of what [`Self::configure`] took.
    pub(super) fn build_error(&self, error: &reqwest::Error) -> ClientError {
        let identity = self.client_certificate.as_ref();
        let identity = identity.map(|(certificate, key)| format!("{certificate} and {key}"));
        if let Some(file) = &identity
            && is_mismatch(error)
        {
            return ClientError::File {
                file: file.clone(),
                reason: "certificate and key do not belong together".to_owned(),
            };
        }
        let reason = innermost(error);
        let authorities = self.authorities.as_ref().map(Material::to_string);
        match (authorities, identity) {
            (None, _) => ClientError::Build(reason),
            (Some(file), None) => ClientError::File { file, reason },
            (Some(authorities), Some(identity)) => ClientError::File {
                file: format!("{authorities} or {identity}"),
                reason,
            },
        }
    }
}

/// Whether a client certificate is for another key.
fn is_mismatch(error: &reqwest::Error) -> bool {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source()).any(|error| {
        matches!(
            error.downcast_ref(),
            Some(rustls::Error::InconsistentKeys(_))
        )
    })
}

#[cfg(test)]
mod tests;
