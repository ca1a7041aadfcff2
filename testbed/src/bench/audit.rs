//! What the adapter asked kube-apiserver, by kube-apiserver's own audit log of it.

use std::{fs, path::PathBuf};

use serde::Deserialize;

use super::error::{Error, Result};

/// The log, which only grows.
#[derive(Debug)]
pub(crate) struct Audit(pub(crate) PathBuf);

/// Requests that were answered, without watches: one of those is a request as rarely as it ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// SubjectAccessReviews and TokenReviews.
    pub(crate) reviews: u64,
    /// Everything else.
    pub(crate) others: u64,
}

/// What to log: only one user's requests, once each.
pub(crate) fn policy(user: &str) -> String {
    serde_json::json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [{"level": "Metadata", "users": [user]}, {"level": "None"}],
    })
    .to_string()
}

impl Audit {
    /// Its length in bytes, as a mark.
    pub(crate) fn length(&self) -> Result<usize> {
        Ok(self.text()?.len())
    }

    /// What was logged behind a mark.
    pub(crate) fn since(&self, mark: usize) -> Result<Requests> {
        let text = self.text()?;
        let file = || self.0.display().to_string();
        let new = text.get(mark..);
        let new = new.ok_or_else(|| Error::failed(file(), "shorter than it was"))?;
        count(new).map_err(|cause| Error::failed(file(), cause))
    }

    fn text(&self) -> Result<String> {
        let failed = |cause| crate::Error::file("read", &self.0)(cause).into();
        fs::read_to_string(&self.0).map_err(failed)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(default)]
    object_ref: Object,
}

#[derive(Default, Deserialize)]
struct Object {
    #[serde(default)]
    resource: String,
}

fn count(lines: &str) -> serde_json::Result<Requests> {
    let mut requests = Requests::default();
    for line in lines.lines() {
        let event: Event = serde_json::from_str(line)?;
        match (event.verb.as_str(), event.object_ref.resource.as_str()) {
            ("watch", _) => {}
            ("create", "subjectaccessreviews" | "tokenreviews") => requests.reviews += 1,
            _ => requests.others += 1,
        }
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reviews_and_others_are_told_apart() {
        let lines = r#"{"verb":"create","objectRef":{"resource":"subjectaccessreviews"}}
{"verb":"create","objectRef":{"resource":"tokenreviews"}}
{"verb":"watch","objectRef":{"resource":"pods"}}
{"verb":"list","objectRef":{"resource":"pods"}}
{"verb":"get","requestURI":"/apis"}
"#;
        let expected = Requests {
            reviews: 2,
            others: 2,
        };
        assert_eq!(count(lines).expect("is JSON"), expected);
        count("{").expect_err("half a line");
    }
}
