//! Which spans there are of queries, and whose they are.

use tracing::info_span;

use super::*;
use crate::trace::tests::{Recorded, Recorder};

fn only<'a>(spans: &'a [Recorded], name: &str) -> &'a Recorded {
    let mut found = spans.iter().filter(|span| span.name == name);
    let first = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "more than one {name}");
    first
}

#[tokio::test(start_paused = true)]
async fn a_query_belongs_to_whom_it_was_asked_for_and_others_are_linked() {
    let stand = Stand::new();
    let recorder = Recorder::default();
    let _listening = recorder.listen();
    let poll = |poller, span| stand.poll("x", poller).instrument(span);
    // The one who waits for it is not who asked.
    let both = tokio::join!(
        poll(1, info_span!("first")),
        poll(2, info_span!("second")),
        poll(3, info_span!("third")),
    );
    assert_eq!(both.0, Some((1.0, Source::Prometheus)));
    assert_eq!((both.1, both.2), (Some((1.0, Source::Flight)), both.1));
    // An answer from memory has no query.
    assert_eq!(
        poll(4, info_span!("fourth")).await,
        Some((1.0, Source::Memory))
    );
    let spans = recorder.spans();
    let (first, query) = (only(&spans, "first"), only(&spans, "query"));
    assert_eq!(query.parent, Some(first.id));
    assert_eq!(
        query.attributes["metrics_adapter.rule"],
        mk_rule().to_string()
    );
    assert!(first.links.is_empty());
    for (name, links) in [
        ("second", vec![query.id]),
        ("third", vec![query.id]),
        ("fourth", vec![]),
    ] {
        assert_eq!(only(&spans, name).links, links, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_ahead_of_a_poll_belongs_to_nobody() {
    let stand = Stand::new();
    let recorder = Recorder::default();
    let _listening = recorder.listen();
    // Whoever runs the loop is not who asks, either.
    let test = async {
        stand.learn().await;
        stand.until(45.0).await;
        let polled = stand.poll("x", 1).await;
        assert_eq!(polled, Some((4.0, Source::Memory)));
    };
    stand.warm(test).instrument(info_span!("loop")).await;
    let spans = recorder.spans();
    let ahead = spans
        .iter()
        .filter(|span| span.name == "query ahead of a poll");
    let parents: Vec<Option<u64>> = ahead.map(|span| span.parent).collect();
    assert!(!parents.is_empty());
    assert!(parents.iter().all(Option::is_none), "{parents:?}");
}
