//! The cluster's certificates: two authorities (the cluster's and the front proxy's), and one
//! client or serving certificate per purpose, as kubeadm lays them out. New with every cluster.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::{
    error::{Error, Result},
    kubeconfig,
    layout::{APISERVER, APISERVER_CLUSTER_IP, CLUSTER_DOMAIN, Layout, NODE_ADDRESS, NODE_NAME},
};

/// Who a client certificate speaks for: file name, user, group.
const USERS: [(&str, &str, Option<&str>); 6] = [
    ("admin", "kubernetes-admin", Some("system:masters")),
    (
        "kube-controller-manager",
        "system:kube-controller-manager",
        None,
    ),
    ("kube-scheduler", "system:kube-scheduler", None),
    ("kube-proxy", "system:kube-proxy", None),
    ("coredns", "system:coredns", None),
    // Its name has the node's, which is what the Node authorizer goes by.
    ("kubelet", "system:node:node0", Some("system:nodes")),
];

/// Writes all certificates, keys and kubeconfigs of the cluster afresh.
pub(crate) fn create(layout: &Layout) -> Result<()> {
    create_in(&layout.pki(), APISERVER).map(drop)
}

/// Likewise for a kube-apiserver at `server`, in a directory that is replaced; what can sign more.
pub(crate) fn create_in(dir: &Path, server: &str) -> Result<Authority> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(Error::file("remove", dir))?;
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(Error::file("create", dir))?;

    let cluster = Authority::create(dir, "ca", "kubernetes")?;
    let front_proxy = Authority::create(dir, "front-proxy-ca", "front-proxy-ca")?;
    front_proxy.client(dir, "front-proxy-client", "front-proxy-client", None)?;
    cluster.client(
        dir,
        "apiserver-kubelet-client",
        "kube-apiserver-kubelet-client",
        Some("system:masters"),
    )?;
    let in_cluster = format!("kubernetes.default.svc.{CLUSTER_DOMAIN}");
    cluster.server(
        dir,
        "apiserver",
        "kube-apiserver",
        &[
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            &in_cluster,
            "localhost",
            "127.0.0.1",
            NODE_ADDRESS,
            APISERVER_CLUSTER_IP,
        ],
    )?;
    cluster.server(
        dir,
        "kubelet-serving",
        &format!("system:node:{NODE_NAME}"),
        &[NODE_NAME, NODE_ADDRESS],
    )?;
    cluster.server(
        dir,
        "kube-controller-manager-serving",
        "kube-controller-manager",
        &["localhost", "127.0.0.1", NODE_ADDRESS],
    )?;
    for (file, user, group) in USERS {
        cluster.client(dir, file, user, group)?;
        write(
            &dir.join(format!("{file}.kubeconfig")),
            &kubeconfig::render(dir, file, server),
        )?;
    }

    let service_accounts = KeyPair::generate()?;
    write(&dir.join("sa.key"), &service_accounts.serialize_pem())?;
    write(&dir.join("sa.pub"), &service_accounts.public_key_pem())?;
    Ok(cluster)
}

/// One certificate authority.
pub(crate) struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    fn create(dir: &Path, file: &str, name: &str) -> Result<Self> {
        let mut params = params(name, None, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate()?;
        write(
            &dir.join(format!("{file}.crt")),
            &params.self_signed(&key)?.pem(),
        )?;
        write(&dir.join(format!("{file}.key")), &key.serialize_pem())?;
        Ok(Self(Issuer::new(params, key)))
    }

    /// A client's certificate and key: `<file>.crt` and `<file>.key`.
    pub(crate) fn client(
        &self,
        dir: &Path,
        file: &str,
        user: &str,
        group: Option<&str>,
    ) -> Result<()> {
        self.issue(
            dir,
            file,
            params(user, group, &[])?,
            ExtendedKeyUsagePurpose::ClientAuth,
        )
    }

    /// Likewise a server's.
    pub(crate) fn server(&self, dir: &Path, file: &str, name: &str, sans: &[&str]) -> Result<()> {
        self.issue(
            dir,
            file,
            params(name, None, sans)?,
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    fn issue(
        &self,
        dir: &Path,
        file: &str,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<()> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        write(&dir.join(format!("{file}.crt")), &certificate.pem())?;
        write(&dir.join(format!("{file}.key")), &key.serialize_pem())
    }
}

fn params(name: &str, group: Option<&str>, sans: &[&str]) -> Result<CertificateParams> {
    let sans: Vec<String> = sans.iter().map(|san| (*san).to_owned()).collect();
    let mut params = CertificateParams::new(sans)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    if let Some(group) = group {
        subject.push(DnType::OrganizationName, group);
    }
    params.distinguished_name = subject;
    // Keys are thrown away with the cluster; fixed dates keep a wrong clock from mattering.
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    Ok(params)
}

/// Writes a file that only root may read.
fn write(path: &Path, content: &str) -> Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .map_err(Error::file("write", path))
}
