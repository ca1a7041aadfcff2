//! Refusals, in Kubernetes' words (k8s.io/apiserver's `responsewriters`, apimachinery's
//! `errors`). Law: they say what the caller asked for and what the authorizer said, no more.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::model::GroupResource;
use crate::model::review::{AccessAttributes, UserInfo};

/// `meta/v1 Status`, as much of it as is needed here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    status: &'static str,
    message: &'a str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
    code: u16,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
}

/// 401.
pub(super) fn unauthorized<B: From<Bytes>>() -> Response<B> {
    respond(
        StatusCode::UNAUTHORIZED,
        "Unauthorized",
        "Unauthorized",
        None,
    )
}

/// 403: the authorizer said no, with or without a reason.
pub(super) fn forbidden<B: From<Bytes>>(
    user: &UserInfo,
    attributes: &AccessAttributes,
    reason: &str,
) -> Response<B> {
    let mut message = sanitized(&denial(user, attributes));
    if !reason.is_empty() {
        message.push_str(": ");
        message.push_str(reason);
    }
    match attributes {
        AccessAttributes::NonResource { .. } => {
            let message = format!("forbidden: {message}");
            let details = Details {
                name: "",
                group: "",
                kind: "",
                retry_after_seconds: None,
            };
            respond(StatusCode::FORBIDDEN, "Forbidden", &message, Some(details))
        }
        AccessAttributes::Resource {
            group,
            resource,
            name,
            ..
        } => {
            let what = GroupResource::new(group.as_str(), resource.as_str());
            let message = if name.is_empty() {
                format!("{what} is forbidden: {message}")
            } else {
                format!("{what} {name:?} is forbidden: {message}")
            };
            let details = Details {
                name,
                group,
                kind: resource,
                retry_after_seconds: None,
            };
            respond(StatusCode::FORBIDDEN, "Forbidden", &message, Some(details))
        }
    }
}

/// 403: impersonation is kube-apiserver's business, which does it before it forwards a request.
/// To ignore such a header would be to answer as somebody else than was asked for.
pub(super) fn impersonation<B: From<Bytes>>(user: &UserInfo, whom: &str) -> Response<B> {
    let message = sanitized(&format!(
        "users {whom:?} is forbidden: User {:?} cannot impersonate resource \"users\" in API group \
         \"\" at the cluster scope: impersonation is not supported here, ask through kube-apiserver",
        user.name,
    ));
    let details = Details {
        name: whom,
        group: "",
        kind: "users",
        retry_after_seconds: None,
    };
    respond(StatusCode::FORBIDDEN, "Forbidden", &message, Some(details))
}

/// 500: no review, no access.
pub(super) fn review_failed<B: From<Bytes>>() -> Response<B> {
    let message = "Internal error occurred: the request could not be reviewed by kube-apiserver";
    respond(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalError",
        message,
        None,
    )
}

/// 503: whom to trust is not known yet.
pub(super) fn not_ready<B: From<Bytes>>() -> Response<B> {
    let message = "the authentication configuration of the cluster has not been read yet";
    let details = Details {
        name: "",
        group: "",
        kind: "",
        retry_after_seconds: Some(1),
    };
    let mut response = respond(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailable",
        message,
        Some(details),
    );
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn denial(user: &UserInfo, attributes: &AccessAttributes) -> String {
    let name = &user.name;
    match attributes {
        AccessAttributes::NonResource { path, verb } => {
            format!("User {name:?} cannot {verb} path {path:?}")
        }
        AccessAttributes::Resource {
            verb,
            group,
            namespace,
            resource,
            subresource,
            ..
        } => {
            let resource = if subresource.is_empty() {
                resource.clone()
            } else {
                format!("{resource}/{subresource}")
            };
            let place = if namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {namespace:?}")
            };
            format!(
                "User {name:?} cannot {verb} resource {resource:?} in API group {group:?} {place}"
            )
        }
    }
}

/// What the caller wrote must not be taken for markup by a browser.
fn sanitized(message: &str) -> String {
    message
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn respond<B: From<Bytes>>(
    code: StatusCode,
    reason: &'static str,
    message: &str,
    details: Option<Details<'_>>,
) -> Response<B> {
    let status = Status {
        kind: "Status",
        api_version: "v1",
        metadata: Empty {},
        status: "Failure",
        message,
        reason,
        details,
        code: code.as_u16(),
    };
    // Strings and numbers only: there is nothing that could not be written.
    let body = serde_json::to_vec(&status).unwrap_or_default();
    let mut response = Response::new(B::from(Bytes::from(body)));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(response: &Response<Bytes>) -> String {
        let status: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        status["message"].as_str().unwrap().to_owned()
    }

    fn mk_user() -> UserInfo {
        UserInfo {
            name: "u".to_owned(),
            ..UserInfo::default()
        }
    }

    #[test]
    fn words_are_those_of_kubernetes() {
        let pods = AccessAttributes::Resource {
            verb: "get".to_owned(),
            group: "custom.metrics.k8s.io".to_owned(),
            version: "v1beta2".to_owned(),
            namespace: "ns".to_owned(),
            resource: "pods".to_owned(),
            subresource: "metric".to_owned(),
            name: "*".to_owned(),
        };
        assert_eq!(
            message(&forbidden(&mk_user(), &pods, "")),
            r#"pods.custom.metrics.k8s.io "*" is forbidden: User "u" cannot get resource "pods/metric" in API group "custom.metrics.k8s.io" in the namespace "ns""#,
        );
        let nodes = AccessAttributes::Resource {
            verb: "list".to_owned(),
            group: "metrics.k8s.io".to_owned(),
            version: "v1beta1".to_owned(),
            namespace: String::new(),
            resource: "nodes".to_owned(),
            subresource: String::new(),
            name: String::new(),
        };
        assert_eq!(
            message(&forbidden(&mk_user(), &nodes, "RBAC: no")),
            r#"nodes.metrics.k8s.io is forbidden: User "u" cannot list resource "nodes" in API group "metrics.k8s.io" at the cluster scope: RBAC: no"#,
        );
        let path = AccessAttributes::NonResource {
            path: "/<y>".to_owned(),
            verb: "get".to_owned(),
        };
        assert_eq!(
            message(&forbidden(&mk_user(), &path, "")),
            r#"forbidden: User "u" cannot get path "/&lt;y&gt;""#,
        );
    }

    #[test]
    fn a_status_is_complete() {
        let response: Response<Bytes> = unauthorized();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            std::str::from_utf8(response.body()).unwrap(),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#,
        );
    }
}
