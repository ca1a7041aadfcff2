use super::*;
use crate::model::sample::Labels;

const BASE: &str = "/apis/external.metrics.k8s.io/v1beta1";

fn mk_value(labels: Option<&[(&str, &str)]>) -> ExternalValue {
    let labels = labels.map(|labels| {
        let pairs = labels.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v)));
        pairs.collect::<Labels>()
    });
    ExternalValue {
        labels,
        value: Quantity::from_milli(1_500),
        timestamp: Timestamp::from_second(1_700_000_000).unwrap(),
        window: None,
    }
}

#[tokio::test]
async fn vectors_have_labels_and_scalars_have_none() {
    let labels = [("__name__", "queue_length"), ("queue", "a")];
    let fake = Fake {
        external: Ok(vec![mk_value(Some(&labels)), mk_value(None)]),
        ..mk_fake()
    };
    let (status, body) = get_json(fake, &format!("{BASE}/namespaces/shop/ops")).await;
    assert_eq!(status, StatusCode::OK);
    let stamp = "2023-11-14T22:13:20Z";
    assert_eq!(
        body,
        json!({
            "kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1",
            "metadata": {},
            "items": [
                {"metricName": "ops", "timestamp": stamp, "value": "1500m",
                 "metricLabels": {"__name__": "queue_length", "queue": "a"}},
                {"metricName": "ops", "timestamp": stamp, "value": "1500m", "metricLabels": null},
            ],
        })
    );
}

#[tokio::test]
async fn the_label_selector_is_about_series() {
    let fake = Arc::new(mk_fake());
    let routes = router(Arc::clone(&fake), mk_metrics());
    let path = format!("{BASE}/namespaces/shop/ops?labelSelector=queue%3Da&limit=1&watch=0");
    let response = routes.oneshot(get_request(&path)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let asked = fake.asked_external.lock().unwrap();
    assert_eq!(
        (asked[0].namespace.as_ref(), asked[0].metric.as_ref()),
        ("shop", "ops")
    );
    assert_eq!(asked[0].selector.to_string(), "queue=a");
}

#[tokio::test]
async fn no_data_is_an_empty_list_and_odd_requests_have_their_codes() {
    let (status, body) = get_json(mk_fake(), &format!("{BASE}/namespaces/shop/ops")).await;
    assert_eq!((status.as_u16(), &body["items"]), (200, &json!([])));
    for (query, code, reason) in [
        ("?watch=true", 405, "MethodNotAllowed"),
        ("?resourceVersionMatch=Exact", 422, "Invalid"),
        ("?labelSelector=a+b", 400, "BadRequest"),
        ("?fieldSelector=spec.x%3D1", 400, "BadRequest"),
        ("?timeout=5", 400, "BadRequest"),
    ] {
        let path = format!("{BASE}/namespaces/shop/ops{query}");
        let (status, body) = get_json(mk_fake(), &path).await;
        assert_eq!(
            (status.as_u16(), &body["reason"]),
            (code, &json!(reason)),
            "{path}"
        );
    }
    let table = Request::builder()
        .uri(format!("{BASE}/namespaces/shop/ops"))
        .header(
            header::ACCEPT,
            "application/json;as=Table;v=v1;g=meta.k8s.io",
        )
        .body(Body::empty())
        .unwrap();
    assert_eq!(send(mk_fake(), table).await.0, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn discovery_lists_names_and_is_never_empty() {
    let entry = |name: &str| {
        json!({"name": name, "singularName": "", "namespaced": true,
               "kind": "ExternalMetricValueList", "verbs": ["get"]})
    };
    let fake = Fake {
        list: vec![mk_info("pods", true, "a"), mk_info("pods", true, "b")],
        ..mk_fake()
    };
    let (_, body) = get_json(fake, BASE).await;
    assert_eq!(
        body,
        json!({"kind": "APIResourceList", "apiVersion": "v1",
               "groupVersion": "external.metrics.k8s.io/v1beta1",
               "resources": [entry("a"), entry("b")]})
    );
    let empty = Fake {
        list: Vec::new(),
        ..mk_fake()
    };
    let (_, body) = get_json(empty, BASE).await;
    assert_eq!(body["resources"], json!([entry("externalmetrics")]));
}
