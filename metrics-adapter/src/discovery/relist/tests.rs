use std::collections::{BTreeMap, HashSet};
use std::thread::ThreadId;

use jiff::SignedDuration;
use prometheus_client::registry::Registry;

use super::super::source::MAX_BLIND_RETRY;
use super::*;
use crate::config::RuleFile;
use crate::discovery::Collision;
use crate::model::{
    Consumer, GroupResource, IndexedObject, MetricInfo, ObjectSourceError, QueryValue,
    ResourceType, Selector,
};
use crate::prometheus::{PrometheusError, SeriesShape};

mod change;

const MILLISECOND: Duration = Duration::from_millis(1);
/// The query that Prometheus does not understand.
const REFUSED: &str = "refused";

/// Answers by series query: label names of one series called like the query, or a failure.
#[derive(Default)]
struct Fake {
    answers: Mutex<BTreeMap<String, Result<Vec<&'static str>, ()>>>,
    asked: Mutex<Vec<(String, Instant)>>,
    /// How long an answer takes.
    pause: Mutex<Duration>,
    /// What an answer teaches of Prometheus' clock: how far it is from ours.
    lesson: Mutex<SignedDuration>,
    skew: Mutex<SignedDuration>,
    /// The ends of the times that were asked for.
    ends: Mutex<Vec<Timestamp>>,
}

impl Fake {
    fn set(&self, query: &str, answer: Result<Vec<&'static str>, ()>) {
        self.answers
            .lock()
            .unwrap()
            .insert(query.to_owned(), answer);
    }

    fn asked(&self, query: &str) -> Vec<Instant> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|(q, _)| q == query)
            .map(|(_, at)| *at)
            .collect()
    }
}

impl QueryClient for Fake {
    async fn series(
        &self,
        selector: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<SeriesSet, PrometheusError> {
        assert!(start < end);
        self.ends.lock().unwrap().push(end);
        *self.skew.lock().unwrap() = *self.lesson.lock().unwrap();
        self.asked
            .lock()
            .unwrap()
            .push((selector.to_owned(), Instant::now()));
        let pause = *self.pause.lock().unwrap();
        tokio::time::sleep(pause).await;
        match self.answers.lock().unwrap().get(selector) {
            Some(Ok(labels)) => {
                let labels = labels.iter().map(|l| Arc::from(*l)).collect();
                let shape = SeriesShape {
                    name: "ops".into(),
                    labels,
                };
                Ok(SeriesSet {
                    shapes: [shape].into(),
                    count: 1,
                })
            }
            _ if selector == REFUSED => Err(PrometheusError::Api {
                status: 400,
                message: "bad_data".to_owned(),
            }),
            _ => Err(PrometheusError::Decode("broken".to_owned())),
        }
    }

    async fn query(&self, _: &str) -> Result<QueryValue, PrometheusError> {
        unreachable!("relisting asks for series only")
    }

    fn present(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000) + *self.skew.lock().unwrap()
    }
}

#[derive(Default)]
struct Pods {
    /// Who has asked for resources.
    threads: Mutex<HashSet<ThreadId>>,
}

impl ObjectSource for Pods {
    fn resolve(&self, _: &str, resource: &str) -> Option<ResourceType> {
        let thread = std::thread::current().id();
        self.threads.lock().unwrap().insert(thread);
        let plural = match resource {
            "pod" | "pods" => "pods",
            "namespace" | "namespaces" => "namespaces",
            _ => return None,
        };
        Some(ResourceType {
            id: GroupResource::new("", plural),
            version: "v1".into(),
            kind: Arc::default(),
            singular: plural.trim_end_matches('s').into(),
            namespaced: plural == "pods",
        })
    }

    fn watch(&self, _: &[ResourceType]) {}

    fn select(
        &self,
        _: &ResourceType,
        _: Option<&str>,
        _: &Selector,
    ) -> Result<Vec<Arc<str>>, ObjectSourceError> {
        unreachable!("relisting selects nothing")
    }

    fn consumers(
        &self,
        _: Consumer,
        _: Option<&str>,
        _: &Selector,
    ) -> Result<Vec<IndexedObject>, ObjectSourceError> {
        unreachable!("relisting selects nothing")
    }
}

