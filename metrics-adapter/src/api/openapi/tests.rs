use std::collections::BTreeSet;

use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;

use super::*;
use crate::api::group::{self, GROUPS};
use crate::api::path::{self, Route};

async fn ask(openapi: &OpenApi, uri: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Value) {
    let mut request = Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (request, ()) = request.body(()).unwrap().into_parts();
    let Ok(Route::OpenApi(document)) = path::parse(request.uri.path()) else {
        panic!("no document at {uri}");
    };
    let parameters = Parameters::read(request.uri.query().unwrap_or_default()).unwrap();
    let answer = openapi.answer(&document, &request, parameters);
    let response = answer.unwrap_or_else(|error| error.respond(&request.headers));
    let (parts, body) = response.into_parts();
    let body: Bytes = Body::collect(body).await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    (parts.status.as_u16(), parts.headers, body)
}

/// The values of all members with this name.
fn members<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(name));
            object
                .values()
                .for_each(|inner| members(inner, name, found));
        }
        Value::Array(array) => array.iter().for_each(|inner| members(inner, name, found)),
        _ => {}
    }
}

/// A path that is served, for a path of a document.
fn example(path: &str) -> String {
    path.replace("{namespace}", "shop")
        .replace("{resource}", "pods")
        .replace("{name}", "web-0")
        .replace("{metric}", "m")
}

fn check(document: &Value, definitions: &Value, prefix: &str) {
    let mut references = Vec::new();
    members(document, "$ref", &mut references);
    assert!(!references.is_empty());
    let mut used = BTreeSet::new();
    for reference in references {
        let name = reference.as_str().unwrap().strip_prefix(prefix).unwrap();
        assert!(definitions.get(name).is_some(), "{reference}");
        used.insert(name.to_owned());
    }
    let mut kinds = BTreeSet::new();
    for (name, definition) in definitions.as_object().unwrap() {
        assert!(used.contains(name), "{name} is not used");
        for kind in definition["x-kubernetes-group-version-kind"]
            .as_array()
            .into_iter()
            .flatten()
        {
            assert!(kinds.insert(kind.to_string()), "{kind} twice");
        }
    }
    for path in document["paths"].as_object().unwrap().keys() {
        let served = path::parse(&example(path));
        assert!(
            served.is_ok_and(|r| !matches!(r, Route::OpenApi(_))),
            "{path}"
        );
    }
}

