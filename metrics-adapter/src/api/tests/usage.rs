use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::model::{Amount, Format, IndexedObject, Usage};

const BASE: &str = "/apis/metrics.k8s.io/v1beta1";

fn mk_usage<A>(namespace: Option<&str>, name: &str, amount: A) -> Usage<A> {
    Usage {
        object: IndexedObject {
            namespace: namespace.map(Into::into),
            name: name.into(),
            labels: [(Arc::from("app"), Arc::from("web"))].into(),
        },
        timestamp: Timestamp::from_second(1_700_000_000).unwrap(),
        window: Duration::from_secs(60),
        amount,
    }
}

fn mk_amount(cpu: i64, bytes: i64) -> Amount {
    Amount {
        cpu: Quantity::from_milli(cpu),
        memory: Quantity::from_milli(bytes * 1000).with_format(Format::BinarySi),
    }
}

fn remember(fake: &Fake, query: UsageQuery) -> Result<(), ProviderError> {
    let missing = matches!(&query, UsageQuery::One { name, .. } if name.as_ref() == "nosuch");
    fake.asked_usage.lock().unwrap().push(query);
    if missing {
        return Err(ProviderError::ObjectNotFound {
            resource: GroupResource::new("metrics.k8s.io", "podmetrics"),
            name: "shop/nosuch".to_owned(),
        });
    }
    Ok(())
}

pub(super) fn nodes(fake: &Fake, query: UsageQuery) -> Result<Vec<NodeUsage>, ProviderError> {
    remember(fake, query)?;
    Ok(vec![mk_usage(None, "n1", mk_amount(1_500, 2048))])
}

pub(super) fn pods(fake: &Fake, query: UsageQuery) -> Result<Vec<PodUsage>, ProviderError> {
    remember(fake, query)?;
    let containers = BTreeMap::from([
        (Arc::from("app"), mk_amount(250, 1_048_576)),
        (Arc::from("sidecar"), mk_amount(3, 0)),
    ]);
    Ok(vec![mk_usage(Some("shop"), "web-0", containers)])
}

async fn get_as(path: &str, accept: &str) -> (StatusCode, Value) {
    let request = Request::builder()
        .uri(format!("{BASE}{path}"))
        .header(header::ACCEPT, accept)
        .body(Body::empty())
        .unwrap();
    let (status, _, body) = send(mk_fake(), request).await;
    (status, body)
}

fn metadata() -> Value {
    json!({"name": "web-0", "namespace": "shop", "labels": {"app": "web"},
           "creationTimestamp": "2023-11-14T22:13:20Z"})
}

fn pod() -> Value {
    json!({
        "metadata": metadata(), "timestamp": "2023-11-14T22:13:20Z", "window": "1m0s",
        "containers": [
            {"name": "app", "usage": {"cpu": "250m", "memory": "1Mi"}},
            {"name": "sidecar", "usage": {"cpu": "3m", "memory": "0"}},
        ],
    })
}

#[tokio::test]
async fn pods_and_nodes_alone_and_in_lists() {
    let (_, list) = get_as("/pods", "application/json").await;
    let version = "metrics.k8s.io/v1beta1";
    assert_eq!(
        list,
        json!({"kind": "PodMetricsList", "apiVersion": version, "metadata": {}, "items": [pod()]})
    );
    let mut alone = pod();
    alone["kind"] = "PodMetrics".into();
    alone["apiVersion"] = version.into();
    let path = "/namespaces/shop/pods/web-0?labelSelector=a+b&fieldSelector=nonsense";
    assert_eq!(get_as(path, "*/*").await, (StatusCode::OK, alone));
    let (_, node) = get_as("/nodes/n1", "application/json").await;
    assert_eq!(
        node,
        json!({
            "kind": "NodeMetrics", "apiVersion": version,
            "metadata": {"name": "n1", "labels": {"app": "web"},
                         "creationTimestamp": "2023-11-14T22:13:20Z"},
            "timestamp": "2023-11-14T22:13:20Z", "window": "1m0s",
            "usage": {"cpu": "1500m", "memory": "2Ki"},
        })
    );
    let (_, list) = get_as("/nodes", "application/json").await;
    assert_eq!(list["kind"], "NodeMetricsList");
}

