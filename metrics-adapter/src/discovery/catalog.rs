//! The immutable list of metrics.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use foldhash::quality::RandomState;
use hashbrown::Equivalent;

use super::Meter;
use crate::model::{GroupResource, MetricInfo, ObjectSource, ResourceType};
use crate::prometheus::{SeriesSet, SeriesShape};
use crate::rules::{Association, AssociationError, Rule, RuleSet};

/// Where one metric comes from.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The rule that makes it.
    pub rule: Arc<Rule>,
    /// The series that it is made of.
    pub series: Arc<str>,
    /// The kind of object it describes.
    pub resource: ResourceType,
    /// What counts its requests, since the first one.
    pub meter: OnceLock<Meter>,
}

/// Where one external metric comes from.
#[derive(Clone, Debug)]
pub struct ExternalEntry {
    /// The rule that makes it.
    pub rule: Arc<Rule>,
    /// The series that it is made of.
    pub series: Arc<str>,
    /// What counts its requests, since the first one.
    pub meter: OnceLock<Meter>,
}

/// Two series that make the same API metric; the later one in rule order, then name, wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collision {
    /// The metric, for instance `pods/http_requests`, or `external/queue_length`.
    pub metric: String,
    /// Who serves it.
    pub winner: String,
    /// Who is hidden.
    pub loser: String,
}

/// All metrics of one moment, and the rules that make them: both change together.
#[derive(Debug, Default)]
pub struct Catalog {
    rules: Arc<RuleSet>,
    entries: hashbrown::HashMap<MetricInfo, Entry, RandomState>,
    list: Arc<[MetricInfo]>,
    external: HashMap<Arc<str>, ExternalEntry>,
    external_list: Arc<[Arc<str>]>,
    collisions: Vec<Collision>,
    /// What the series query of each rule of custom metrics found.
    found: Vec<(Arc<Rule>, Arc<SeriesSet>)>,
    pub(super) is_complete: bool,
}

/// A [`MetricInfo`] that is looked for, which hashes as one.
#[derive(Hash)]
struct Name<'a> {
    resource: &'a GroupResource,
    namespaced: bool,
    metric: &'a str,
}

impl Equivalent<MetricInfo> for Name<'_> {
    fn equivalent(&self, info: &MetricInfo) -> bool {
        *self.metric == *info.metric
            && self.namespaced == info.namespaced
            && *self.resource == info.resource
    }
}

impl Catalog {
    /// The catalog of rules whose series are not known yet.
    pub(super) fn empty(rules: Arc<RuleSet>) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Builds the catalog from what each rule's series query found, in rule order: first the
    /// rules of custom metrics, then those of external ones. A rule whose labels cannot be
    /// associated contributes nothing and is told in the second result.
    pub fn build(
        rules: Arc<RuleSet>,
        custom: &[(Arc<Rule>, Arc<SeriesSet>)],
        external: &[(Arc<Rule>, Arc<SeriesSet>)],
        objects: &impl ObjectSource,
    ) -> (Self, Vec<(Arc<Rule>, AssociationError)>) {
        let mut catalog = Self::empty(rules);
        let mut refused = Vec::new();
        let resolve = |group: &str, resource: &str| objects.resolve(group, resource);
        for (rule, set) in custom {
            match rule.labels().associate(&resolve) {
                Ok(association) => {
                    for (shape, metric) in named(rule, set) {
                        catalog.add(rule, &association, shape, &metric);
                    }
                }
                Err(error) => refused.push((Arc::clone(rule), error)),
            }
        }
        for (rule, set) in external {
            for (shape, metric) in named(rule, set) {
                catalog.add_external(rule, shape, metric);
            }
        }
        let mut list: Vec<MetricInfo> = catalog.entries.keys().cloned().collect();
        list.sort();
        catalog.list = list.into();
        let mut external_list: Vec<Arc<str>> = catalog.external.keys().cloned().collect();
        external_list.sort();
        catalog.external_list = external_list.into();
        catalog.collisions.sort();
        catalog.collisions.dedup();
        catalog.found = custom.to_vec();
        (catalog, refused)
    }

    /// One metric per resource that the series describes.
    fn add(
        &mut self,
        rule: &Arc<Rule>,
        association: &Association<'_>,
        shape: &SeriesShape,
        metric: &Arc<str>,
    ) {
        let (resources, namespaced) = association.resources(shape.labels.iter().map(AsRef::as_ref));
        for resource in resources {
            let info = MetricInfo {
                namespaced: namespaced && !crate::rules::is_root(&resource.id),
                resource: resource.id.clone(),
                metric: Arc::clone(metric),
            };
            if let Some(hidden) = self.entries.get(&info) {
                let name = format!("{}/{metric}", info.resource);
                let loser = (&hidden.rule, &hidden.series);
                self.collisions
                    .extend(collision(name, (rule, &shape.name), loser));
            }
            let entry = Entry {
                rule: Arc::clone(rule),
                series: Arc::clone(&shape.name),
                resource,
                meter: OnceLock::new(),
            };
            self.entries.insert(info, entry);
        }
    }

