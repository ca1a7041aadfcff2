//! Which labels name which resources, why others do not, and what follows from that.

use std::collections::BTreeSet;

use super::finding::{Check, Finding};
use super::report::LabelReport;
use crate::explain::style::listed;
use crate::model::ResourceType;
use crate::prometheus::SeriesShape;
use crate::rules::{Association, LabelMeaning, Rule};

/// Labels that an error lists at most.
const LISTED: usize = 8;

/// All labels of some series, sorted.
pub(super) fn labels(association: &Association<'_>, series: &[&SeriesShape]) -> Vec<LabelReport> {
    let reports = names(series).into_iter().map(|label| {
        let (resource, reason) = match association.meaning(label) {
            LabelMeaning::Resource(found) => (Some(found.id.to_string()), None),
            other => (None, Some(reason(association, &other))),
        };
        LabelReport {
            label: label.to_owned(),
            resource,
            reason,
        }
    });
    reports.collect()
}

fn names<'a>(series: &[&'a SeriesShape]) -> BTreeSet<&'a str> {
    let labels = series.iter().flat_map(|shape| &shape.labels);
    labels.map(AsRef::as_ref).collect()
}

fn reason(association: &Association<'_>, meaning: &LabelMeaning) -> String {
    match meaning {
        LabelMeaning::Unresolved(name) => {
            format!("there is no resource {name:?}", name = name.to_string())
        }
        _ if association.has_template() => {
            "it has not the form of resources.template, and is not in resources.overrides"
                .to_owned()
        }
        _ => "it is not in resources.overrides".to_owned(),
    }
}

/// What is wrong with them.
pub(super) fn judge(
    rule: &Rule,
    is_external: bool,
    association: &Association<'_>,
    series: &[&SeriesShape],
) -> Vec<Finding> {
    if is_external {
        let needed = rule.is_namespaced().then(|| namespace(association, series));
        let needed = needed.flatten().map(|reason| {
            Finding::error(
                Check::LabelNotMapped,
                format!("{reason}: no request has a value"),
            )
            .hint("without namespaces: resources: {namespaced: false}")
        });
        return needed.into_iter().collect();
    }
    let labels = names(series);
    let mut mapped: Vec<(&str, ResourceType)> = Vec::new();
    for label in &labels {
        if let LabelMeaning::Resource(found) = association.meaning(label) {
            mapped.push((label, found));
        }
    }
    let is_job = |(label, found): &&(&str, ResourceType)| {
        *label == "job" && *found.id.group == *"batch" && *found.id.resource == *"jobs"
    };
    let has_job = mapped.iter().any(|pair| is_job(&pair));
    let others = mapped.iter().filter(|pair| !is_job(pair)).count();
    let mut findings = Vec::new();
    let overlooked: Vec<(&str, &str)> = labels
        .iter()
        .filter_map(|label| Some((*label, looks_like(label)?)))
        .filter(|(label, kind)| {
            let is_plain = !matches!(association.meaning(label), LabelMeaning::Resource(_));
            is_plain && !mapped.iter().any(|(_, found)| *found.singular == **kind)
        })
        .collect();
    let housed = mapped.iter().filter(|pair| !is_job(pair));
    let housed = housed
        .map(|(_, found)| found)
        .find(|found| found.namespaced);
    let homeless = housed.and_then(|found| Some((found, namespace(association, series)?)));
    if mapped.is_empty() {
        findings.push(unmapped(association, &labels, &overlooked));
    } else if let Some((found, reason)) = homeless {
        let message = format!("{reason}: no request for {} has a value", found.id);
        let meant = overlooked.iter().find(|(_, kind)| *kind == "namespace");
        let meant = meant.map_or("namespace", |(label, _)| *label);
        let finding = Finding::error(Check::LabelNotMapped, message);
        findings.push(finding.hint(remedy(meant, "namespace")));
    } else if housed.is_none() {
        // Who maps other objects may want no metrics of pods.
        findings.extend(overlooked_pod(association, &overlooked));
    }
    if has_job {
        findings.push(job(others));
    }
    findings
}

