use std::sync::atomic::{AtomicUsize, Ordering};

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

async fn body(written: &Written) -> bytes::Bytes {
    let body = written.plain().into_body();
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
        first.push(body(&pages.get(&provider, page, Encoding::Json)).await);
    }
    let many: Value = serde_json::from_slice(&first[4]).unwrap();
    assert_eq!(many["resources"].as_array().unwrap().len(), 10_000);
    for (page, first) in PAGES.into_iter().zip(&first) {
        // The same bytes at the same place: nothing was written anew.
        let again = body(&pages.get(&provider, page, Encoding::Json)).await;
        assert_eq!((again.as_ptr(), again.len()), (first.as_ptr(), first.len()));
    }
    *provider.list.lock().unwrap() = mk_list(1);
    let one: Value =
        serde_json::from_slice(&body(&pages.get(&provider, PAGES[4], Encoding::Json)).await)
            .unwrap();
    assert_eq!(one["resources"].as_array().unwrap().len(), 1);
    // A group that is served no more, as after a reload.
    let groups = |body: bytes::Bytes| {
        let list: Value = serde_json::from_slice(&body).unwrap();
        list["groups"].as_array().unwrap().len()
    };
    assert_eq!(
        groups(body(&pages.get(&provider, Page::Groups, Encoding::Json)).await),
        3
    );
    provider.looks.store(1000, Ordering::Relaxed);
    assert_eq!(
        groups(body(&pages.get(&provider, Page::Groups, Encoding::Json)).await),
        2
    );
}
