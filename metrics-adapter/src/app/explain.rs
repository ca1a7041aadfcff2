//! `metrics-adapter explain`: a client for kube-apiserver, and where its answers are told.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;

use crate::cli::{Explanation, ExplanationOutput, ExplanationSubject};
use crate::cluster::{self, client, raw};
use crate::explain::cluster::{Answer, Cluster};
use crate::explain::hpa::{self, Word};
use crate::explain::metric::{self, Explained};
use crate::explain::style::Style;

/// kube-apiserver, as the kubeconfig's user sees it.
struct Apiserver(kube::Client);

impl Cluster for Apiserver {
    async fn get(&self, path: &str) -> Result<Answer, String> {
        let (status, body) = raw::get(&self.0, path).await?;
        Ok(Answer { status, body })
    }
}

/// Explains, and prints what was found.
///
/// # Errors
/// What is wrong with the flags' files; and, after it was told, that something is missing.
pub async fn explain(explanation: Explanation) -> Result<()> {
    let Explanation {
        subject,
        namespace,
        kubeconfig,
        context,
        output,
    } = explanation;
    let metrics = cluster::Metrics::default();
    let client =
        client::without_retries("--kubeconfig", kubeconfig.as_deref(), context, &metrics).await?;
    let namespace = namespace.unwrap_or_else(|| client.default_namespace().to_owned());
    let cluster = Apiserver(client);
    let style = match io::stdout().is_terminal() {
        true => Style::Colour,
        false => Style::Plain,
    };
    let (text, problem) = match subject {
        ExplanationSubject::Metric(metric) => {
            let metric = metric::Metric {
                namespace,
                ..metric
            };
            let explained = metric::explain(&cluster, &metric).await;
            let text = match (&explained, output) {
                (Explained::Told(document), ExplanationOutput::Json) => json(document)?,
                _ => explained.text(&metric, style),
            };
            let problem = explained
                .cause()
                .map(|_| format!("{metric}: something is missing"));
            (text, problem)
        }
        ExplanationSubject::Autoscaler(name) => {
            let what = format!("hpa/{name} in {namespace}");
            match hpa::explain(&cluster, &namespace, &name, Timestamp::now()).await {
                Ok(report) => {
                    let text = match output {
                        ExplanationOutput::Text => hpa::text(&report, style),
                        ExplanationOutput::Json => json(&report)?,
                    };
                    let agrees = report.verdict.word == Word::Agrees;
                    (text, (!agrees).then(|| format!("{what}: does not agree")))
                }
                Err(refusal) => {
                    let problem = format!("{what}: cannot be explained");
                    (refusal.text(&what, style), Some(problem))
                }
            }
        }
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        outcome => outcome.context("cannot write the result")?,
    }
    problem.map_or(Ok(()), |problem| Err(anyhow!(problem)))
}

fn json(document: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}
