//! Request paths, as custom-metrics-apiserver routes them.

use percent_encoding::percent_decode_str;

use super::status::ApiError;
use crate::model::GroupResource;

/// The custom metrics group.
pub(super) const CUSTOM_GROUP: &str = "custom.metrics.k8s.io";

/// Version of the custom metrics API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1Beta1,
    V1Beta2,
}

impl Version {
    /// In the order of discovery: prometheus-adapter prefers v1beta1.
    pub(super) const ALL: [Self; 2] = [Self::V1Beta1, Self::V1Beta2];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::V1Beta1 => "v1beta1",
            Self::V1Beta2 => "v1beta2",
        }
    }
}

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/apis`
    Groups,
    /// `/apis/custom.metrics.k8s.io`
    Group,
    /// `/apis/custom.metrics.k8s.io/<version>`
    Version(Version),
    /// Values of a metric.
    Custom {
        version: Version,
        namespace: Option<String>,
        resource: GroupResource,
        /// `*` for all.
        name: String,
        metric: String,
    },
}

/// Parses a path that is still percent-encoded: segments are cut first and decoded afterwards,
/// so that an encoded slash stays inside its segment.
pub(super) fn parse(path: &str) -> Result<Route, ApiError> {
    let path = path
        .strip_suffix('/')
        .filter(|path| !path.is_empty())
        .unwrap_or(path);
    let mut segments = Vec::new();
    for segment in path.split('/').skip(1) {
        let decoded = percent_decode_str(segment).decode_utf8();
        segments.push(decoded.map_err(|_| ApiError::UnknownPath)?);
    }
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    match segments.as_slice() {
        ["apis"] => Ok(Route::Groups),
        ["apis", CUSTOM_GROUP] => Ok(Route::Group),
        ["apis", CUSTOM_GROUP, version] => Ok(Route::Version(parse_version(version)?)),
        ["apis", CUSTOM_GROUP, version, rest @ ..] => custom(parse_version(version)?, rest),
        _ => Err(ApiError::UnknownPath),
    }
}

fn parse_version(text: &str) -> Result<Version, ApiError> {
    Version::ALL
        .into_iter()
        .find(|version| version.name() == text)
        .ok_or(ApiError::UnknownPath)
}

fn custom(version: Version, rest: &[&str]) -> Result<Route, ApiError> {
    let route = |namespace: Option<&str>, resource: GroupResource, name: &str, metric: &str| {
        Route::Custom {
            version,
            namespace: namespace.map(str::to_owned),
            resource,
            name: if name.is_empty() {
                "*".to_owned()
            } else {
                name.to_owned()
            },
            metric: metric.to_owned(),
        }
    };
    let namespaces = GroupResource::new("", "namespaces");
    match rest {
        // Subresources of namespaces themselves, not objects in them.
        ["namespaces", _, "status" | "finalize", ..] => Err(ApiError::UnknownPath),
        // A metric of the namespace itself; what follows it is ignored, as upstream does.
        ["namespaces", namespace, "metrics", metric]
        | ["namespaces", namespace, "metrics", metric, _] => {
            Ok(route(None, namespaces, namespace, metric))
        }
        ["namespaces", namespace, resource, name, metric] => Ok(route(
            Some(namespace),
            group_resource(resource),
            name,
            metric,
        )),
        ["namespaces", _, _] => Err(ApiError::InvalidPath),
        [resource, name, metric] => Ok(route(None, group_resource(resource), name, metric)),
        _ => Err(ApiError::UnknownPath),
    }
}

/// `pods` or `deployments.apps`: everything after the first dot is the group.
fn group_resource(text: &str) -> GroupResource {
    match text.split_once('.') {
        Some((resource, group)) => GroupResource::new(group, resource),
        None => GroupResource::new("", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(namespace: Option<&str>, resource: &str, name: &str, metric: &str) -> Option<Route> {
        Some(Route::Custom {
            version: Version::V1Beta2,
            namespace: namespace.map(str::to_owned),
            resource: group_resource(resource),
            name: name.to_owned(),
            metric: metric.to_owned(),
        })
    }

    #[test]
    fn routes_as_upstream_does() {
        let base = "/apis/custom.metrics.k8s.io/v1beta2";
        for (path, expected) in [
            ("", Some(Route::Version(Version::V1Beta2))),
            ("/", Some(Route::Version(Version::V1Beta2))),
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
        ] {
            assert_eq!(parse(&format!("{base}{path}")).ok(), expected, "{path}");
        }
        assert_eq!(parse("/apis").ok(), Some(Route::Groups));
        assert_eq!(parse("/apis/").ok(), Some(Route::Groups));
        assert_eq!(
            parse("/apis/custom.metrics.k8s.io").ok(),
            Some(Route::Group)
        );
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
