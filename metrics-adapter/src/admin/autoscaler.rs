//! HPAs, as far as their polls tell of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::evaluation::Poll;
use crate::model::MetricsApi;

/// An HPA that misses more polls than these has gone.
const MISSED: u32 = 3;

/// Who polls at an even pace; normally one HPA.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Autoscaler {
    pub(super) namespace: Option<Arc<str>>,
    /// The objects that it asks about; empty for an external metric, which has none.
    pub(super) objects: Arc<str>,
    /// The metrics' names, each once.
    pub(super) metrics: Vec<Arc<str>>,
    pub(super) period: Duration,
    /// Those who ask the same; at least so many.
    pub(super) pollers: usize,
    /// How long ago it polled last.
    pub(super) last: Duration,
}

/// The autoscalers, by namespace. Metrics of the same objects are one HPA's; an external metric
/// could be anybody's, and stands alone.
pub(super) fn autoscalers(polls: &[Poll]) -> Vec<Autoscaler> {
    let mut found: BTreeMap<_, Autoscaler> = BTreeMap::new();
    for poll in polls {
        let Some(pace) = poll.pace else { continue };
        if poll.last > pace.period * MISSED {
            continue;
        }
        let alone = (poll.api == MetricsApi::External).then_some((&poll.metric, &poll.selector));
        let autoscaler = found
            .entry((&poll.namespace, &poll.objects, alone))
            .or_insert_with(|| Autoscaler {
                namespace: poll.namespace.clone(),
                objects: Arc::clone(&poll.objects),
                metrics: Vec::new(),
                period: pace.period,
                pollers: pace.pollers,
                last: poll.last,
            });
        autoscaler.metrics.push(Arc::clone(&poll.metric));
        autoscaler.pollers = autoscaler.pollers.max(pace.pollers);
        autoscaler.last = autoscaler.last.min(poll.last);
    }
    let mut autoscalers: Vec<Autoscaler> = found.into_values().collect();
    for autoscaler in &mut autoscalers {
        autoscaler.metrics.sort();
        autoscaler.metrics.dedup();
    }
    autoscalers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Pace;

    fn mk_poll(api: MetricsApi, metric: &str, objects: &str, last: u64) -> Poll {
        Poll {
            api,
            metric: metric.into(),
            namespace: Some("shop".into()),
            objects: objects.into(),
            selector: "".into(),
            times: 5,
            last: Duration::from_secs(last),
            pace: Some(Pace {
                period: Duration::from_secs(15),
                pollers: 1,
            }),
            result: None,
        }
    }

    #[test]
    fn metrics_of_the_same_objects_are_one_hpa() {
        use MetricsApi::{Custom, External, Resource};
        let polls = [
            mk_poll(Custom, "ops", "pods app=web", 14),
            mk_poll(Resource, "cpu, memory", "pods app=web", 12),
            mk_poll(Custom, "latency", "pods app=web", 13),
            mk_poll(External, "queue", "", 4),
            mk_poll(External, "topic", "", 4),
            // Gone, and somebody who looked once.
            mk_poll(Custom, "ops", "pods app=gone", 50),
            Poll {
                pace: None,
                ..mk_poll(Custom, "ops", "pods", 1)
            },
        ];
        let told: Vec<String> = autoscalers(&polls)
            .iter()
            .map(|one| {
                let last = one.last.as_secs();
                format!("{}: {} {last}", one.objects, one.metrics.join(" "))
            })
            .collect();
        assert_eq!(
            told,
            [
                ": queue 4",
                ": topic 4",
                "pods app=web: cpu, memory latency ops 12"
            ]
        );
    }
}
