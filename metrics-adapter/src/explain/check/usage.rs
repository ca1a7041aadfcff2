//! The queries of `resourceRules`. Nothing is discovered for them, and nobody here knows the names of
//! nodes and pods: they are asked for all at once, for one element of the result.

use super::example::Asked;
use super::finding::{Check, Finding};
use super::lint;
use super::report::{Example, RuleReport};
use crate::model::{Consumer, ObjectSource};
use crate::prometheus::QueryClient;
use crate::rules::{
    Association, Objects, QueryError, ResourceRule, ResourceRules, UsageScope, outline,
};

/// Where the usage is served.
const PATH: &str = "/apis/metrics.k8s.io/v1beta1";

/// What is to be told about each query, and what is wrong with it.
pub(super) async fn judge<C: QueryClient>(
    client: Option<&C>,
    rules: &ResourceRules,
    kinds: &impl ObjectSource,
) -> Vec<(RuleReport, Vec<Finding>)> {
    let mut judged = Vec::new();
    for rule in [&rules.cpu, &rules.memory] {
        let resolve = |group: &str, resource: &str| kinds.resolve(group, resource);
        let association = rule.labels().associate(&resolve);
        for consumer in [Consumer::Node, Consumer::Pod] {
            if !rule.asks(consumer) {
                continue;
            }
            let asked = match &association {
                Ok(association) => ask(rule, association, consumer, kinds),
                Err(error) => Err(lint::unknown_resource(error)),
            };
            judged.push(query(client, rule, consumer, asked).await);
        }
    }
    judged
}

/// A request for all objects, or why every request fails.
fn ask(
    rule: &ResourceRule,
    association: &Association<'_>,
    consumer: Consumer,
    kinds: &impl ObjectSource,
) -> Result<Option<Asked>, Finding> {
    let failed = |error: &QueryError| lint::no_query(error);
    let resource = consumer.resource();
    let Some(kind) = kinds.resolve(&resource.group, &resource.resource) else {
        return Ok(None);
    };
    let label = association
        .label(&kind)
        .map_err(|error| failed(&error.into()))?;
    if consumer == Consumer::Pod {
        association
            .namespace_label()
            .map_err(|error| failed(&error.into()))?;
    }
    let scope = UsageScope {
        consumer,
        label: &label,
        namespace: None,
        objects: Objects::All,
    };
    let promql = rule
        .query(association, &scope)
        .map_err(|error| failed(&error))?;
    let asked = promql.map(|promql| Asked {
        request: format!("{PATH}/{}", resource.resource),
        query: promql,
        label: Some(label),
        series: String::new(),
    });
    Ok(asked)
}

async fn query<C: QueryClient>(
    client: Option<&C>,
    rule: &ResourceRule,
    consumer: Consumer,
    asked: Result<Option<Asked>, Finding>,
) -> (RuleReport, Vec<Finding>) {
    let field = match consumer {
        Consumer::Node => "nodeQuery",
        Consumer::Pod => "containerQuery",
    };
    let mut told = RuleReport::of_usage(format!("{}.{field}", rule.id()));
    let mut findings = Vec::new();
    match asked {
        Err(finding) => findings.push(finding),
        Ok(None) => {}
        Ok(Some(asked)) => {
            let label = asked.label.as_deref().unwrap_or_default();
            findings.extend(outline::loses(&asked.query, label).then(|| lint::lost(label)));
            if let Some(client) = client {
                // A comment ends with its line.
                let end = if asked.query.contains('#') { "\n" } else { "" };
                let query = format!("topk(1, {}{end})", asked.query);
                let asked = Asked { query, ..asked };
                let answer = client.query(&asked.query).await;
                let found = lint::answer(&asked, &answer, &findings);
                findings.extend(found.map(|finding| match finding.check {
                    Check::NoResult => none(consumer),
                    _ => finding,
                }));
                told.example = Some(Example::new(&asked, answer));
            }
        }
    }
    for finding in &mut findings {
        finding.rules.push(told.rule.clone());
    }
    (told, findings)
}

fn none(consumer: Consumer) -> Finding {
    let message = match consumer {
        Consumer::Node => "the query has no result: kubectl top shows no node",
        Consumer::Pod => {
            "the query has no result: kubectl top shows no pod, and Resource metrics have no value"
        }
    };
    Finding::warning(Check::NoResult, message)
        .hint("the series, its labels or a matcher in the query are others than Prometheus has")
}
