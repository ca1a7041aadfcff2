//! What callers can read: `Accept` gets what it asks for, and protobuf says what JSON says.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderValue, Request, header};
use jiff::Timestamp;
use metrics_adapter::model::{ExternalValue, MetricValue, ObjectRef, Quantity};
use prost::Message;
use serde_json::Value;

use crate::stage::{Answer, Stage, api, send};
use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "encoding",
    run,
    seeds,
    words: WORDS,
    cases: 1200,
};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

const WORDS: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "*/*",
    "application/*",
    "text/html",
    ";q=0",
    ";q=1",
    ";q=0.5",
    ";q=x",
    ";as=Table",
    ";v=v1",
    ";g=meta.k8s.io",
    ";as=APIGroupDiscoveryList",
    ";v=v2",
    ";g=apidiscovery.k8s.io",
    ";stream=watch",
    ",",
    ";",
    "=",
    " ",
    "\"",
    "\n",
    "\u{0}",
    "é",
    "\u{2028}",
    "<",
    "&",
    "\\",
    "-9223372036854775808",
    "253402300799",
    "0",
];

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = seed::golden("accept", "0", 5);
    seeds.extend(seed::all(&[
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json\nweb-0\nrps\n1700000000123\n12500",
        "application/vnd.kubernetes.protobuf, */*\n\u{e9}\"\n<&>\n-62135596800000\n-1",
        "*/*;q=0.5,application/yaml\n---\n: x\n253402207200999\n9223372036854775807",
    ]));
    seeds
}

/// `Accept`, an object's name, a metric's name, milliseconds since 1970, thousandths: one a line.
fn run(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let accept = HeaderValue::from_bytes(lines.next().unwrap_or_default());
    let rest: Vec<String> = lines
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let text = |index: usize| rest.get(index).map_or("x", String::as_str);
    let number = |index: usize| text(index).parse().unwrap_or_default();
    let timestamp = Timestamp::from_millisecond(number(2)).unwrap_or_default();
    let (name, metric, value) = (text(0), text(1), Quantity::from_milli(number(3)));
    let stage = Arc::new(Stage {
        custom: vec![MetricValue {
            object: ObjectRef {
                api_version: "v1".into(),
                kind: "Pod".into(),
                namespace: Some(metric.into()),
                name: name.into(),
            },
            value,
            timestamp,
            window: None,
        }],
        external: vec![ExternalValue {
            labels: Some([(name.into(), metric.into())].into_iter().collect()),
            value,
            timestamp,
            window: None,
        }],
        ..Stage::default()
    });
    if let Ok(accept) = accept {
        negotiated(&stage, &accept);
    }
    same_in_both(&stage, name);
}

const PATHS: [&str; 6] = [
    "/apis",
    "/apis/metrics.k8s.io",
    "/apis/custom.metrics.k8s.io/v1beta1",
    "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/m",
    "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/m",
    "/apis/metrics.k8s.io/v1beta1/nodes",
];

fn get(stage: &Arc<Stage>, path: &str, accept: &HeaderValue) -> Answer {
    let request = Request::builder().uri(path).header(header::ACCEPT, accept);
    send(api(stage), request.body(Body::empty()).unwrap())
}

/// The body is what its type says, and the type is one that the caller named or allowed.
fn negotiated(stage: &Arc<Stage>, accept: &HeaderValue) {
    for path in PATHS {
        let answer = get(stage, path, accept);
        let status = answer.status().as_u16();
        assert!(
            [200, 406].contains(&status),
            "{status} for {path} {accept:?}"
        );
        let media = answer.headers()[header::CONTENT_TYPE].to_str().unwrap();
        let media = media.split(';').next().unwrap().trim().to_owned();
        match media.as_str() {
            "application/json" => drop(serde_json::from_slice::<Value>(answer.body()).unwrap()),
            PROTOBUF => assert!(answer.body().starts_with(b"k8s\0")),
            "application/yaml" => assert!(str::from_utf8(answer.body()).is_ok()),
            other => panic!("{other}"),
        }
        let wanted = String::from_utf8_lossy(accept.as_bytes());
        let named = wanted.contains('*') || wanted.contains(&media);
        assert!(
            status == 406 || wanted.is_empty() || named,
            "{media} for {wanted:?}"
        );
    }
}

#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(message, optional, tag = "1")]
    type_meta: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeMeta {
    #[prost(string, tag = "1")]
    api_version: String,
    #[prost(string, tag = "2")]
    kind: String,
}

#[derive(Clone, PartialEq, Message)]
struct List {
    #[prost(message, repeated, tag = "2")]
    items: Vec<Custom>,
}

#[derive(Clone, PartialEq, Message)]
struct Custom {
    #[prost(message, optional, tag = "1")]
    object: Option<Reference>,
    #[prost(message, optional, tag = "3")]
    timestamp: Option<Time>,
    #[prost(message, optional, tag = "5")]
    value: Option<Text>,
}

#[derive(Clone, PartialEq, Message)]
struct Reference {
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(string, tag = "3")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Text {
    #[prost(string, tag = "1")]
    string: String,
}

#[derive(Clone, PartialEq, Message)]
struct ExternalList {
    #[prost(message, repeated, tag = "2")]
    items: Vec<External>,
}

#[derive(Clone, PartialEq, Message)]
struct External {
    #[prost(message, repeated, tag = "2")]
    labels: Vec<Entry>,
    #[prost(message, optional, tag = "5")]
    value: Option<Text>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// The kind, and the list as its bytes say.
fn decoded<M: Message + Default>(stage: &Arc<Stage>, path: &str) -> (String, M) {
    let answer = get(stage, path, &HeaderValue::from_static(PROTOBUF));
    let body = answer.body().strip_prefix(b"k8s\0").unwrap();
    let unknown = Unknown::decode(body).unwrap();
    (
        unknown.type_meta.unwrap().kind,
        M::decode(unknown.raw.as_slice()).unwrap(),
    )
}

fn json(stage: &Arc<Stage>, path: &str) -> Value {
    let answer = get(stage, path, &HeaderValue::from_static("application/json"));
    serde_json::from_slice(answer.body()).unwrap()
}

fn same_in_both(stage: &Arc<Stage>, name: &str) {
    for version in ["v1beta1", "v1beta2"] {
        let path = format!("/apis/custom.metrics.k8s.io/{version}/namespaces/shop/pods/*/m");
        let (kind, list) = decoded::<List>(stage, &path);
        let json = json(stage, &path);
        let (item, told) = (&list.items[0], &json["items"][0]);
        let object = item.object.as_ref().unwrap();
        assert_eq!(json["kind"], kind);
        assert_eq!(object.name, name);
        assert_eq!(told["describedObject"]["name"], name);
        assert_eq!(
            told["describedObject"]["namespace"]
                .as_str()
                .unwrap_or_default(),
            object.namespace
        );
        assert_eq!(told["value"], item.value.as_ref().unwrap().string);
        let seconds = item.timestamp.as_ref().unwrap().seconds;
        if let Some(time) = told["timestamp"].as_str() {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(time.as_second(), seconds);
        }
    }
    let path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/m";
    let (kind, list) = decoded::<ExternalList>(stage, path);
    let json = json(stage, path);
    let (item, told) = (&list.items[0], &json["items"][0]);
    assert_eq!(json["kind"], kind);
    assert_eq!(told["value"], item.value.as_ref().unwrap().string);
    let Entry { key, value } = &item.labels[0];
    assert_eq!(key, name);
    assert_eq!(told["metricLabels"][key], *value);
}
