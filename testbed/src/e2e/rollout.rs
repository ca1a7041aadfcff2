//! Changes of the adapter's rules and flags while it is in use: a rule that Prometheus refuses, and
//! another form of discovery.

use super::{
    Failure, Outcome, ensure, outage,
    poller::{Tally, under_polling},
    settings,
    world::{AUTOSCALER, PODS, World, items},
};
use crate::stack::{Release, Settings, Stack};

/// Reads to wait for after the last change.
const AFTERWARDS: usize = 30;

/// One more rule, whose regular expression only Prometheus finds fault with.
pub(super) fn bad_rules(world: &World) -> Outcome {
    let stack = Stack::on(&world.cluster);
    let mut with_bad = settings();
    for pair in [
        "seriesQuery=e2e_broken{pod=~\"(\"}",
        "resources.template=<<.Resource>>",
        "metricsQuery=sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
    ] {
        let pair = format!("rules.custom[6].{pair}");
        with_bad.set.push((Release::MetricsAdapter, pair));
    }
    let watch = Watch::begin(world)?;
    let ((said, gone), counts) = under_polling(world, |tally| {
        let old = uids(world)?;
        stack.upgrade(Release::MetricsAdapter, &with_bad)?;
        replaced(world, &old)?;
        let said = complaint(world)?;
        let gone = outage::namespace_goes(world)?;
        some_reads(world, tally)?;
        let old = uids(world)?;
        stack.upgrade(Release::MetricsAdapter, &settings())?;
        replaced(world, &old)?;
        some_reads(world, tally)?;
        Ok((said, gone))
    })?;
    watch.end(world)?;
    Ok(vec![
        format!(
            "{} reads of the good rules, none failed; a namespace went in {gone:.1} s",
            counts.good
        ),
        format!("the log says once: {said}"),
    ])
}

/// Waits until each adapter has asked in vain several times, and checks that its log says so once,
/// with the rule's place. Gives that line.
fn complaint(world: &World) -> Result<String, Failure> {
    // Two default rules and six of the values file come before it.
    const RULE: &str = "rules[8]";
    let mut said = String::new();
    for pod in world.adapters()? {
        world.wait("several refused series queries", PODS, || {
            let metrics = world.metrics_of(&pod, 8081)?;
            let refused = metrics.lines().find(|line| {
                line.starts_with("metrics_adapter_rule_relists_total{")
                    && line.contains(RULE)
                    && !line.contains("\"ok\"")
            });
            let count = refused
                .and_then(|line| line.rsplit(' ').next())
                .and_then(|count| count.parse().ok())
                .unwrap_or(0.0);
            ensure!(count >= 3.0, "{refused:?}");
            Ok(())
        })?;
        let log = world
            .cluster
            .logs(Release::MetricsAdapter.namespace(), &pod.name)?;
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("WARN") || line.contains("ERROR"))
            .filter(|line| line.contains(RULE))
            .collect();
        let [line] = lines.as_slice() else {
            return Err(Failure::new(format!("{} lines:\n{log}", lines.len())));
        };
        let text = line.split_once("WARN").map_or(*line, |(_, text)| text);
        // The fields behind the words repeat them.
        let text = text.split_once(" rules=").map_or(text, |(text, _)| text);
        text.trim().clone_into(&mut said);
        ensure!(said.contains("400"), "no status of Prometheus: {said}");
    }
    Ok(said)
}

/// Discovery in few words: what kubectl and the HPA see of it, under polling.
pub(super) fn compact_discovery(world: &World) -> Outcome {
    let stack = Stack::on(&world.cluster);
    let full = listed(world)?;
    let mut settings_compact = settings();
    let compact = (Release::MetricsAdapter, "discovery=compact".to_owned());
    settings_compact.set.push(compact);
    let upgrade = |settings: &Settings, tally: &Tally| -> Result<(), Failure> {
        let old = uids(world)?;
        stack.upgrade(Release::MetricsAdapter, settings)?;
        replaced(world, &old)?;
        some_reads(world, tally)
    };
    let outcome = under_polling(world, |tally| {
        upgrade(&settings_compact, tally)?;
        let compact = listed(world)?;
        ensure!(
            compact > 0 && compact * 10 < full,
            "{full} metrics are {compact} entries"
        );
        for args in [&["api-resources"][..], &["get", "pods", "--all-namespaces"]] {
            let shown = world.cluster.kubectl(args)?;
            ensure!(shown.success && shown.stderr.is_empty(), "{}", shown.stderr);
        }
        world.all_available()?;
        world.wait_poll()?;
        Ok(compact)
    });
    // Also when the adapter did not know the flag.
    stack.upgrade(Release::MetricsAdapter, &settings())?;
    world.wait_rolled_out(Release::MetricsAdapter)?;
    let (compact, counts) = outcome?;
    Ok(vec![format!(
        "{full} metrics in {compact} entries; {} reads, none failed",
        counts.good
    )])
}

/// How many entries the document of v1beta2 has.
fn listed(world: &World) -> Result<usize, Failure> {
    let document = world.get("/apis/custom.metrics.k8s.io/v1beta2")?;
    Ok(document["resources"].as_array().map_or(0, Vec::len))
}

/// What the adapter's pods are told apart by.
pub(super) fn uids(world: &World) -> Result<Vec<String>, Failure> {
    Ok(world.adapters()?.into_iter().map(|pod| pod.uid).collect())
}

/// Waits until all pods are new ones and the old ones are gone.
pub(super) fn replaced(world: &World, old: &[String]) -> Result<(), Failure> {
    world.wait("the adapter's new pods", AUTOSCALER, || {
        let pods = world.adapters()?;
        ensure!(
            pods.len() == old.len() && pods.iter().all(|pod| pod.ready && !old.contains(&pod.uid)),
            "{pods:?}"
        );
        Ok(())
    })?;
    world.wait_rolled_out(Release::MetricsAdapter)
}

/// Waits for [`AFTERWARDS`] more reads.
pub(super) fn some_reads(world: &World, tally: &Tally) -> Result<(), Failure> {
    let before = tally.counts().good;
    world.wait("some reads", PODS, || {
        let counts = tally.counts();
        ensure!(
            counts.good >= before + AFTERWARDS || !counts.failures.is_empty(),
            "{counts:?}"
        );
        Ok(())
    })?;
    let list = world.values()?.expect(200)?;
    ensure!(!items(&list).is_empty(), "{list}");
    Ok(())
}

/// What the stock HPA and the aggregator must not notice.
pub(super) struct Watch {
    active_since: String,
    available_since: Vec<String>,
    bad_polls: u64,
}

impl Watch {
    pub(super) fn begin(world: &World) -> Result<Self, Failure> {
        Ok(Self {
            active_since: world.hpa()?.active()?,
            available_since: world.all_available()?,
            bad_polls: world.polls()?.bad,
        })
    }

    pub(super) fn end(&self, world: &World) -> Result<(), Failure> {
        let now = Self::begin(world)?;
        ensure!(
            now.bad_polls == self.bad_polls,
            "the HPA read in vain {} times",
            now.bad_polls - self.bad_polls
        );
        ensure!(
            now.active_since == self.active_since,
            "the HPA was inactive meanwhile"
        );
        ensure!(
            now.available_since == self.available_since,
            "an APIService was unavailable meanwhile"
        );
        Ok(())
    }
}
