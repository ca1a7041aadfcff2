//! `X-Remote-User` and its like, sent to the adapter's Service by somebody inside the cluster:
//! they count with the front proxy's certificate, and with nothing else.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use reqwest::Method;

use super::{
    Failure, Outcome, ensure,
    wire::{Answer, Caller, Client},
    world::{World, identity, metric_path, pki},
};
use crate::stack::REQUESTS_METRIC;

/// What an attacker would send.
const FORGED: [(&str, &str); 2] = [
    ("X-Remote-User", "system:admin"),
    ("X-Remote-Group", "system:masters"),
];

/// A user of the cluster CA without any right to metrics, and one with all.
const POWERLESS: (&str, &str) = ("coredns", "system:coredns");
const POWERFUL: &str = "admin";

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    serving_certificate(world)?;

    // No certificate: the headers are air.
    let plain = world.adapter(&Caller::anonymous())?;
    denied_as("system:anonymous", &ask(&plain, &FORGED)?)?;

    // Somebody's own CA, with the very name of the front proxy: a bad credential.
    let stranger = self_made("front-proxy-client")?;
    for headers in [&FORGED[..], &[]] {
        let client = world.adapter(&Caller::certificate(stranger.clone()))?;
        ask(&client, headers)?.refusal(401, "Unauthorized")?;
    }

    // The cluster's CA: the certificate's own name counts, in both directions.
    let (file, user) = POWERLESS;
    let client = world.adapter(&Caller::certificate(identity(&world.cluster, file)?))?;
    denied_as(user, &ask(&client, &FORGED)?)?;
    let client = world.adapter(&Caller::certificate(identity(&world.cluster, POWERFUL)?))?;
    ask(&client, &[("X-Remote-User", "nobody")])?.expect(200)?;

    // The front proxy's CA, but a name that is not allowed.
    let other = signed_by_front_proxy(world, "somebody-else")?;
    let client = world.adapter(&Caller::certificate(other))?;
    ask(&client, &FORGED)?.refusal(401, "Unauthorized")?;

    // The front proxy itself.
    let real = identity(&world.cluster, "front-proxy-client")?;
    let client = world.adapter(&Caller::certificate(real))?;
    ask(&client, &FORGED)?.expect(200)?;
    denied_as("e2e-user", &ask(&client, &[("X-Remote-User", "e2e-user")])?)?;
    for nameless in [&[][..], &[("X-Remote-User", "")], &FORGED[1..]] {
        ask(&client, nameless)?.refusal(401, "Unauthorized")?;
    }
    Ok(Vec::new())
}

fn ask(client: &Client, headers: &[(&str, &str)]) -> Result<Answer, Failure> {
    client.send(Method::GET, &metric_path(REQUESTS_METRIC), headers)
}

fn denied_as(user: &str, answer: &Answer) -> Result<(), Failure> {
    let message = answer.refusal(403, "Forbidden")?;
    let words = format!("User \"{user}\" cannot get resource");
    ensure!(message.contains(&words), "not {words:?}: {message}");
    Ok(())
}

/// It is the one that the APIService's CA bundle vouches for, by the name that kube-apiserver
/// uses; another authority does not.
fn serving_certificate(world: &World) -> Result<(), Failure> {
    let caller = Caller::anonymous();
    let answer = world.adapter(&caller)?.get("/readyz")?;
    ensure!(answer.status == 200, "{answer}");
    let cluster = pki(&world.cluster, "ca.crt")?;
    match world.adapter_trusting(&cluster, &caller)?.get("/readyz") {
        Err(error) if error.to_string().contains("UnknownIssuer") => Ok(()),
        other => Err(Failure::new(format!(
            "the cluster's CA vouches for the adapter as well: {other:?}"
        ))),
    }
}

/// A client certificate of a CA that nobody knows.
fn self_made(name: &str) -> Result<String, Failure> {
    issue(name, "front-proxy-ca", &KeyPair::generate()?)
}

/// A client certificate of the front proxy's real CA.
fn signed_by_front_proxy(world: &World, name: &str) -> Result<String, Failure> {
    let pem = pki(&world.cluster, "front-proxy-ca.key")?;
    let key = KeyPair::from_pem(&String::from_utf8_lossy(&pem))?;
    issue(name, "front-proxy-ca", &key)
}

fn issue(name: &str, authority: &str, authority_key: &KeyPair) -> Result<String, Failure> {
    let mut issuer = params(authority)?;
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    issuer.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = Issuer::from_params(&issuer, authority_key);
    let mut leaf = params(name)?;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &issuer)?;
    Ok(certificate.pem() + &key.serialize_pem())
}

fn params(name: &str) -> Result<CertificateParams, Failure> {
    let mut params = CertificateParams::new(Vec::new())?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    Ok(params)
}

impl From<rcgen::Error> for Failure {
    fn from(error: rcgen::Error) -> Self {
        Self::new(format!("cannot make a certificate: {error}"))
    }
}