/// One rule per pair of series query and API name; an external one where the name begins with
/// `+`.
fn mk_rules(rules: &[(&str, &str)]) -> Arc<RuleSet> {
    let (mut custom, mut external) = (String::new(), String::new());
    for (query, name) in rules {
        let (text, name) = match name.strip_prefix('+') {
            Some(name) => (&mut external, name),
            None => (&mut custom, *name),
        };
        text.push_str(&format!(
            "- {{seriesQuery: {query}, metricsQuery: x, name: {{as: {name}}}, resources: \
             {{overrides: {{pod: {{resource: pod}}, ns: {{resource: namespace}}}}}}}}\n"
        ));
    }
    let text = format!("rules:\n{custom}externalRules:\n{external}");
    Arc::new(crate::rules::compile(&RuleFile::parse(&text).unwrap()).unwrap())
}

fn start(fake: &Arc<Fake>, rules: &[(&str, &str)]) -> (Arc<State>, CancellationToken) {
    start_with(fake, rules, |relister| relister)
}

fn start_with(
    fake: &Arc<Fake>,
    rules: &[(&str, &str)],
    change: impl FnOnce(Relister<Fake, Pods>) -> Relister<Fake, Pods>,
) -> (Arc<State>, CancellationToken) {
    let relister = change(mk_relister(fake, rules));
    let (state, stop) = (relister.state(), CancellationToken::new());
    #[allow(clippy::disallowed_methods)] // The test's runtime ends with the test.
    tokio::spawn(relister.run(stop.clone()));
    (state, stop)
}

fn mk_relister(fake: &Arc<Fake>, rules: &[(&str, &str)]) -> Relister<Fake, Pods> {
    let options = Options {
        interval: Duration::from_secs(60),
        max_age: Duration::from_secs(60),
        stale_limit: Some(Duration::from_secs(600)),
        listing: Listing::default(),
    };
    let metrics = Metrics::register(&mut Registry::default());
    Relister::new(
        Arc::clone(fake),
        Arc::new(Pods::default()),
        mk_rules(rules),
        options,
        metrics,
    )
}

fn names(state: &State) -> Vec<String> {
    let describe = |info: &MetricInfo| {
        format!(
            "{}/{}{}",
            info.resource,
            info.metric,
            if info.namespaced { " ns" } else { "" }
        )
    };
    state.catalog().list().iter().map(describe).collect()
}

#[tokio::test(start_paused = true)]
async fn lists_metrics_per_resource() {
    let fake = Arc::new(Fake::default());
    fake.set("q", Ok(vec!["pod", "ns", "job"]));
    let (state, _stop) = start(&fake, &[("q", "ops")]);
    assert!(!state.first_round_done());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(names(&state), ["namespaces/ops", "pods/ops ns"]);
    assert!(state.first_round_done());
}

/// A Prometheus that replays its log answers nobody for minutes.
#[tokio::test(start_paused = true)]
async fn nothing_is_missing_before_every_rule_was_answered_once() {
    let fake = Arc::new(Fake::default());
    fake.set("good", Ok(vec!["pod"]));
    let (state, _stop) = start(&fake, &[("good", "g"), ("late", "l"), (REFUSED, "r")]);
    let is_complete = || state.catalog().is_complete();
    assert!(!is_complete());
    tokio::time::sleep(MILLISECOND).await;
    assert!(state.first_round_done() && !is_complete());
    // The one that is refused will be as long as it is in the file.
    fake.set("late", Ok(vec!["pod"]));
    tokio::time::sleep(MAX_BLIND_RETRY).await;
    assert!(is_complete());
    fake.set("late", Err(()));
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert!(state.health()[1].error.is_some() && is_complete());
}