    fn add_external(&mut self, rule: &Arc<Rule>, shape: &SeriesShape, metric: Arc<str>) {
        if let Some(hidden) = self.external.get(&metric) {
            let name = format!("external/{metric}");
            let loser = (&hidden.rule, &hidden.series);
            self.collisions
                .extend(collision(name, (rule, &shape.name), loser));
        }
        let entry = ExternalEntry {
            rule: Arc::clone(rule),
            series: Arc::clone(&shape.name),
            meter: OnceLock::new(),
        };
        self.external.insert(metric, entry);
    }

    /// The rules in force.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Whether every rule has been answered once, so that a metric that is not here is not there.
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// All metrics, sorted by resource and name.
    pub fn list(&self) -> &Arc<[MetricInfo]> {
        &self.list
    }

    /// Takes over the lists of an older catalog where they are the same, so that whoever made
    /// something of them can tell that it is still good.
    pub(super) fn share_lists(&mut self, older: &Self) {
        if self.list == older.list {
            self.list = Arc::clone(&older.list);
        }
        if self.external_list == older.external_list {
            self.external_list = Arc::clone(&older.external_list);
        }
    }

    /// Whether both lists are those of another catalog.
    pub(super) fn has_lists_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.list, &other.list)
            && Arc::ptr_eq(&self.external_list, &other.external_list)
    }

    /// How many metrics there are, external ones included.
    pub fn len(&self) -> usize {
        self.list.len() + self.external_list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a metric comes from.
    pub fn get(&self, info: &MetricInfo) -> Option<&Entry> {
        self.entries.get(info)
    }

    /// The same of a metric by its parts.
    pub fn find(&self, resource: &GroupResource, namespaced: bool, metric: &str) -> Option<&Entry> {
        self.entries.get(&Name {
            resource,
            namespaced,
            metric,
        })
    }

    /// Whether a metric of a kind of objects is there, with namespaces or without.
    pub fn has(&self, resource: &GroupResource, metric: &str) -> bool {
        let mut namespaced = [true, false].into_iter();
        namespaced.any(|namespaced| self.find(resource, namespaced, metric).is_some())
    }

    /// Series that make metrics of a name, with the rules that make them, also where no label names
    /// a kind of object, so that there is no such metric.
    pub fn makers(&self, metric: &str) -> impl Iterator<Item = (&Arc<Rule>, &SeriesShape)> {
        self.found.iter().flat_map(move |(rule, set)| {
            let named = named(rule, set).filter(move |(_, made)| **made == *metric);
            named.map(move |(shape, _)| (rule, shape))
        })
    }

    /// The names of all external metrics, sorted.
    pub fn external_list(&self) -> &Arc<[Arc<str>]> {
        &self.external_list
    }

    /// Where an external metric comes from.
    pub fn get_external(&self, metric: &str) -> Option<&ExternalEntry> {
        self.external.get(metric)
    }

    /// Those of its collisions, in their order, that another catalog does not have.
    pub(super) fn collisions_beyond<'a>(
        &'a self,
        other: &Self,
    ) -> impl Iterator<Item = &'a Collision> {
        // Sorted, as of every catalog.
        let is_new = |one: &&Collision| other.collisions.binary_search(one).is_err();
        self.collisions.iter().filter(is_new)
    }

    /// Metrics that more than one series claims, sorted.
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

/// The series that a rule lets through, with the API names that it gives them.
fn named<'a>(
    rule: &'a Rule,
    set: &'a SeriesSet,
) -> impl Iterator<Item = (&'a SeriesShape, Arc<str>)> {
    set.shapes.iter().filter_map(|shape| {
        let metric = rule.metric_name(&shape.name)?;
        Some((shape, metric.into()))
    })
}

/// `None` where it is the same series of the same rule, only with other labels.
fn collision(
    metric: String,
    winner: (&Arc<Rule>, &Arc<str>),
    loser: (&Arc<Rule>, &Arc<str>),
) -> Option<Collision> {
    if winner.0.id() == loser.0.id() && winner.1 == loser.1 {
        return None;
    }
    let source = |(rule, series): (&Arc<Rule>, &Arc<str>)| format!("{} ({series})", rule.id());
    Some(Collision {
        metric,
        winner: source(winner),
        loser: source(loser),
    })
}
