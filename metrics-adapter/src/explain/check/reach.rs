//! Whether it is Prometheus that answers at `--prometheus-url`, and if not, what it is.

use super::Options;
use super::finding::{Check, Finding};
use crate::prometheus::{PrometheusError, QueryClient};

/// Asks for the simplest of all things.
///
/// # Errors
/// What is wrong with the address, or with whatever is there.
pub(super) async fn probe<C: QueryClient>(client: &C, options: &Options) -> Result<(), Finding> {
    match client.query("vector(1)").await {
        Ok(_) => Ok(()),
        Err(error) => Err(judge(
            &error,
            options.address.as_deref().unwrap_or_default(),
        )),
    }
}

fn judge(error: &PrometheusError, address: &str) -> Finding {
    let at = |what: String, hint: &str| {
        let message = format!("--prometheus-url {address}: {what}");
        Finding::error(Check::Prometheus, message).hint(hint)
    };
    let status = match error {
        PrometheusError::Api { status, .. } => Some(*status),
        _ => None,
    };
    let text = error.to_string();
    match (error, status) {
        (_, Some(code @ (401 | 403))) => at(
            format!("the answer is {code}, so credentials are missing or not good enough"),
            "--prometheus-token-file, --prometheus-header or --prometheus-client-tls-cert-file \
             give credentials",
        ),
        (_, Some(code @ 300..=399)) => at(
            format!("the answer is {code}, a redirect, as to a login page or to https"),
            "give the URL that it leads to, or one behind the login",
        ),
        (PrometheusError::Api { .. } | PrometheusError::Decode(_), _) if is_html(&text) => {
            let code = status.map_or_else(String::new, |code| format!(" (status {code})"));
            at(
                format!("the answer is an HTML page{code} and not from Prometheus' API"),
                "a login page, a proxy or Grafana answers there: the URL must be Prometheus' own, \
                 with the path that it is served below",
            )
        }
        (_, Some(404)) => at(
            "the answer is 404, so Prometheus' API is not there".to_owned(),
            "the host is right, and the path is not: perhaps Prometheus is served below one, such \
             as /prometheus",
        ),
        (PrometheusError::Connect { reason, .. }, _) => at(
            format!("nothing can be reached there: {reason}"),
            reachable(reason),
        ),
        (PrometheusError::Timeout(limit), _) => at(
            format!("no answer within {limit:?}"),
            "a firewall or a NetworkPolicy, an overloaded Prometheus, or a short \
             --prometheus-timeout",
        ),
        _ => at(text, "it must be the URL of Prometheus' HTTP API"),
    }
}

fn reachable(reason: &str) -> &'static str {
    let reason = reason.to_lowercase();
    if reason.contains("corrupt message") {
        "the port does not speak TLS: try http://"
    } else if reason.contains("certificate") || reason.contains("unknownissuer") {
        "--prometheus-ca-file names the authority of its certificate"
    } else {
        "from outside the cluster: kubectl port-forward -n NAMESPACE svc/SERVICE 9090:9090, then \
         http://localhost:9090"
    }
}

fn is_html(text: &str) -> bool {
    let text = text.to_lowercase();
    ["<html", "<!doctype", "<head", "<body"]
        .iter()
        .any(|tag| text.contains(tag))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whatever_is_there_is_recognised() {
        let api = |status, message: &str| PrometheusError::Api {
            status,
            message: message.to_owned(),
        };
        let connect = |reason: &str| PrometheusError::Connect {
            url: "http://p".to_owned(),
            reason: reason.to_owned(),
        };
        let decode = |text: &str| PrometheusError::Decode(text.to_owned());
        for (error, message, hint) in [
            (
                api(401, "<html>"),
                "401, so credentials",
                "--prometheus-token-file",
            ),
            (api(302, ""), "a redirect", "the URL that it leads to"),
            (
                decode("expected value in \"<!DOCTYPE html>\""),
                "an HTML page and",
                "Grafana",
            ),
            (
                api(502, "<html>bad gateway"),
                "an HTML page (status 502)",
                "proxy",
            ),
            (
                api(404, "404 page not found"),
                "404, so Prometheus' API",
                "/prometheus",
            ),
            (
                connect("Connection refused (os error 111)"),
                "Connection refused",
                "port-forward",
            ),
            (
                connect("received corrupt message of type X"),
                "corrupt",
                "http://",
            ),
            (
                connect("invalid peer certificate: UnknownIssuer"),
                "UnknownIssuer",
                "--prometheus-ca-file",
            ),
            (
                PrometheusError::Timeout(Duration::from_secs(8)),
                "within 8s",
                "--prometheus-timeout",
            ),
            (decode("the answer has no data"), "no data", "HTTP API"),
        ] {
            let finding = judge(&error, "http://p/");
            assert!(
                finding.message.starts_with("--prometheus-url http://p/: "),
                "{finding:?}"
            );
            assert!(finding.message.contains(message), "{finding:?}");
            assert!(
                finding.hint.as_deref().unwrap().contains(hint),
                "{finding:?}"
            );
        }
    }
}