fn overlooked_pod(association: &Association<'_>, overlooked: &[(&str, &str)]) -> Option<Finding> {
    let (label, kind) = overlooked.iter().find(|(_, kind)| *kind == "pod")?;
    let why = reason(association, &association.meaning(label));
    let message = format!(
        "label {label} looks like the name of a {kind}, and is not mapped: {why}; so there is no \
         metric of {kind}s"
    );
    Some(Finding::warning(Check::LabelNotMapped, message).hint(remedy(label, kind)))
}

fn unmapped(
    association: &Association<'_>,
    labels: &BTreeSet<&str>,
    overlooked: &[(&str, &str)],
) -> Finding {
    let first = overlooked
        .iter()
        .find(|(_, kind)| *kind == "pod")
        .or(overlooked.first());
    match first {
        Some((label, kind)) => {
            let why = reason(association, &association.meaning(label));
            let message = format!(
                "no label is mapped to a resource, so the rule makes no metric: {label} looks like \
                 the name of a {kind}, but {why}"
            );
            Finding::error(Check::LabelNotMapped, message).hint(remedy(label, kind))
        }
        None => {
            let labels: Vec<&str> = labels.iter().copied().collect();
            let present = match labels[..] {
                [] => "none".to_owned(),
                _ => listed(&labels, labels.len(), LISTED),
            };
            let message = format!(
                "no label is mapped to a resource, so the rule makes no metric: the series have \
                 {present}"
            );
            Finding::error(Check::LabelNotMapped, message).hint(
                "the series need the labels of pods, which relabeling of the scrape gives them; \
                 resources.overrides maps them",
            )
        }
    }
}

/// `others`: labels that name other resources.
fn job(others: usize) -> Finding {
    const HINT: &str = "list the labels that are meant in resources.overrides, instead of a \
                        template that fits every label";
    const TAKEN: &str =
        "Prometheus' own label job, the name of a scrape job, is taken for jobs.batch";
    if others == 0 {
        let message =
            format!("{TAKEN}, and no other label names a resource: all metrics are of Jobs");
        Finding::error(Check::JobLabel, message).hint(HINT)
    } else {
        let message = format!("{TAKEN}: each metric is there for Jobs, too");
        Finding::warning(Check::JobLabel, message).hint(HINT)
    }
}

/// Why requests in a namespace find nothing; `None` if they may find something.
fn namespace(association: &Association<'_>, series: &[&SeriesShape]) -> Option<String> {
    match association.namespace_label() {
        Err(error) => Some(format!("requests name a namespace, and {error}")),
        Ok(label) if names(series).contains(label.as_str()) => None,
        Ok(label) => Some(format!(
            "requests name a namespace, and no series has the label {label}"
        )),
    }
}

/// The kind of object whose names a label seems to have, singular.
fn looks_like(label: &str) -> Option<&'static str> {
    const KINDS: [&str; 6] = [
        "pod",
        "namespace",
        "node",
        "deployment",
        "statefulset",
        "service",
    ];
    let mut plain = label;
    for prefix in [
        "exported_",
        "kubernetes_",
        "kube_",
        "k8s_",
        "io_kubernetes_",
    ] {
        plain = plain.strip_prefix(prefix).unwrap_or(plain);
    }
    let plain = plain.strip_suffix("_name").unwrap_or(plain);
    // Many things are called a service.
    if label == "service" || label == "service_name" {
        return None;
    }
    KINDS
        .into_iter()
        .find(|kind| *kind == plain || (*kind == "namespace" && plain == "ns"))
}

