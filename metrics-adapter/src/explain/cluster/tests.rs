//! A kube-apiserver of documents, for those who ask it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

/// Documents by their paths, without a query; others are not found.
#[derive(Default)]
pub(in crate::explain) struct Documents(BTreeMap<String, (u16, String)>);

impl Documents {
    pub(in crate::explain) fn with(mut self, path: &str, status: u16, body: &Value) -> Self {
        self.0.insert(path.to_owned(), (status, body.to_string()));
        self
    }
}

impl Cluster for Documents {
    /// Paths with `explain=true` are others than those without.
    async fn get(&self, path: &str) -> Result<Answer, String> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let suffix = if query.contains("explain=true") {
            "?explain=true"
        } else {
            ""
        };
        let found = self.0.get(&format!("{path}{suffix}"));
        let missing = || (404, "404 page not found\n".to_owned());
        let (status, body) = found.cloned().unwrap_or_else(missing);
        Ok(Answer { status, body })
    }
}

#[test]
fn the_message_of_an_answer_is_one_line() {
    let answer = |body: &str| Answer {
        status: 503,
        body: body.to_owned(),
    };
    let status = answer(r#"{"kind":"Status","message":"no"}"#);
    assert_eq!(status.message(), "no (status 503)");
    assert_eq!(answer("a\nb\n").message(), "a (status 503)");
    assert!(status.read::<Value>().is_err());
}