/// The runtime has this thread only, so a catalog of any size keeps no request waiting.
#[tokio::test]
async fn catalogs_are_made_where_nobody_is_answered() {
    let fake = Arc::new(Fake::default());
    fake.set("q", Ok(vec!["pod", "ns"]));
    let relister = mk_relister(&fake, &[("q", "ops")]);
    let (state, objects) = (relister.state(), Arc::clone(&relister.objects));
    let mut first_round = state.first_round.subscribe();
    let stop = CancellationToken::new();
    #[allow(clippy::disallowed_methods)] // The test's runtime ends with the test.
    let running = tokio::spawn(relister.run(stop.clone()));
    first_round.wait_for(|done| *done).await.unwrap();
    assert_eq!(names(&state), ["namespaces/ops", "pods/ops ns"]);
    let threads = std::mem::take(&mut *objects.threads.lock().unwrap());
    assert!(!threads.is_empty());
    assert!(!threads.contains(&std::thread::current().id()));
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failing_rule_harms_no_other_and_is_retried_with_backoff() {
    let fake = Arc::new(Fake::default());
    fake.set("good", Ok(vec!["pod"]));
    let (state, _stop) = start(&fake, &[("bad", "b"), ("good", "g")]);
    tokio::time::sleep(Duration::from_millis(7500)).await;
    assert_eq!(names(&state), ["pods/g ns"]);
    let asked = fake.asked("bad");
    let gaps: Vec<Duration> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() >= 3, "{gaps:?}");
    // Between half of the pause and all of it.
    for (gap, full) in gaps.iter().zip([1, 2, 4, 4].map(Duration::from_secs)) {
        assert!(*gap >= full / 2 && *gap <= full + MILLISECOND, "{gaps:?}");
    }
    assert_eq!(fake.asked("good").len(), 1);
    let health = state.health();
    assert!(
        health[0]
            .error
            .as_ref()
            .is_some_and(|e| e.contains("broken")),
        "{health:?}"
    );
    assert!(health[0].last_success.is_none());
    assert!(health[1].error.is_none() && health[1].last_success.is_some());

    fake.set("bad", Ok(vec!["pod"]));
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(names(&state), ["pods/b ns", "pods/g ns"]);
    assert!(state.health()[0].error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_never_succeeded_comes_soon_after_prometheus() {
    let fake = Arc::new(Fake::default());
    let (state, _stop) = start(&fake, &[("late", "l")]);
    tokio::time::sleep(Duration::from_secs(40)).await;
    fake.set("late", Ok(vec!["pod"]));
    tokio::time::sleep(MAX_BLIND_RETRY).await;
    assert_eq!(names(&state), ["pods/l ns"]);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_result_stays() {
    let fake = Arc::new(Fake::default());
    fake.set("q", Ok(vec!["pod"]));
    let (state, _stop) = start(&fake, &[("q", "ops")]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    fake.set("q", Err(()));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(names(&state), ["pods/ops ns"]);
    assert!(state.health()[0].error.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_last_good_result_goes_at_an_age() {
    let fake = Arc::new(Fake::default());
    fake.set("q", Ok(vec!["pod"]));
    fake.set("good", Ok(vec!["pod"]));
    let (state, _stop) = start(&fake, &[("q", "ops"), ("good", "g"), ("q", "+e")]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    fake.set("q", Err(()));
    tokio::time::sleep(Duration::from_secs(598)).await;
    assert_eq!(names(&state), ["pods/g ns", "pods/ops ns"]);
    assert!(state.health()[0].series.is_some());
    // The retries are a minute apart by now, but the age is exact.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(names(&state), ["pods/g ns"]);
    assert!(state.listed_external().is_empty());
    let health = &state.health()[0];
    assert!(health.series.is_none() && health.last_success.is_some() && health.error.is_some());
    // Prometheus is back, and so are they, soon.
    fake.set("q", Ok(vec!["pod"]));
    tokio::time::sleep(MAX_BLIND_RETRY).await;
    assert_eq!(names(&state), ["pods/g ns", "pods/ops ns"]);
    assert!(state.health()[0].series.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_another_time_is_none() {
    let fake = Arc::new(Fake::default());
    fake.set("q", Ok(vec!["pod"]));
    let (state, _stop) = start(&fake, &[("q", "ops")]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let hour = SignedDuration::from_hours(1);
    *fake.lesson.lock().unwrap() = hour;
    // Nothing has samples at the time that is asked for first.
    fake.set("q", Ok(Vec::new()));
    tokio::time::sleep(Duration::from_millis(59_500)).await;
    assert_eq!(names(&state), ["pods/ops ns"]);
    fake.set("q", Ok(vec!["pod"]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(names(&state), ["pods/ops ns"]);
    let ends = fake.ends.lock().unwrap().clone();
    assert_eq!(ends.len(), 3);
    assert_eq!(ends[2].duration_since(ends[1]), hour);
    assert!(state.health()[0].error.is_none());
}

/// Prometheus' client has deadlines; this one has none.
#[tokio::test(start_paused = true)]
async fn a_call_that_never_ends_shows_in_liveness_and_a_slow_one_does_not() {
    for (pause, is_alive) in [(20, true), (1_000_000, false)] {
        let fake = Arc::new(Fake::default());
        *fake.pause.lock().unwrap() = Duration::from_secs(pause);
        let health = telemetry::health::Health::new();
        let liveness = telemetry::liveness::Liveness::new(health.clone());
        let loops = liveness.loops("relist", Duration::from_secs(60));
        let relister = mk_relister(&fake, &[("q", "ops")]);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(liveness.run(CancellationToken::new()));
        tasks.spawn(loops.watch(relister.run(CancellationToken::new())));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(health.holds(), is_alive, "{pause} s");
    }
}

#[tokio::test(start_paused = true)]
async fn rules_with_the_same_series_query_share_a_request() {
    let fake = Arc::new(Fake::default());
    fake.set("q", Ok(vec!["pod"]));
    let (state, _stop) = start(&fake, &[("q", "a"), ("q", "b")]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(names(&state), ["pods/a ns", "pods/b ns"]);
    assert_eq!(fake.asked("q").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_later_rule_wins_and_the_collision_is_told() {
    let fake = Arc::new(Fake::default());
    fake.set("q1", Ok(vec!["pod"]));
    fake.set("q2", Ok(vec!["pod"]));
    let (state, _stop) = start(&fake, &[("q1", "same"), ("q2", "same")]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let catalog = state.catalog();
    let entry = catalog.get(&catalog.list()[0]).unwrap();
    assert_eq!(entry.rule.id().as_ref(), "rules[1]");
    assert_eq!(
        catalog.collisions(),
        [Collision {
            metric: "pods/same".to_owned(),
            winner: "rules[1] (ops)".to_owned(),
            loser: "rules[0] (ops)".to_owned(),
        }]
    );
}

#[tokio::test(start_paused = true)]
async fn external_metrics_are_listed_by_name_alone() {
    let fake = Arc::new(Fake::default());
    fake.set("q", Ok(vec!["pod", "ns", "job"]));
    fake.set("r", Ok(vec![]));
    let rules = [("q", "+b"), ("r", "+a"), ("q", "ops"), ("q", "+b")];
    let (state, _stop) = start(&fake, &rules);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let catalog = state.catalog();
    assert_eq!(names(&state), ["namespaces/ops", "pods/ops ns"]);
    let external: Vec<&str> = catalog.external_list().iter().map(AsRef::as_ref).collect();
    assert_eq!((external, catalog.len()), (vec!["a", "b"], 4));
    let entry = catalog.get_external("b").unwrap();
    assert_eq!(
        (entry.rule.id().as_ref(), entry.series.as_ref()),
        ("externalRules[2]", "ops")
    );
    assert!(catalog.get_external("ops").is_none());
    assert_eq!(
        catalog.collisions(),
        [Collision {
            metric: "external/b".to_owned(),
            winner: "externalRules[2] (ops)".to_owned(),
            loser: "externalRules[0] (ops)".to_owned(),
        }]
    );
    let health: Vec<String> = state.health().iter().map(|h| h.rule.to_string()).collect();
    assert_eq!(
        health,
        [
            "rules[0]",
            "externalRules[0]",
            "externalRules[1]",
            "externalRules[2]"
        ]
    );
    assert_eq!(fake.asked("q").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn new_kinds_make_the_catalog_anew_without_asking_prometheus() {
    let fake = Arc::new(Fake::default());
    fake.set("q", Ok(vec!["pod"]));
    let kinds = watch::Sender::new(0);
    let (state, _stop) = start_with(&fake, &[("q", "ops")], |relister| {
        relister.with_kinds(kinds.subscribe())
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (catalog, list) = (state.catalog(), state.listed());
    kinds.send_replace(1);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!Arc::ptr_eq(&catalog, &state.catalog()));
    // What is the same stays the same, so that documents need not be written anew.
    assert!(Arc::ptr_eq(&list, &state.listed()));
    assert_eq!(fake.asked("q").len(), 1);
    // The next relist comes when it would have come.
    drop(kinds);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.asked("q").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn stops_when_told() {
    let fake = Arc::new(Fake::default());
    fake.set("q", Ok(vec!["pod"]));
    let (_, stop) = start(&fake, &[("q", "ops")]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    stop.cancel();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(fake.asked("q").len(), 1);
}
