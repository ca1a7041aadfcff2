#![allow(clippy::disallowed_methods)] // The tests' runtimes end with the tests.

use std::fs;

use prometheus_client::registry::Registry;

use super::*;
use crate::serving::tests::support::{eventually, mk_serving_pair};

struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn source(&self) -> CertificateSource {
        CertificateSource::Files {
            certificate: self.directory.path().join("tls.crt"),
            key: self.directory.path().join("tls.key"),
        }
    }

    fn write(&self, (certificate, key): &(String, String)) {
        fs::write(self.directory.path().join("tls.crt"), certificate).unwrap();
        fs::write(self.directory.path().join("tls.key"), key).unwrap();
    }

    fn generated(&self, directory: &Path) -> CertificateSource {
        CertificateSource::Directory {
            directory: directory.to_owned(),
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        }
    }
}

fn served(certificate: &ServingCertificate) -> Vec<u8> {
    certificate.current.load().key.cert[0].to_vec()
}

fn der(pair: &(String, String)) -> Vec<u8> {
    CertificateDer::from_pem_slice(pair.0.as_bytes())
        .unwrap()
        .to_vec()
}

async fn error(source: CertificateSource) -> String {
    ServingCertificate::load(source, Metrics::default())
        .await
        .unwrap_err()
        .to_string()
}

#[tokio::test]
async fn picks_up_new_files_and_keeps_the_last_good_ones() {
    let (files, old, new) = (Files::new(), mk_serving_pair(), mk_serving_pair());
    files.write(&old);
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let certificate = ServingCertificate::load(files.source(), metrics)
        .await
        .unwrap();
    assert_eq!(served(&certificate), der(&old));

    let token = CancellationToken::new();
    let watching = {
        let (certificate, token) = (certificate.clone(), token.clone());
        tokio::spawn(async move { certificate.watch(Duration::from_millis(5), &token).await })
    };
    let told = |name: &str| -> u32 {
        let text = telemetry::text::encode(&registry);
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    let failures = || told("certificate_reloads_total{result=\"failure\"}");
    let failing = || told("certificate_reload_failing ");

    files.write(&new);
    eventually(|| served(&certificate) == der(&new)).await;
    eventually(|| told("certificate_reloads_total{result=\"success\"}") >= 1).await;

    // Half of a rotation: the certificate of one pair, the key of another.
    let before = failures();
    files.write(&(old.0.clone(), new.1.clone()));
    eventually(|| failures() > before && failing() == 1).await;
    assert_eq!(served(&certificate), der(&new));

    // The other half makes it good.
    files.write(&old);
    eventually(|| served(&certificate) == der(&old) && failing() == 0).await;

    let before = failures();
    fs::remove_file(files.directory.path().join("tls.crt")).unwrap();
    eventually(|| failures() > before && failing() == 1).await;
    assert_eq!(served(&certificate), der(&old));

    // As it was is good again.
    files.write(&old);
    eventually(|| failing() == 0).await;

    token.cancel();
    watching.await.unwrap();
}

#[tokio::test]
async fn errors_name_flag_and_file() {
    let files = Files::new();
    let path = |name: &str| files.directory.path().join(name).display().to_string();
    let missing = error(files.source()).await;
    assert!(
        missing.starts_with(&format!("--tls-cert-file {}: ", path("tls.crt"))),
        "{missing}"
    );

    let (good, other) = (mk_serving_pair(), mk_serving_pair());
    files.write(&("nothing".to_owned(), good.1.clone()));
    let empty = error(files.source()).await;
    assert!(empty.ends_with("no PEM certificate in it"), "{empty}");

    files.write(&(good.0.clone(), "nothing".to_owned()));
    let no_key = error(files.source()).await;
    assert!(
        no_key.starts_with(&format!("--tls-private-key-file {}: ", path("tls.key"))),
        "{no_key}"
    );

    files.write(&(good.0, other.1));
    let apart = error(files.source()).await;
    let expected = format!(
        "--tls-cert-file {} and --tls-private-key-file {} do not belong together: ",
        path("tls.crt"),
        path("tls.key")
    );
    assert!(apart.starts_with(&expected), "{apart}");
}

#[tokio::test]
async fn makes_a_certificate_of_its_own_once() {
    let files = Files::new();
    let directory = files.directory.path().join("certificates");
    let load = || ServingCertificate::load(files.generated(&directory), Metrics::default());
    let first = load().await.unwrap();
    let second = load().await.unwrap();
    assert_eq!(served(&first), served(&second));

    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(directory.join("apiserver.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn renews_its_own_certificate_before_the_end() {
    let files = Files::new();
    let directory = files.directory.path();
    let names = ["localhost".to_owned()];
    // Made 340 days ago: 25 days are left.
    let then = UnixTime::now().as_secs() - 340 * 24 * 3600;
    let then = UnixTime::since_unix_epoch(Duration::from_secs(then));
    let old = self_signed::generate(&names, then).unwrap();
    fs::write(directory.join("apiserver.crt"), &old.certificate).unwrap();
    fs::write(directory.join("apiserver.key"), &old.key).unwrap();
    let loaded = ServingCertificate::load(files.generated(directory), Metrics::default());
    assert_ne!(
        served(&loaded.await.unwrap()),
        der(&(old.certificate, old.key))
    );
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_no_obstacle() {
    let files = Files::new();
    // A file where a directory should be: unwritable for root as well.
    let directory = files.directory.path().join("file");
    fs::write(&directory, "").unwrap();
    let source = files.generated(&directory.join("certificates"));
    // "Not a directory" is no "not found": say so rather than guess.
    let text = error(source).await;
    assert!(text.starts_with("--cert-dir "), "{text}");

    let source = files.generated(Path::new("/proc/certificates"));
    let certificate = ServingCertificate::load(source, Metrics::default())
        .await
        .unwrap();
    let before = served(&certificate);
    assert!(!certificate.refresh().await.unwrap());
    assert_eq!(served(&certificate), before);
}
