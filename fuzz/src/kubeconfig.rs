//! Kubeconfig files: credentials, or an error that names flag and file.

use std::io::Write as _;

use metrics_adapter::cluster::kubeconfig::identity;

use crate::stage::block_on;
use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "kubeconfig",
    run,
    seeds,
    words: WORDS,
    cases: 600,
};

const WORDS: &[&str] = &[
    "clusters:\n",
    "users:\n",
    "contexts:\n",
    "current-context: c\n",
    "- name: ",
    "cluster: ",
    "user: ",
    "context: ",
    "server: ",
    "https://127.0.0.1:1",
    "token: ",
    "tokenFile: ",
    "client-certificate-data: ",
    "client-key-data: ",
    "certificate-authority-data: ",
    "username: ",
    "password: ",
    "as: x\n",
    "exec: {command: /bin/false}\n",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "\n",
    "null",
    "&a ",
    "*a",
    "YQ==",
    "====",
    "proxy-url: ",
    "insecure-skip-tls-verify: true\n",
    "é",
    "\u{0}",
];

fn seeds() -> Vec<Vec<u8>> {
    seed::all(&[
        "{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: k, cluster: {server: 'http://127.0.0.1:1'}}], \
         users: [{name: u, user: {token: t}}], contexts: [{name: c, context: {cluster: k, user: u}}]}",
        "current-context: c\nclusters:\n- name: k\n  cluster:\n    server: https://127.0.0.1:1/x\n    certificate-authority-data: YQ==\n\
         users:\n- name: u\n  user:\n    client-certificate-data: YQ==\n    client-key-data: Yg==\n    username: a\n    password: b\n\
         contexts:\n- name: c\n  context: {cluster: k, user: u, namespace: n}\n",
        "clusters: 7",
    ])
}

fn run(input: &[u8]) {
    // It may name files, which are read: none that never end.
    let text = String::from_utf8_lossy(input);
    if ["/dev", "/proc", "/sys"]
        .into_iter()
        .any(|place| text.contains(place))
    {
        return;
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(input).unwrap();
    if let Err(error) = block_on(identity("--prometheus-auth-config", file.path())) {
        let start = format!("--prometheus-auth-config {}: ", file.path().display());
        let error = error.to_string();
        assert!(
            error.starts_with(&start) && error.len() > start.len(),
            "{error}"
        );
    }
}
