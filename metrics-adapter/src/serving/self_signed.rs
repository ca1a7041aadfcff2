//! A certificate of our own for the time nobody provided one.

use std::time::Duration;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls_pki_types::UnixTime;

/// As long as k8s.io/apiserver's self-signed certificates live.
const LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
/// Clocks of clients may be behind ours by so much.
const BACKDATED: Duration = Duration::from_secs(3600);

/// A PEM certificate and its PEM key.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Makes a self-signed certificate for `names` (DNS names or IP addresses).
pub(super) fn generate(names: &[String], now: UnixTime) -> Result<Pair, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let name = names.first().map_or("localhost", String::as_str);
    // k8s.io/client-go names them `<host>@<unix time>`.
    params
        .distinguished_name
        .push(DnType::CommonName, format!("{name}@{}", now.as_secs()));
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now.as_secs());
    params.not_before = now - BACKDATED;
    params.not_after = now + LIFETIME;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}
