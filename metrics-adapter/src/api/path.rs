//! Request paths, as custom-metrics-apiserver routes them.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::group::{self, GroupVersion};
use super::openapi::Document;
use super::status::ApiError;
use crate::model::{GroupResource, MetricsApi};

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/apis`
    Groups,
    /// `/apis/<group>`
    Group(MetricsApi),
    /// `/apis/<group>/<version>`
    Version(GroupVersion),
    /// `/openapi/v2` or `/openapi/v3`, or a document of the latter
    OpenApi(Document),
    /// Values of a custom metric.
    Custom {
        version: GroupVersion,
        namespace: Option<Arc<str>>,
        resource: GroupResource,
        /// `None` for all.
        name: Option<Arc<str>>,
        metric: Arc<str>,
    },
    /// Values of an external metric.
    External {
        namespace: Arc<str>,
        metric: Arc<str>,
    },
    /// Usage of one node, or of all.
    Nodes { name: Option<Arc<str>> },
    /// Usage of one pod, of those in a namespace, or of all.
    Pods {
        namespace: Option<Arc<str>>,
        name: Option<Arc<str>>,
    },
}

impl Route {
    /// The group that it belongs to.
    pub(super) const fn api(&self) -> Option<MetricsApi> {
        match self {
            Self::Groups | Self::OpenApi(_) => None,
            Self::Group(api) => Some(*api),
            Self::Version(version) => Some(version.api()),
            Self::Custom { .. } => Some(MetricsApi::Custom),
            Self::External { .. } => Some(MetricsApi::External),
            Self::Nodes { .. } | Self::Pods { .. } => Some(MetricsApi::Resource),
        }
    }
}

impl Route {
    /// The path with the names of its parts in their places, as spans are named by.
    pub(super) fn template(&self) -> String {
        let below =
            |version: GroupVersion, rest: &str| format!("/apis/{}/{rest}", version.api_version());
        let resource = |rest| below(GroupVersion::ResourceV1Beta1, rest);
        match self {
            Self::Groups => "/apis".to_owned(),
            Self::Group(api) => format!("/apis/{}", group::name(*api)),
            Self::Version(version) => format!("/apis/{}", version.api_version()),
            Self::OpenApi(Document::V2) => "/openapi/v2".to_owned(),
            Self::OpenApi(Document::V3List) => "/openapi/v3".to_owned(),
            Self::OpenApi(Document::V3(_)) => "/openapi/v3/{path}".to_owned(),
            Self::Custom {
                version,
                namespace: Some(_),
                ..
            } => below(
                *version,
                "namespaces/{namespace}/{resource}/{name}/{metric}",
            ),
            Self::Custom { version, .. } => below(*version, "{resource}/{name}/{metric}"),
            Self::External { .. } => below(
                GroupVersion::ExternalV1Beta1,
                "namespaces/{namespace}/{metric}",
            ),
            Self::Nodes { name: None } => resource("nodes"),
            Self::Nodes { name: Some(_) } => resource("nodes/{name}"),
            Self::Pods {
                namespace: None, ..
            } => resource("pods"),
            Self::Pods { name: None, .. } => resource("namespaces/{namespace}/pods"),
            Self::Pods { name: Some(_), .. } => resource("namespaces/{namespace}/pods/{name}"),
        }
    }
}

/// The longest path that there is has fewer.
const MAX_SEGMENTS: usize = 12;

/// Parses a path that is still percent-encoded: segments are cut first and decoded afterwards,
/// so that an encoded slash stays inside its segment.
pub(super) fn parse(path: &str) -> Result<Route, ApiError> {
    let path = path
        .strip_suffix('/')
        .filter(|path| !path.is_empty())
        .unwrap_or(path);
    let mut decoded = [const { Cow::Borrowed("") }; MAX_SEGMENTS];
    let mut number = 0;
    for segment in path.split('/').skip(1) {
        let place = decoded.get_mut(number).ok_or(ApiError::UnknownPath)?;
        *place = match segment.contains('%') {
            false => segment.into(),
            true => percent_decode_str(segment)
                .decode_utf8()
                .map_err(|_| ApiError::UnknownPath)?,
        };
        number += 1;
    }
    let segments = decoded.each_ref().map(AsRef::as_ref);
    match &segments[..number] {
        ["apis"] => Ok(Route::Groups),
        ["openapi", "v2"] => Ok(Route::OpenApi(Document::V2)),
        ["openapi", "v3"] => Ok(Route::OpenApi(Document::V3List)),
        ["openapi", "v3", place @ ..] => Ok(Route::OpenApi(Document::V3(place.join("/")))),
        ["apis", group, rest @ ..] => {
            let api = group::find(group).ok_or(ApiError::UnknownPath)?;
            let [version, rest @ ..] = rest else {
                return Ok(Route::Group(api));
            };
            let version = group::find_version(api, version).ok_or(ApiError::UnknownPath)?;
            match (rest, api) {
                ([], _) => Ok(Route::Version(version)),
                (rest, MetricsApi::Custom) => custom(version, rest),
                (rest, MetricsApi::External) => external(rest),
                (rest, MetricsApi::Resource) => resource(rest),
            }
        }
        _ => Err(ApiError::UnknownPath),
    }
}

fn custom(version: GroupVersion, rest: &[&str]) -> Result<Route, ApiError> {
    let route = |namespace: Option<&str>, resource: GroupResource, name: &str, metric: &str| {
        Route::Custom {
            version,
            namespace: namespace.map(Into::into),
            resource,
            name: (!matches!(name, "" | "*")).then(|| name.into()),
            metric: metric.into(),
        }
    };
    match rest {
        // Subresources of namespaces themselves, not objects in them.
        ["namespaces", _, "status" | "finalize", ..] => Err(ApiError::UnknownPath),
        // A metric of the namespace itself; what follows it is ignored, as upstream does.
        ["namespaces", namespace, "metrics", metric]
        | ["namespaces", namespace, "metrics", metric, _] => {
            let namespaces = GroupResource::new("", "namespaces");
            Ok(route(None, namespaces, namespace, metric))
        }
        ["namespaces", namespace, resource, name, metric] => Ok(route(
            Some(namespace),
            group_resource(resource),
            name,
            metric,
        )),
        ["namespaces", _, _] => Err(ApiError::InvalidPath),
        // Verbs in the eyes of authorization, which then asks about something else.
        ["watch" | "proxy", ..] => Err(ApiError::UnknownPath),
        [resource, name, metric] => Ok(route(None, group_resource(resource), name, metric)),
        _ => Err(ApiError::UnknownPath),
    }
}

fn external(rest: &[&str]) -> Result<Route, ApiError> {
    match rest {
        // Subresources of namespaces themselves, also in the eyes of authorization.
        ["namespaces", _, "status" | "finalize"]
        | ["namespaces", "", _]
        | ["namespaces", _, ""] => Err(ApiError::UnknownPath),
        ["namespaces", namespace, metric] => Ok(Route::External {
            namespace: (*namespace).into(),
            metric: (*metric).into(),
        }),
        _ => Err(ApiError::UnknownPath),
    }
}

fn resource(rest: &[&str]) -> Result<Route, ApiError> {
    let some = |text: &str| match text {
        "" => Err(ApiError::UnknownPath),
        text => Ok(Arc::from(text)),
    };
    Ok(match rest {
        ["nodes"] => Route::Nodes { name: None },
        ["nodes", name] => Route::Nodes {
            name: Some(some(name)?),
        },
        ["pods"] => Route::Pods {
            namespace: None,
            name: None,
        },
        ["namespaces", namespace, "pods"] => Route::Pods {
            namespace: Some(some(namespace)?),
            name: None,
        },
        ["namespaces", namespace, "pods", name] => Route::Pods {
            namespace: Some(some(namespace)?),
            name: Some(some(name)?),
        },
        _ => return Err(ApiError::UnknownPath),
    })
}

/// `pods` or `deployments.apps`: everything after the first dot is the group.
fn group_resource(text: &str) -> GroupResource {
    match text.split_once('.') {
        Some((resource, group)) => GroupResource::new(group, resource),
        None => GroupResource::new(Arc::default(), text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(namespace: Option<&str>, resource: &str, name: &str, metric: &str) -> Option<Route> {
        Some(Route::Custom {
            version: GroupVersion::CustomV1Beta2,
            namespace: namespace.map(Into::into),
            resource: group_resource(resource),
            name: (name != "*").then(|| name.into()),
            metric: metric.into(),
        })
    }

    #[test]
    fn templates_keep_nothing_of_the_callers() {
        let custom = "/apis/custom.metrics.k8s.io/v1beta2";
        let usage = "/apis/metrics.k8s.io/v1beta1";
        for (path, template) in [
            ("/apis".to_owned(), "/apis".to_owned()),
            (
                "/openapi/v3/apis/x".to_owned(),
                "/openapi/v3/{path}".to_owned(),
            ),
            (custom.to_owned(), custom.to_owned()),
            (
                format!("{custom}/namespaces/shop/pods/*/rps"),
                format!("{custom}/namespaces/{{namespace}}/{{resource}}/{{name}}/{{metric}}"),
            ),
            (
                format!("{custom}/nodes/n/rps"),
                format!("{custom}/{{resource}}/{{name}}/{{metric}}"),
            ),
            (
                "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/q".to_owned(),
                "/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}".to_owned(),
            ),
            (
                format!("{usage}/nodes/n"),
                format!("{usage}/nodes/{{name}}"),
            ),
            (
                format!("{usage}/namespaces/shop/pods/web-0"),
                format!("{usage}/namespaces/{{namespace}}/pods/{{name}}"),
            ),
        ] {
            assert_eq!(parse(&path).unwrap().template(), template, "{path}");
        }
        assert!(parse("/healthz").is_err());
    }

    #[test]
    fn routes_as_upstream_does() {
        let base = "/apis/custom.metrics.k8s.io/v1beta2";
        for (path, expected) in [
            ("", Some(Route::Version(GroupVersion::CustomV1Beta2))),
            ("/", Some(Route::Version(GroupVersion::CustomV1Beta2))),
            (
                "/namespaces/shop/pods/*/m",
                custom(Some("shop"), "pods", "*", "m"),
            ),
            (
                "/namespaces/shop/pods/%2A/m/",
                custom(Some("shop"), "pods", "*", "m"),
            ),
            (
                "/namespaces/shop/pods//m",
                custom(Some("shop"), "pods", "*", "m"),
            ),
            (
                "/namespaces/shop/deployments.apps/web/m",
                custom(Some("shop"), "deployments.apps", "web", "m"),
            ),
            (
                "/namespaces/shop/metrics/m",
                custom(None, "namespaces", "shop", "m"),
            ),
            (
                "/namespaces/*/metrics/m",
                custom(None, "namespaces", "*", "m"),
            ),
            (
                "/namespaces/shop/metrics/m/x",
                custom(None, "namespaces", "shop", "m"),
            ),
            ("/nodes/n1/m", custom(None, "nodes", "n1", "m")),
            ("/nodes/*/a%2Fb", custom(None, "nodes", "*", "a/b")),
            ("/namespaces/shop/pods/x", None),
            ("/namespaces/shop", None),
            ("/nodes/n1", None),
            ("/nodes/n1/m/x", None),
            ("/namespaces/shop/status/a/b", None),
            ("/namespaces/shop/finalize/a/b", None),
            ("/namespaces/shop/pods/*/m/x", None),
            ("/nodes/%FF/m", None),
            ("/watch/pods/m", None),
            ("/proxy/pods/m", None),
        ] {
            assert_eq!(parse(&format!("{base}{path}")).ok(), expected, "{path}");
        }
        assert_eq!(parse("/apis").ok(), Some(Route::Groups));
        assert_eq!(parse("/apis/").ok(), Some(Route::Groups));
        assert_eq!(
            parse("/apis/custom.metrics.k8s.io").ok(),
            Some(Route::Group(MetricsApi::Custom))
        );
    }

    #[test]
    fn routes_external_and_resource_metrics() {
        let external = |metric: &str| {
            Some(Route::External {
                namespace: "shop".into(),
                metric: metric.into(),
            })
        };
        let nodes = |name: Option<&str>| {
            Some(Route::Nodes {
                name: name.map(Into::into),
            })
        };
        let pods = |namespace: Option<&str>, name: Option<&str>| {
            Some(Route::Pods {
                namespace: namespace.map(Into::into),
                name: name.map(Into::into),
            })
        };
        for (path, expected) in [
            (
                "external.metrics.k8s.io/v1beta1",
                Some(Route::Version(GroupVersion::ExternalV1Beta1)),
            ),
            (
                "external.metrics.k8s.io/v1beta1/namespaces/shop/queue",
                external("queue"),
            ),
            (
                "external.metrics.k8s.io/v1beta1/namespaces/shop/a%2Fb/",
                external("a/b"),
            ),
            ("external.metrics.k8s.io/v1beta1/namespaces/shop", None),
            ("external.metrics.k8s.io/v1beta1/namespaces//queue", None),
            (
                "external.metrics.k8s.io/v1beta1/namespaces/shop/status",
                None,
            ),
            (
                "external.metrics.k8s.io/v1beta1/namespaces/shop/queue/x",
                None,
            ),
            ("external.metrics.k8s.io/v1beta1/queue", None),
            ("external.metrics.k8s.io/v1beta2", None),
            ("metrics.k8s.io", Some(Route::Group(MetricsApi::Resource))),
            ("metrics.k8s.io/v1beta1/nodes", nodes(None)),
            ("metrics.k8s.io/v1beta1/nodes/n1", nodes(Some("n1"))),
            ("metrics.k8s.io/v1beta1/pods", pods(None, None)),
            (
                "metrics.k8s.io/v1beta1/namespaces/shop/pods/",
                pods(Some("shop"), None),
            ),
            (
                "metrics.k8s.io/v1beta1/namespaces/shop/pods/web",
                pods(Some("shop"), Some("web")),
            ),
            ("metrics.k8s.io/v1beta1/pods/web", None),
            ("metrics.k8s.io/v1beta1/namespaces/shop/nodes", None),
            ("metrics.k8s.io/v1beta1/namespaces//pods", None),
            ("metrics.k8s.io/v1beta1/watch/pods", None),
            ("metrics.k8s.io/v1beta1/nodes/n1/status", None),
        ] {
            assert_eq!(parse(&format!("/apis/{path}")).ok(), expected, "{path}");
        }
    }

    #[test]
    fn tells_wrong_paths_from_unknown_ones() {
        let wrong = parse("/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/foo");
        assert!(matches!(wrong, Err(ApiError::InvalidPath)));
        for path in [
            "",
            "/",
            "/api",
            "/apis/x",
            "/apis/custom.metrics.k8s.io/v1",
            "/foo//",
        ] {
            assert!(matches!(parse(path), Err(ApiError::UnknownPath)), "{path}");
        }
    }
}