#[tokio::test]
async fn documents_are_whole_and_tell_of_what_is_served() {
    let openapi = OpenApi::of(|_| true);
    let (status, _, v2) = ask(&openapi, "/openapi/v2", &[]).await;
    assert_eq!((status, &v2["swagger"]), (200, &json!("2.0")));
    check(&v2, &v2["definitions"], "#/definitions/");
    let paths = v2["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 3 + 4 + 4 + 2 + 6);

    let (_, headers, list) = ask(&openapi, "/openapi/v3", &[]).await;
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    let list = list["paths"].as_object().unwrap();
    let mut paths_of_v3 = 0;
    for (place, entry) in list {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        assert!(
            url.starts_with(&format!("/openapi/v3/{place}?hash=")),
            "{url}"
        );
        let (status, headers, v3) = ask(&openapi, url, &[]).await;
        assert_eq!((status, &v3["openapi"]), (200, &json!("3.0.0")), "{url}");
        assert!(
            headers[header::CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        check(&v3, &v3["components"]["schemas"], "#/components/schemas/");
        paths_of_v3 += v3["paths"].as_object().unwrap().len();
    }
    assert_eq!(paths_of_v3, paths.len());
    for api in GROUPS {
        assert!(list.contains_key(&format!("apis/{}", group::name(api))));
        for version in group::versions(api) {
            assert!(list.contains_key(&format!("apis/{}", version.api_version())));
        }
    }
}

#[tokio::test]
async fn kubectl_explain_finds_nodes_and_pods() {
    let openapi = OpenApi::of(|_| true);
    let place = "/openapi/v3/apis/metrics.k8s.io/v1beta1";
    let (_, _, v3) = ask(&openapi, place, &[]).await;
    for (resource, kind) in [("nodes", "NodeMetrics"), ("pods", "PodMetrics")] {
        let gvk = json!({"group": "metrics.k8s.io", "version": "v1beta1", "kind": kind});
        let get = &v3["paths"][format!("/apis/metrics.k8s.io/v1beta1/{resource}")]["get"];
        assert_eq!(get["x-kubernetes-group-version-kind"], gvk);
        let schemas = v3["components"]["schemas"].as_object().unwrap();
        let of_kind = schemas
            .values()
            .filter(|schema| schema["x-kubernetes-group-version-kind"] == json!([gvk]));
        assert_eq!(of_kind.count(), 1);
    }
}

#[tokio::test]
async fn groups_that_are_not_served_are_left_out() {
    let openapi = OpenApi::of(|api| api == MetricsApi::External);
    let (_, _, v2) = ask(&openapi, "/openapi/v2", &[]).await;
    let paths = v2["paths"].as_object().unwrap();
    assert!(
        paths
            .keys()
            .all(|path| path.starts_with("/apis/external.metrics.k8s.io/"))
    );
    let (_, _, list) = ask(&openapi, "/openapi/v3", &[]).await;
    assert_eq!(list["paths"].as_object().unwrap().len(), 2);
    let missing = "/openapi/v3/apis/metrics.k8s.io/v1beta1";
    assert_eq!(ask(&openapi, missing, &[]).await.0, 404);

    let nothing = OpenApi::of(|_| false);
    let (status, _, v2) = ask(&nothing, "/openapi/v2", &[]).await;
    assert_eq!((status, &v2["paths"]), (200, &json!({})));
}

#[tokio::test]
async fn what_is_known_already_is_not_sent_again() {
    let openapi = OpenApi::of(|_| true);
    let v3 = "/openapi/v3/apis/custom.metrics.k8s.io/v1beta2";
    for uri in ["/openapi/v2", "/openapi/v3", v3] {
        let (_, headers, _) = ask(&openapi, uri, &[]).await;
        let etag = headers[header::ETAG].to_str().unwrap();
        for (known, expected) in [
            (etag.to_owned(), 304),
            (format!("\"x\", {etag}"), 304),
            ("\"x\"".to_owned(), 200),
        ] {
            let (status, headers, body) = ask(&openapi, uri, &[("If-None-Match", &known)]).await;
            assert_eq!(
                (status, body.is_null()),
                (expected, expected == 304),
                "{uri} {known}"
            );
            assert_eq!(headers[header::ETAG], etag);
        }
    }
    let (status, headers, _) = ask(&openapi, &format!("{v3}?hash=OLD"), &[]).await;
    assert_eq!(status, 301);
    let url = headers[header::LOCATION].to_str().unwrap();
    assert_eq!(ask(&openapi, url, &[]).await.0, 200);
}

#[tokio::test]
async fn there_is_only_json() {
    let openapi = OpenApi::of(|_| true);
    let protobuf = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";
    let either = format!("{protobuf},application/json;q=0.5");
    for (accept, expected) in [
        ("application/json", 200),
        ("*/*", 200),
        ("application/*", 200),
        (either.as_str(), 200),
        (protobuf, 406),
        ("application/yaml", 406),
    ] {
        for uri in ["/openapi/v2", "/openapi/v3/apis/metrics.k8s.io"] {
            let (status, _, _) = ask(&openapi, uri, &[("Accept", accept)]).await;
            assert_eq!(status, expected, "{uri} {accept}");
        }
        // The list is the list, as upstream.
        assert_eq!(
            ask(&openapi, "/openapi/v3", &[("Accept", accept)]).await.0,
            200
        );
    }
}

#[test]
fn documents_are_put_together_once_for_each_set_of_groups() {
    let shelf = Shelf::default();
    let places = |openapi: &OpenApi| openapi.v3.len();
    let custom = shelf.get(|api| api == MetricsApi::Custom);
    assert!(Arc::ptr_eq(
        &custom,
        &shelf.get(|api| api == MetricsApi::Custom)
    ));
    // The first external rule has come.
    let both = shelf.get(|api| api != MetricsApi::Resource);
    assert_eq!((places(&custom), places(&both)), (3, 5));
    assert_ne!(custom.v2.hash, both.v2.hash);
    assert_eq!(places(&shelf.get(|_| false)), 0);
}
