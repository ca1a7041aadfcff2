//! `metrics-adapter explain`: a client for kube-apiserver, and where its answers are told.

use std::process::ExitCode;

use anyhow::Result;
use jiff::Timestamp;

use super::output;
use crate::cli::{Explanation, ExplanationSubject, Form};
use crate::cluster::{self, client, raw};
use crate::explain::cluster::{Answer, Cluster};
use crate::explain::hpa::{self, Word};
use crate::explain::metric::{self, Explained};

/// kube-apiserver, as the kubeconfig's user sees it.
struct Apiserver(kube::Client);

impl Cluster for Apiserver {
    async fn get(&self, path: &str) -> Result<Answer, String> {
        let (status, body) = raw::get(&self.0, path).await?;
        Ok(Answer { status, body })
    }
}

/// Explains, and prints what was found. The exit code says whether something is missing.
///
/// # Errors
/// What is wrong with the flags' files.
pub async fn explain(explanation: Explanation) -> Result<ExitCode> {
    let Explanation {
        subject,
        namespace,
        kubeconfig,
        context,
        output: form,
        no_color,
    } = explanation;
    let metrics = cluster::Metrics::default();
    let client =
        client::without_retries("--kubeconfig", kubeconfig.as_deref(), context, &metrics).await?;
    let namespace = namespace.unwrap_or_else(|| client.default_namespace().to_owned());
    let cluster = Apiserver(client);
    let style = output::style(no_color);
    let (text, is_well) = match subject {
        ExplanationSubject::Metric(metric) => {
            let metric = metric::Metric {
                namespace,
                ..metric
            };
            let explained = metric::explain(&cluster, &metric).await;
            let text = match (form, &explained) {
                (Form::Text, _) => explained.text(&metric, style),
                (Form::Json, Explained::Told(document)) => output::json(document)?,
                (Form::Json, Explained::Refused(refusal) | Explained::Forbidden(refusal)) => {
                    output::json(refusal)?
                }
            };
            (text, explained.is_well())
        }
        ExplanationSubject::Autoscaler(name) => {
            let explained = hpa::explain(&cluster, &namespace, &name, Timestamp::now()).await;
            let text = match (form, &explained) {
                (Form::Text, Ok(report)) => hpa::text(report, style),
                (Form::Text, Err(refusal)) => {
                    refusal.text(&format!("hpa/{name} in {namespace}"), style)
                }
                (Form::Json, Ok(report)) => output::json(report)?,
                (Form::Json, Err(refusal)) => output::json(refusal)?,
            };
            let agrees = |report: hpa::Report| report.verdict.word == Word::Agrees;
            (text, explained.is_ok_and(agrees))
        }
    };
    output::print(&text)?;
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
