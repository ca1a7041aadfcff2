//! `explain=true` on every path.

use super::*;
use crate::explain::document::{API_VERSION, Document};

const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/ops";
const QUEUE: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue";

async fn ask(fake: Fake, uri: &str) -> (Arc<Fake>, StatusCode, Value) {
    let fake = Arc::new(fake);
    let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
    let response = router(Arc::clone(&fake), mk_metrics())
        .oneshot(request)
        .await
        .unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (fake, status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn values_are_explained_instead_of_served() {
    let asked = format!("{PODS}?explain=true&labelSelector=app%3Dweb&metricLabelSelector=a%3Db");
    let (fake, status, body) = ask(mk_fake(), &asked).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["apiVersion"], API_VERSION);
    let document: Document = serde_json::from_value(body).unwrap();
    assert_eq!((document.outcome.code, document.cause), (200, None));
    let explained = fake.explained.lock().unwrap().clone();
    let [ExplainQuery::Custom(query)] = &explained[..] else {
        panic!("{explained:?}");
    };
    let Target::Selected(selector) = &query.target else {
        panic!("{query:?}");
    };
    assert_eq!(selector.to_string(), "app=web");
    assert_eq!(query.metric_selector.to_string(), "a=b");
    assert!(fake.asked.lock().unwrap().is_empty());

    let (fake, status, _) = ask(mk_fake(), &format!("{QUEUE}?explain=true")).await;
    assert_eq!(status, StatusCode::OK);
    let explained = fake.explained.lock().unwrap();
    assert!(matches!(&explained[..], [ExplainQuery::External(query)] if &*query.metric == "queue"));
    assert!(fake.asked_external.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_error_is_explained_with_the_code_that_it_has() {
    for (complete, code) in [(true, 404), (false, 503)] {
        let fake = Fake {
            complete,
            answer: Err(ProviderError::MetricNotFound {
                metric: "ops".into(),
                described: "pods".to_owned(),
            }),
            ..mk_fake()
        };
        let (_, status, body) = ask(fake, &format!("{PODS}?explain=true")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body["outcome"]["code"], code, "{body}");
    }
}

#[tokio::test]
async fn whatever_else_the_parameter_says_is_refused() {
    let discovery = "/apis/custom.metrics.k8s.io/v1beta2";
    let nodes = "/apis/metrics.k8s.io/v1beta1/nodes";
    for uri in [
        format!("{PODS}?explain"),
        format!("{PODS}?explain=TRUE"),
        format!("{PODS}?explain=false"),
        format!("{PODS}?explain=true&explain=true"),
        format!("{QUEUE}?explain=1"),
        format!("{}?explain=true", PODS.replace("shop", "a%2Fb")),
        format!("{discovery}?explain=true"),
        format!("{nodes}?explain=true"),
    ] {
        let (fake, status, body) = ask(mk_fake(), &uri).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{uri}");
        let message = body["message"].as_str().unwrap();
        assert!(message.starts_with("explain: "), "{uri}: {message}");
        assert!(fake.explained.lock().unwrap().is_empty(), "{uri}");
    }
    // Another parameter is none of its business.
    let (fake, status, _) = ask(mk_fake(), &format!("{PODS}?Explain=true")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(fake.asked.lock().unwrap().len(), 1);
}
