//! Documents as kube-apiserver sends them, for those who show them to people.

use http::Request;
use http_body_util::{BodyExt as _, Limited};
use kube::Client;
use kube::client::Body;

use super::failure;

/// The largest document that is read, in bytes: a list of pods with their specs is the largest one.
const MAX_BODY: usize = 64 << 20;

/// The status and the text of the answer to a GET.
///
/// # Errors
/// Why there is no answer, in one line.
pub async fn get(client: &Client, path: &str) -> Result<(u16, String), String> {
    let request = Request::get(path)
        .header(http::header::ACCEPT, "application/json")
        .body(Body::empty())
        .map_err(|error| format!("{path}: {error}"))?;
    let answer = client.send(request).await;
    let answer = answer.map_err(|error| failure::describe(&error))?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(|error| format!("{path}: {error}"))?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
