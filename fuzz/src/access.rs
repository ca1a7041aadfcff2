//! Paths and query strings: what authorization was asked about is what the API then serves.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, Uri};
use metrics_adapter::model::review::AccessAttributes;
use metrics_adapter::model::{ExplainQuery, MetricQuery, Target as Objects, UsageQuery};
use percent_encoding::percent_decode_str;

use crate::stage::{Served, Stage, api, send_gated};
use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "access",
    run,
    seeds,
    words: WORDS,
    cases: 2500,
};

const WORDS: &[&str] = &[
    "/",
    "//",
    "%2f",
    "%2F",
    "%25",
    "%2a",
    "*",
    "..",
    ".",
    "%00",
    "%ff",
    "?",
    "&",
    ";",
    "=",
    "#",
    "/apis",
    "/namespaces",
    "/namespaces/",
    "/metrics/",
    "/status",
    "/finalize",
    "/watch/",
    "watch",
    "/proxy/",
    "namespaces.",
    "pods",
    "pods.",
    "nodes",
    "/api/v1/",
    "deployments.apps",
    "custom.metrics.k8s.io",
    "external.metrics.k8s.io",
    "metrics.k8s.io",
    "v1beta1",
    "v1beta2",
    "fieldSelector=",
    "metadata.name=",
    "metadata.name==",
    "metadata.name!=",
    "metadata.namespace=",
    "labelSelector=",
    "metricLabelSelector=",
    "watch=1",
    "watch=0",
    "timeout=1s",
    "explain=true",
    "explain=TRUE",
    "explain",
    "expl%61in",
    "=true",
    "/explain",
    "%3D",
    "%2C",
    "+",
    "includeObject=Object",
    "resourceVersionMatch=Exact",
    "resourceVersion=0",
    "/healthz",
    "/open/",
    "/openapi/v2",
    "/openapi/v3",
    "/version",
    "http://x",
    "\\",
];

fn seeds() -> Vec<Vec<u8>> {
    let custom = "g/apis/custom.metrics.k8s.io/v1beta";
    let mut seeds: Vec<String> = [
        "1/namespaces/shop/pods/*/rps?labelSelector=app%3Dweb&metricLabelSelector=code%3D2xx",
        "2/namespaces/shop/deployments.apps/web/rps",
        "2/namespaces/shop/metrics/rps",
        "2/namespaces/shop/metrics/rps/x",
        "2/namespaces/shop/pods//rps",
        "2/nodes/n1/a%2Fb",
        "1/namespaces/*/metrics/rps",
        "2/namespaces/shop/pods/web/rps?fieldSelector=metadata.name%3Dweb",
        "2/namespaces/shop/pods/*/rps?explain=true&labelSelector=app%3Dweb",
        "1",
    ]
    .map(|rest| format!("{custom}{rest}"))
    .to_vec();
    let resource = "g/apis/metrics.k8s.io/v1beta1";
    seeds.extend(
        [
            "/nodes",
            "/nodes/n1",
            "/pods?fieldSelector=metadata.name%3Dweb&limit=5",
            "/namespaces/shop/pods?labelSelector=app%3Dweb&watch=0",
            "/namespaces/shop/pods/web-0",
            "",
        ]
        .map(|rest| format!("{resource}{rest}")),
    );
    let external = "g/apis/external.metrics.k8s.io/v1beta1";
    seeds.push(format!(
        "{external}/namespaces/shop/queue?labelSelector=q%3Da"
    ));
    let others = [
        "g/apis",
        "g/openapi/v2",
        "g/openapi/v3/apis/metrics.k8s.io/v1beta1?hash=A",
    ];
    seeds.extend(others.map(str::to_owned));
    seeds.extend(["g/version", "d/apis", "h/apis", "g/open/x"].map(str::to_owned));
    let texts: Vec<&str> = seeds.iter().map(String::as_str).collect();
    seed::all(&texts)
}

fn method(letter: u8) -> Method {
    match letter {
        b'h' => Method::HEAD,
        b'p' => Method::POST,
        b'd' => Method::DELETE,
        b'o' => Method::OPTIONS,
        _ => Method::GET,
    }
}

