//! Queries about several namespaces at once.

use super::*;
use crate::config::RuleFile;
use crate::evaluation::answer::Joint;
use crate::evaluation::objects::Lookup;
use crate::model::{GroupResource, ResourceType, Selector};
use crate::rules::{self, Objects, QueryScope};

const NAMESPACES: u32 = 10;
/// From one namespace's poll to the next one's, in seconds: all are within the bound.
const APART: f64 = 0.4;
const PERIOD: f64 = 15.0;

/// The numbers of the namespaces that a query is about.
pub(super) fn numbers(promql: &str) -> Vec<u32> {
    let after = promql.split("ns-").skip(1);
    let digits = |text: &str| {
        text.split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    };
    after.filter_map(digits).collect()
}

/// The number of each namespace as the value of its pod.
pub(super) fn told(namespaces: &[u32]) -> QueryValue {
    let sample = |number: &u32| Sample {
        labels: [
            ("namespace", format!("ns-{number}")),
            ("pod", "web-0".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect(),
        value: f64::from(*number),
        timestamp: Timestamp::UNIX_EPOCH,
    };
    QueryValue::Vector(namespaces.iter().map(sample).collect())
}

/// The query of each namespace for a series, as a rule has it.
fn mk_queries(series: &str, namespaces: u32) -> Vec<Arc<Query>> {
    let file = "rules: [{seriesQuery: ops, resources: {template: '<<.Resource>>'}, \
                metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}]";
    let rules = rules::compile(&RuleFile::parse(file).unwrap()).unwrap();
    let resolve = |group: &str, name: &str| {
        let singular = name.strip_suffix('s').unwrap_or(name);
        Some(ResourceType {
            id: GroupResource::new(group, format!("{singular}s")),
            version: "v1".into(),
            kind: singular.into(),
            singular: singular.into(),
            namespaced: singular != "namespace",
        })
    };
    let rule = &rules.custom[0];
    let association = rule.labels().associate(&resolve).unwrap();
    let query = |number: u32| {
        let namespace = format!("ns-{number}");
        let scope = QueryScope {
            series,
            label: "pod",
            namespace: Some(&namespace),
            metric_selector: &Selector::EVERYTHING,
            objects: Objects::Any,
        };
        let joint = rule.joint_query(&association, &scope).unwrap().unwrap();
        Arc::new(Query {
            promql: rule.query(&association, &scope).unwrap().into(),
            keep: Keep::Objects("pod".into()),
            joint: Some(Joint {
                query: Arc::new(joint),
                namespace: namespace.as_str().into(),
            }),
        })
    };
    (0..namespaces).map(query).collect()
}

impl Stand {
    /// Polls each namespace in some rounds; tells the worst source of each round, if nothing failed,
    /// and the queries since the one before.
    async fn polls(&self, rounds: std::ops::Range<u32>) -> Vec<(Option<Source>, u32)> {
        let mut told = Vec::new();
        for round in rounds {
            let start = f64::from(round) * PERIOD;
            let before = self.queries();
            let mut worst = Some(Source::Memory);
            for (number, query) in (0..).zip(mk_queries("ops", NAMESPACES)) {
                self.until(start + f64::from(number) * APART).await;
                let (outcome, source) = self.ask(&query, 1, BOUND).await;
                let value = outcome.ok().map(|answer| {
                    let objects = answer.objects().unwrap();
                    assert_eq!(objects.len(), 1);
                    Lookup::new(objects).get("web-0").unwrap().value
                });
                worst = worst.max(Some(source)).filter(|_| value.is_some());
                if let Some(value) = value {
                    assert_eq!(value, f64::from(number));
                }
            }
            self.until(start + f64::from(NAMESPACES) * APART).await;
            told.push((worst, self.queries() - before));
        }
        told
    }
}

#[tokio::test(start_paused = true)]
async fn namespaces_whose_polls_one_answer_serves_are_asked_about_together() {
    let stand = Stand::new();
    stand
        .warm(async {
            // What somebody waits for is asked alone.
            let first = stand.polls(0..2).await;
            assert_eq!(first, [(Some(Source::Prometheus), NAMESPACES); 2]);
            let later = stand.polls(2..6).await;
            assert_eq!(later, [(Some(Source::Memory), 1); 4]);
            assert_eq!(stand.gauges().2, 0);
            // Nobody polls any more.
            stand.until(400.0).await;
            assert_eq!(stand.remembered(), (0, 0));
            assert!(stand.answers.shelf.lock().families.is_empty());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_prometheus_refuses_for_several_it_is_asked_for_each() {
    let stand = Stand::new();
    stand
        .upstream
        .refuses_several
        .store(true, Ordering::Relaxed);
    stand
        .warm(async {
            stand.polls(0..2).await;
            let refused = stand.polls(2..7).await;
            let alone = (Some(Source::Memory), NAMESPACES);
            let tried = (Some(Source::Memory), NAMESPACES + 1);
            assert_eq!(refused, [tried, alone, alone, alone, tried]);
            stand
                .upstream
                .refuses_several
                .store(false, Ordering::Relaxed);
            let again = stand.polls(7..12).await;
            assert_eq!(again.last(), Some(&(Some(Source::Memory), 1)));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn trouble_with_several_is_no_reason_to_ask_for_each() {
    let stand = Stand::new();
    stand
        .warm(async {
            stand.polls(0..3).await;
            stand.upstream.fails.store(true, Ordering::Relaxed);
            let failed = stand.polls(3..4).await;
            // Together ahead of the polls, and each poll itself.
            assert_eq!(failed, [(None, NAMESPACES + 1)]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_comes_meanwhile_gets_its_part() {
    let stand = Stand::new();
    stand
        .warm(async {
            stand.polls(0..3).await;
            // Under way from a quarter of a second before the first poll to a second after it.
            stand.upstream.took_ms.store(1_250, Ordering::Relaxed);
            assert_eq!(stand.polls(3..4).await, [(Some(Source::Flight), 1)]);
        })
        .await;
}

/// As after a new start of the controller: what is levelled is still asked together.
#[tokio::test(start_paused = true)]
async fn many_polls_at_once_are_asked_about_together() {
    let stand = Stand::new();
    let (families, rounds) = (60, 5);
    let queries: Vec<_> = (0..families)
        .map(|family| mk_queries(&format!("ops{family}"), NAMESPACES))
        .collect();
    // One namespace after the other, in 4.8 s.
    let polls = (0..NAMESPACES as usize)
        .flat_map(|namespace| queries.iter().map(move |queries| &queries[namespace]));
    let polls = polls.enumerate().map(|(place, query)| {
        let (stand, offset) = (&stand, place as f64 * 0.008);
        async move {
            let mut found = Vec::new();
            for round in 0..rounds {
                stand.until(f64::from(round) * PERIOD + offset).await;
                found.push(stand.ask(query, 1, BOUND).await.1);
            }
            found.into_iter().skip(2).max()
        }
    });
    stand
        .warm(async {
            let found = join_all(polls).await;
            assert_eq!(found.into_iter().max(), Some(Some(Source::Memory)));
            let first = families * NAMESPACES;
            let later = stand.queries() - 2 * first;
            assert!(later <= 3 * 3 * families, "{later} of {}", 3 * first);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_query_about_many_namespaces_is_bounded() {
    let stand = Stand::new();
    let (queries, rounds) = (mk_queries("ops", 100), 5);
    let poll = async |query: &Arc<Query>| stand.ask(query, 1, BOUND).await.1;
    stand
        .warm(async {
            for round in 0..rounds {
                stand.until(f64::from(round) * PERIOD).await;
                join_all(queries.iter().map(poll)).await;
            }
            let (first, later) = (2 * 100, (rounds - 2) * 100_u32.div_ceil(32));
            assert_eq!(stand.queries(), first + later);
        })
        .await;
}
