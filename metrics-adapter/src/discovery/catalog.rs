//! The immutable list of metrics.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{MetricInfo, ObjectSource, ResourceType};
use crate::prometheus::SeriesSet;
use crate::rules::{AssociationError, Rule};

/// Where one metric comes from.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The rule that makes it.
    pub rule: Arc<Rule>,
    /// The series that it is made of.
    pub series: Arc<str>,
    /// The kind of object it describes.
    pub resource: ResourceType,
}

/// Two series that make the same API metric; the later one in rule order, then name, wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collision {
    /// The metric, for instance `pods/http_requests`.
    pub metric: String,
    /// Who serves it.
    pub winner: String,
    /// Who is hidden.
    pub loser: String,
}

/// All metrics of one moment.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: HashMap<MetricInfo, Entry>,
    list: Arc<[MetricInfo]>,
    collisions: Vec<Collision>,
}

impl Catalog {
    /// Builds the catalog from what each rule's series query found, in rule order. A rule whose
    /// labels cannot be associated contributes nothing and is told in the second result.
    pub(super) fn build<'a>(
        found: impl Iterator<Item = (&'a Arc<Rule>, &'a SeriesSet)>,
        objects: &impl ObjectSource,
    ) -> (Self, Vec<(Arc<Rule>, AssociationError)>) {
        let mut entries: HashMap<MetricInfo, Entry> = HashMap::new();
        let mut collisions = Vec::new();
        let mut refused = Vec::new();
        let resolve = |group: &str, resource: &str| objects.resolve(group, resource);
        for (rule, set) in found {
            let association = match rule.associate(&resolve) {
                Ok(association) => association,
                Err(error) => {
                    refused.push((Arc::clone(rule), error));
                    continue;
                }
            };
            for shape in &set.shapes {
                let Some(metric) = rule.metric_name(&shape.name) else {
                    continue;
                };
                let metric: Arc<str> = metric.into();
                let (resources, namespaced) =
                    association.resources(shape.labels.iter().map(AsRef::as_ref));
                for resource in resources {
                    let info = MetricInfo {
                        namespaced: namespaced && !crate::rules::is_root(&resource.id),
                        resource: resource.id.clone(),
                        metric: Arc::clone(&metric),
                    };
                    let entry = Entry {
                        rule: Arc::clone(rule),
                        series: Arc::clone(&shape.name),
                        resource,
                    };
                    insert(&mut entries, &mut collisions, info, entry);
                }
            }
        }
        let mut list: Vec<MetricInfo> = entries.keys().cloned().collect();
        list.sort();
        collisions.sort();
        collisions.dedup();
        (
            Self {
                entries,
                list: list.into(),
                collisions,
            },
            refused,
        )
    }

    /// All metrics, sorted by resource and name.
    pub fn list(&self) -> &Arc<[MetricInfo]> {
        &self.list
    }

    /// Where a metric comes from.
    pub fn get(&self, info: &MetricInfo) -> Option<&Entry> {
        self.entries.get(info)
    }

    /// Metrics that more than one series claims.
    pub fn collisions(&self) -> &[Collision] {
        &self.collisions
    }

    /// The kinds of objects that metrics describe, each once.
    pub fn resources(&self) -> Vec<ResourceType> {
        let mut kinds: Vec<ResourceType> = self
            .entries
            .values()
            .map(|entry| entry.resource.clone())
            .collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }
}

fn insert(
    entries: &mut HashMap<MetricInfo, Entry>,
    collisions: &mut Vec<Collision>,
    info: MetricInfo,
    entry: Entry,
) {
    let source = |entry: &Entry| format!("{} ({})", entry.rule.id(), entry.series);
    if let Some(hidden) = entries.get(&info)
        && (hidden.series != entry.series || hidden.rule.id() != entry.rule.id())
    {
        collisions.push(Collision {
            metric: format!("{}/{}", info.resource, info.metric),
            winner: source(&entry),
            loser: source(hidden),
        });
    }
    entries.insert(info, entry);
}
