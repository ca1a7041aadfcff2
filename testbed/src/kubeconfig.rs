//! Kubeconfigs. Law: addresses only, no host names: there is no resolver outside the cluster.

use std::path::Path;

/// A kubeconfig for `server` and the client certificate `<dir>/<user>.crt`. It is YAML written as
/// JSON.
pub(crate) fn render(dir: &Path, user: &str, server: &str) -> String {
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "testbed",
            "cluster": {
                "server": server,
                "certificate-authority": dir.join("ca.crt"),
            },
        }],
        "users": [{
            "name": user,
            "user": {
                "client-certificate": dir.join(format!("{user}.crt")),
                "client-key": dir.join(format!("{user}.key")),
            },
        }],
        "contexts": [{
            "name": "testbed",
            "context": { "cluster": "testbed", "user": user },
        }],
        "current-context": "testbed",
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_names_the_certificate_of_its_user() {
        let text = render(Path::new("/pki"), "admin", "https://10.200.0.1:6443");
        let config: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
        assert_eq!(config["users"][0]["user"]["client-key"], "/pki/admin.key");
        assert_eq!(
            config["clusters"][0]["cluster"]["server"],
            "https://10.200.0.1:6443"
        );
        assert_eq!(
            config["clusters"][0]["cluster"]["certificate-authority"],
            "/pki/ca.crt"
        );
    }
}