#[tokio::test]
async fn kubectl_gets_a_table() {
    for version in ["v1", "v1beta1"] {
        let accept = format!("application/json;as=Table;v={version};g=meta.k8s.io");
        let meta = format!("meta.k8s.io/{version}");
        let (_, table) = get_as("/namespaces/shop/pods", &accept).await;
        assert_eq!(
            (&table["kind"], &table["apiVersion"]),
            (&json!("Table"), &json!(meta))
        );
        let columns = table["columnDefinitions"].as_array().unwrap();
        let names: Vec<&Value> = columns.iter().map(|column| &column["name"]).collect();
        assert_eq!(names, ["Name", "cpu", "memory", "Window"]);
        assert_eq!(
            columns[1],
            json!({"name": "cpu", "type": "string", "format": "quantity", "description": "",
                   "priority": 0})
        );
        let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": meta,
                             "metadata": metadata()});
        let row = json!({"cells": ["web-0", "253m", "1Mi", "1m0s"], "object": partial});
        assert_eq!(table["rows"], json!([row]));
    }
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let (_, table) = get_as("/nodes/n1?includeObject=None", accept).await;
    assert_eq!(table["rows"][0]["object"], Value::Null);
    let (_, table) = get_as("/nodes?includeObject=Object", accept).await;
    assert_eq!(table["rows"][0]["object"]["usage"]["memory"], "2Ki");
    assert_eq!(table["rows"][0]["object"]["kind"], "NodeMetrics");
}

#[tokio::test]
async fn metadata_alone() {
    let list = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                         "metadata": metadata()});
    assert_eq!(
        get_as("/pods", list).await.1,
        json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
               "metadata": {}, "items": [partial]})
    );
    let one = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    assert_eq!(get_as("/namespaces/shop/pods/web-0", one).await.1, partial);
    for (path, accept) in [("/pods", one), ("/nodes/n1", list)] {
        assert_eq!(get_as(path, accept).await.0, StatusCode::NOT_ACCEPTABLE);
    }
}

#[tokio::test]
async fn a_request_reaches_the_provider_as_it_was_meant() {
    let fake = Arc::new(mk_fake());
    let routes = router(Arc::clone(&fake), mk_metrics());
    for path in [
        "/nodes?labelSelector=zone%3Da",
        "/namespaces/shop/pods?fieldSelector=metadata.name%3Dweb-0&limit=500",
        "/namespaces/shop/pods/web-0",
    ] {
        let request = get_request(&format!("{BASE}{path}"));
        assert_eq!(
            routes.clone().oneshot(request).await.unwrap().status(),
            StatusCode::OK
        );
    }
    let asked = fake.asked_usage.lock().unwrap();
    let UsageQuery::List {
        namespace, labels, ..
    } = &asked[0]
    else {
        panic!("{asked:?}")
    };
    assert_eq!(
        (namespace, labels.to_string()),
        (&None, "zone=a".to_owned())
    );
    let UsageQuery::List {
        namespace, fields, ..
    } = &asked[1]
    else {
        panic!("{asked:?}")
    };
    assert_eq!(namespace.as_deref(), Some("shop"));
    assert!(fields.matches("shop", "web-0") && !fields.matches("shop", "web-1"));
    let one = UsageQuery::One {
        namespace: Some("shop".into()),
        name: "web-0".into(),
    };
    assert_eq!(asked[2], one);
}

#[tokio::test]
async fn refusals() {
    let (status, body) = get_as("/namespaces/shop/pods/nosuch", "*/*").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        body["message"],
        "podmetrics.metrics.k8s.io \"shop/nosuch\" not found"
    );
    assert_eq!(
        body["details"],
        json!({"name": "shop/nosuch", "group": "metrics.k8s.io", "kind": "podmetrics"})
    );
    for (path, code) in [
        ("/pods?watch=1", 405),
        ("/nodes?resourceVersionMatch=NotOlderThan", 422),
        ("/nodes?fieldSelector=spec.unschedulable%3Dtrue", 400),
        ("/pods?labelSelector=%21%21", 400),
        ("/pods/web-0", 404),
    ] {
        assert_eq!(get_as(path, "*/*").await.0.as_u16(), code, "{path}");
    }
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    assert_eq!(get_as("/pods?includeObject=x", table).await.0.as_u16(), 400);
}

#[tokio::test]
async fn discovery_names_nodes_and_pods() {
    let (_, body) = get_as("", "application/json").await;
    assert_eq!(
        body["resources"],
        json!([
            {"name": "nodes", "singularName": "", "namespaced": false, "kind": "NodeMetrics",
             "verbs": ["get", "list"]},
            {"name": "pods", "singularName": "", "namespaced": true, "kind": "PodMetrics",
             "verbs": ["get", "list"]},
        ])
    );
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let request = Request::builder()
        .uri("/apis")
        .header(header::ACCEPT, accept);
    let (_, _, body) = send(mk_fake(), request.body(Body::empty()).unwrap()).await;
    assert_eq!(body["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        body["items"][2]["versions"][0]["resources"][0],
        json!({"resource": "nodes", "scope": "Cluster", "singularResource": "",
               "responseKind": {"group": "", "version": "", "kind": "NodeMetrics"},
               "verbs": ["get", "list"]})
    );
}
