use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;

use super::*;
use crate::api::accept::Encoding;
use crate::api::discovery::{Page, Pages};
use crate::api::respond::Written;

/// Lists many metrics, the same until it is told otherwise; counts how often it is looked at.
struct Many {
    list: Mutex<Arc<[MetricInfo]>>,
    external: Arc<[Arc<str>]>,
    looks: AtomicUsize,
}

impl Provider for Many {
    fn serves(&self, api: MetricsApi) -> bool {
        api != MetricsApi::Resource || self.looks.fetch_add(1, Ordering::Relaxed) < 1000
    }

    fn list(&self) -> Arc<[MetricInfo]> {
        Arc::clone(&self.list.lock().unwrap())
    }

    fn list_external(&self) -> Arc<[Arc<str>]> {
        Arc::clone(&self.external)
    }

    async fn custom(&self, _: MetricQuery) -> Result<Vec<MetricValue>, ProviderError> {
        unreachable!("discovery asks for no values")
    }

    async fn external(&self, _: ExternalQuery) -> Result<Vec<ExternalValue>, ProviderError> {
        unreachable!("discovery asks for no values")
    }

    async fn explain(&self, _: ExplainQuery) -> Explanation {
        unreachable!("discovery explains nothing")
    }

    async fn nodes(&self, _: UsageQuery) -> Result<Vec<NodeUsage>, ProviderError> {
        unreachable!("discovery asks for no values")
    }

    async fn pods(&self, _: UsageQuery) -> Result<Vec<PodUsage>, ProviderError> {
        unreachable!("discovery asks for no values")
    }
}

fn mk_list(metrics: usize) -> Arc<[MetricInfo]> {
    (0..metrics)
        .map(|number| mk_info("pods", true, &format!("metric_{number}")))
        .collect()
}

const PAGES: [Page; 6] = [
    Page::Groups,
    Page::Aggregated(AggregatedVersion::V2),
    Page::Aggregated(AggregatedVersion::V2Beta1),
    Page::Group(MetricsApi::Custom),
    Page::Version(GroupVersion::CustomV1Beta1),
    Page::Version(GroupVersion::CustomV1Beta2),
];

async fn body(written: Arc<Written>) -> bytes::Bytes {
    let body = written.respond(&HeaderMap::new()).into_body();
    body.collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn documents_are_written_once_for_each_list() {
    let provider = Many {
        list: Mutex::new(mk_list(10_000)),
        external: Arc::default(),
        looks: AtomicUsize::default(),
    };
    let pages = Pages::default();
    let mut first = Vec::new();
    for page in PAGES {
        first.push(body(pages.get(&provider, page, Encoding::Json).await).await);
    }
    let many: Value = serde_json::from_slice(&first[4]).unwrap();
    assert_eq!(many["resources"].as_array().unwrap().len(), 10_000);
    for (page, first) in PAGES.into_iter().zip(&first) {
        // The same bytes at the same place: nothing was written anew.
        let again = body(pages.get(&provider, page, Encoding::Json).await).await;
        assert_eq!((again.as_ptr(), again.len()), (first.as_ptr(), first.len()));
    }
    *provider.list.lock().unwrap() = mk_list(1);
    let one: Value =
        serde_json::from_slice(&body(pages.get(&provider, PAGES[4], Encoding::Json).await).await)
            .unwrap();
    assert_eq!(one["resources"].as_array().unwrap().len(), 1);
    // A group that is served no more, as after a reload.
    let groups = |body: bytes::Bytes| {
        let list: Value = serde_json::from_slice(&body).unwrap();
        list["groups"].as_array().unwrap().len()
    };
    assert_eq!(
        groups(body(pages.get(&provider, Page::Groups, Encoding::Json).await).await),
        3
    );
    provider.looks.store(1000, Ordering::Relaxed);
    assert_eq!(
        groups(body(pages.get(&provider, Page::Groups, Encoding::Json).await).await),
        2
    );
}

/// The answer to somebody who takes these codings and knows this version.
async fn asked(written: &Written, codings: &str, known: Option<&HeaderValue>) -> Response {
    let mut request = HeaderMap::new();
    request.insert(header::ACCEPT_ENCODING, codings.parse().unwrap());
    if let Some(known) = known {
        request.insert(header::IF_NONE_MATCH, known.clone());
    }
    written.respond(&request)
}

async fn collected(response: Response) -> bytes::Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn documents_are_compressed_once_and_only_for_those_who_take_it() {
    let provider = Many {
        list: Mutex::new(mk_list(1000)),
        external: Arc::default(),
        looks: AtomicUsize::default(),
    };
    let pages = Pages::default();
    for page in PAGES {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let written = pages.get(&provider, page, encoding).await;
            let plain = asked(&written, "identity", None).await;
            let etag = plain.headers()[header::ETAG].clone();
            assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
            assert_eq!(plain.headers()[header::VARY], "Accept, Accept-Encoding");
            let plain = collected(plain).await;
            // A quality is not read, as in k8s.io/apiserver.
            let other = collected(asked(&written, "br, gzip;q=1", None).await).await;
            assert_eq!(other, plain);

            let coded = asked(&written, "br, gzip", None).await;
            if !matches!(page, Page::Version(_) | Page::Aggregated(_)) {
                // It is too small.
                assert!(!coded.headers().contains_key(header::CONTENT_ENCODING));
                continue;
            }
            assert_eq!(coded.headers()[header::CONTENT_ENCODING], "gzip");
            let coded_etag = coded.headers()[header::ETAG].clone();
            assert_ne!(coded_etag, etag);
            let coded = collected(coded).await;
            assert!(
                coded.len() * 4 < plain.len(),
                "{} {}",
                coded.len(),
                plain.len()
            );
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&coded[..])
                .read_to_end(&mut text)
                .unwrap();
            assert_eq!(text, plain);
            // The same bytes at the same place.
            let again = collected(asked(&written, "gzip", None).await).await;
            assert_eq!(again.as_ptr(), coded.as_ptr());

            let known = asked(&written, "gzip", Some(&coded_etag)).await;
            assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(known.headers()[header::ETAG], coded_etag);
            assert!(collected(known).await.is_empty());
            let other = asked(&written, "gzip", Some(&etag)).await;
            assert_eq!(other.status(), StatusCode::OK);
        }
    }
    let first = pages.get(&provider, PAGES[4], Encoding::Json).await;
    let etag = asked(&first, "gzip", None).await.headers()[header::ETAG].clone();
    *provider.list.lock().unwrap() = mk_list(1001);
    let changed = pages.get(&provider, PAGES[4], Encoding::Json).await;
    let changed = asked(&changed, "gzip", Some(&etag)).await;
    assert_eq!(changed.status(), StatusCode::OK);
}