/// A letter for the method, then what stands in the request line.
fn run(input: &[u8]) {
    let Some((letter, target)) = input.split_first() else {
        return;
    };
    let Ok(uri) = Uri::try_from(target) else {
        return;
    };
    let request = Request::builder()
        .method(method(*letter))
        .uri(uri.clone())
        .body(Body::empty())
        .unwrap();
    let stage = Arc::new(Stage::default());
    let answer = send_gated(&stage, api(&stage), None, request);
    let asked = stage.asked.lock().unwrap();
    let asked: Vec<&AccessAttributes> = asked.iter().map(|(_, asked)| asked).collect();
    let served = stage.served.lock().unwrap();
    for query in &*served {
        if let Served::Explained(query) = query {
            // It was asked for in so many letters, and reviewed as such a path and nothing else.
            let path = percent_decode_str(uri.path()).decode_utf8().unwrap();
            let told = |asked: &&&AccessAttributes| matches!(asked, AccessAttributes::NonResource { path: of, verb } if *of == format!("/explain{path}") && verb == "get");
            let (covered, all) = (asked.iter().filter(told).count(), asked.len());
            assert!(
                covered == 1 && all == 1,
                "{uri}: {query:?}\nasked {asked:?}"
            );
            let decoded = percent_decode_str(uri.query().unwrap()).decode_utf8_lossy();
            assert_eq!(decoded.matches("explain=true").count(), 1, "{uri}");
            assert!(names(&path, query), "{uri}: {query:?}");
            continue;
        }
        let (group, covers): (_, &dyn Fn(&Question<'_>) -> bool) = match query {
            Served::Custom(query) => ("custom.metrics.k8s.io", &|asked| custom(asked, query)),
            Served::External(query) => ("external.metrics.k8s.io", &|asked| {
                asked.is(&query.namespace, &query.metric, "", "") && asked.verb == "list"
            }),
            Served::Explained(_) => unreachable!("looked at above"),
            Served::Nodes(query) => ("metrics.k8s.io", &|asked| usage(asked, "nodes", query)),
            Served::Pods(query) => ("metrics.k8s.io", &|asked| usage(asked, "pods", query)),
        };
        let version = uri.path().split('/').nth(3).unwrap_or_default();
        let version = percent_decode_str(version).decode_utf8().unwrap();
        let mut questions = asked.iter().filter_map(|asked| Question::of(asked));
        let covered = questions
            .any(|asked| asked.group == group && asked.version == version && covers(&asked));
        assert!(covered, "{uri}\nserved {query:?}\nasked {asked:?}");
    }
    if served.is_empty() && answer.status().is_success() {
        let path = percent_decode_str(uri.path()).decode_utf8().unwrap();
        let told = |asked: &&AccessAttributes| matches!(asked, AccessAttributes::NonResource { path: of, .. } if *of == path);
        assert!(asked.iter().any(told), "{uri}: {asked:?}");
    }
}

/// Whether a path, cut at its slashes, names the namespace and the metric that are explained: a
/// grant of what begins with one namespace is good for no other one.
fn names(path: &str, query: &ExplainQuery) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    let (namespace, metric, own) = match query {
        ExplainQuery::Custom(query) => {
            let own = match &query.target {
                Objects::Name(name) if query.namespace.is_none() => Some(name),
                _ => None,
            };
            (query.namespace.as_ref(), &query.metric, own)
        }
        ExplainQuery::External(query) => (Some(&query.namespace), &query.metric, None),
    };
    let within = match (namespace, segments.get(4), segments.get(5)) {
        (Some(namespace), Some(&"namespaces"), Some(named)) => **named == **namespace,
        // A metric of a namespace itself.
        (None, Some(&"namespaces"), Some(named)) => own.is_some_and(|own| **named == **own),
        (None, ..) => true,
        _ => false,
    };
    within && segments.iter().any(|segment| **segment == **metric)
}

/// A SubjectAccessReview about a resource.
struct Question<'a> {
    verb: &'a str,
    group: &'a str,
    version: &'a str,
    namespace: &'a str,
    resource: &'a str,
    subresource: &'a str,
    name: &'a str,
}

impl<'a> Question<'a> {
    fn of(asked: &'a AccessAttributes) -> Option<Self> {
        let AccessAttributes::Resource {
            verb,
            group,
            version,
            namespace,
            resource,
            subresource,
            name,
        } = asked
        else {
            return None;
        };
        Some(Self {
            verb,
            group,
            version,
            namespace,
            resource,
            subresource,
            name,
        })
    }

    fn is(&self, namespace: &str, resource: &str, name: &str, subresource: &str) -> bool {
        (self.namespace, self.resource, self.name, self.subresource)
            == (namespace, resource, name, subresource)
    }
}

/// An object's metric is a subresource of the object; a namespace's own one stands in the place
/// of a name, behind `metrics`.
fn custom(asked: &Question<'_>, query: &MetricQuery) -> bool {
    let name = match &query.target {
        Objects::Name(name) => name,
        Objects::Selected(_) => "*",
    };
    let verb = |name: &str| {
        let wanted = if name.is_empty() { "list" } else { "get" };
        asked.verb == wanted
    };
    let resource = query.resource.to_string();
    let own = resource == "namespaces"
        && query.namespace.is_none()
        && (asked.namespace, asked.resource, asked.name) == (name, "metrics", &query.metric);
    // Nothing instead of a name is everything, and was asked as such; so is a final dot.
    let names: &[&str] = if name == "*" { &["*", ""] } else { &[name] };
    let dotted = format!("{resource}.");
    let described = || {
        names.iter().any(|name| {
            [&resource, &dotted].into_iter().any(|resource| {
                let namespace = query.namespace.as_deref().unwrap_or_default();
                verb(name) && asked.is(namespace, resource, name, &query.metric)
            })
        })
    };
    (own && verb(asked.name)) || described()
}

fn usage(asked: &Question<'_>, resource: &str, query: &UsageQuery) -> bool {
    match query {
        UsageQuery::One { namespace, name } => {
            asked.verb == "get"
                && asked.is(namespace.as_deref().unwrap_or_default(), resource, name, "")
        }
        UsageQuery::List {
            namespace, fields, ..
        } => {
            // Who asked about one name only must not see another one.
            let narrow = asked.name.is_empty()
                || !["a", "web", "*", "", "x=y"]
                    .into_iter()
                    .any(|other| other != asked.name && fields.admits_name(other));
            let namespace = namespace.as_deref().unwrap_or_default();
            asked.verb == "list" && asked.is(namespace, resource, asked.name, "") && narrow
        }
    }
}