fn remedy(label: &str, kind: &str) -> String {
    format!("resources: {{overrides: {{{label}: {{resource: {kind}}}}}}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RuleFile;
    use crate::explain::CommonKinds;
    use crate::model::ObjectSource as _;
    use crate::rules::compile;

    fn judged(resources: &str, labels: &[&str]) -> Vec<String> {
        let text = format!("rules: [{{seriesQuery: a, metricsQuery: b, resources: {resources}}}]");
        let rules = compile(&RuleFile::parse(&text).unwrap()).unwrap();
        let rule = &rules.custom[0];
        let resolve = |group: &str, name: &str| CommonKinds.resolve(group, name);
        let association = rule.labels().associate(&resolve).unwrap();
        let shape = SeriesShape {
            name: "a".into(),
            labels: labels.iter().map(|label| (*label).into()).collect(),
        };
        let findings = judge(rule, false, &association, &[&shape]);
        let shown = findings.iter().map(|finding| {
            let hint = finding.hint.as_deref().unwrap_or_default();
            format!(
                "{}: {} ({hint})",
                finding.severity.as_str(),
                finding.message
            )
        });
        shown.collect()
    }

    #[test]
    fn good_mappings_are_silent() {
        let overrides = "{overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}";
        assert_eq!(judged(overrides, &["namespace", "pod", "job"]), [""; 0]);
        assert_eq!(
            judged("{template: <<.Resource>>}", &["namespace", "pod", "x"]),
            [""; 0]
        );
        let exported = ["exported_pod", "namespace", "pod"];
        assert_eq!(judged(overrides, &exported), [""; 0]);
    }

    #[test]
    fn what_is_not_mapped_is_named_with_its_reason() {
        for (resources, labels, expected) in [
            (
                "{template: <<.Resource>>}",
                &["kubernetes_pod_name", "instance"][..],
                "error: no label is mapped to a resource, so the rule makes no metric: \
                 kubernetes_pod_name looks like the name of a pod, but there is no resource \
                 \"kubernetes_pod_name\" (resources: {overrides: {kubernetes_pod_name: {resource: pod}}})",
            ),
            (
                "{overrides: {namespace: {resource: namespace}}}",
                &["pod", "namespace"],
                "warning: label pod looks like the name of a pod, and is not mapped: it is not in \
                 resources.overrides; so there is no metric of pods (resources: {overrides: {pod: \
                 {resource: pod}}})",
            ),
            (
                "{template: kube_<<.Resource>>}",
                &["kube_pod", "kube_namespace", "x"],
                "",
            ),
            (
                "{overrides: {pod: {resource: pod}}}",
                &["pod", "namespace"],
                "error: requests name a namespace, and no label is associated with namespaces",
            ),
            (
                "{overrides: {pod: {resource: pod}}}",
                &["pod", "ns"],
                "{ns: {resource: namespace}}",
            ),
            (
                "{overrides: {namespace: {resource: namespace}, service: {resource: service}}}",
                &["namespace", "node", "pod", "service"],
                "",
            ),
            (
                "{template: <<.Resource>>}",
                &["pod"],
                "error: requests name a namespace, and no series has the label namespace",
            ),
            (
                "{template: <<.Resource>>}",
                &["a", "b"],
                "the series have a, b",
            ),
        ] {
            let found = judged(resources, labels);
            let found = found.first().cloned().unwrap_or_default();
            assert!(found.contains(expected), "{found}\n{expected}");
            assert!(!expected.is_empty() || found.is_empty(), "{found}");
        }
    }

    #[test]
    fn prometheus_own_label_is_no_job() {
        let template = "{template: <<.Resource>>}";
        let [found] = &judged(template, &["job", "instance"])[..] else {
            panic!()
        };
        assert!(
            found.starts_with("error: Prometheus' own label job"),
            "{found}"
        );
        let [found] = &judged(template, &["job", "namespace", "pod"])[..] else {
            panic!()
        };
        assert!(
            found.starts_with("warning: Prometheus' own label job"),
            "{found}"
        );
    }
}
