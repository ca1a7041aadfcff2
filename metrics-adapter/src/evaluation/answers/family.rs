//! Queries that can be asked as one: they differ in their namespace alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::evaluation::answer::{Answer, Keep, Query};
use crate::model::QueryValue;
use crate::rules::JointQuery;

/// After a query for several has failed, each is asked alone for so long.
const AVOIDED: Duration = Duration::from_secs(60);

type Key = (Arc<JointQuery>, Keep);

/// The families of the queries on the agenda.
#[derive(Debug, Default)]
pub(super) struct Families(HashMap<Key, Family>);

#[derive(Debug, Default)]
struct Family {
    /// By when they want to be looked at.
    members: BTreeSet<(Instant, Arc<Query>)>,
    avoided: Option<Instant>,
}

impl Families {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A query has another time on the agenda than before.
    pub(super) fn moves(
        &mut self,
        query: &Arc<Query>,
        before: Option<Instant>,
        after: Option<Instant>,
    ) {
        let Some(key) = key(query) else {
            return;
        };
        let family = self.0.entry(key.clone()).or_default();
        if let Some(before) = before {
            family.members.remove(&(before, Arc::clone(query)));
        }
        if let Some(after) = after {
            family.members.insert((after, Arc::clone(query)));
        }
        if family.members.is_empty() {
            self.0.remove(&key);
        }
    }

    /// How many queries may be asked together with one, and itself.
    pub(super) fn size(&self, query: &Query, now: Instant) -> usize {
        self.family(query, now)
            .map_or(1, |family| family.members.len())
    }

    fn family(&self, query: &Query, now: Instant) -> Option<&Family> {
        let family = self.0.get(&key(query)?)?;
        let is_avoided = family.avoided.is_some_and(|avoided| now < avoided);
        (!is_avoided).then_some(family)
    }

    /// The queries that may be asked together with one, by their times on the agenda, until `until`.
    pub(super) fn others(
        &self,
        query: &Query,
        now: Instant,
        until: Instant,
    ) -> impl Iterator<Item = &Arc<Query>> {
        let members = self
            .family(query, now)
            .into_iter()
            .flat_map(|family| &family.members);
        let near = members.take_while(move |(at, _)| *at <= until);
        near.map(|(_, other)| other)
            .filter(move |other| ***other != *query)
    }

    /// A query for several has failed.
    pub(super) fn avoid(&mut self, query: &Query, now: Instant) {
        if let Some(family) = key(query).and_then(|key| self.0.get_mut(&key)) {
            family.avoided = Some(now + AVOIDED);
        }
    }
}

/// Queries that are asked as one: one alone, or several of a family.
#[derive(Debug)]
pub(super) struct Together {
    first: Arc<Query>,
    others: Vec<Arc<Query>>,
}

impl Together {
    pub(super) const fn new(first: Arc<Query>, others: Vec<Arc<Query>>) -> Self {
        Self { first, others }
    }

    pub(super) fn alone(query: &Arc<Query>) -> Self {
        Self::new(Arc::clone(query), Vec::new())
    }

    pub(super) const fn first(&self) -> &Arc<Query> {
        &self.first
    }

    pub(super) const fn are_several(&self) -> bool {
        !self.others.is_empty()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Arc<Query>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// What is asked.
    pub(super) fn promql(&self) -> Arc<str> {
        match self.joint() {
            Some(joint) => joint.about(&self.namespaces()).into(),
            None => Arc::clone(&self.first.promql),
        }
    }

    /// What is told of each.
    pub(super) fn answers(&self, value: QueryValue, asked: Instant) -> Vec<Arc<Answer>> {
        let keep = &self.first.keep;
        let answers = match self.joint() {
            Some(joint) => Answer::of_each(value, joint.label(), &self.namespaces(), keep, asked),
            None => vec![Answer::new(value, keep, asked)],
        };
        answers.into_iter().map(Arc::new).collect()
    }

    fn joint(&self) -> Option<&JointQuery> {
        let joint = self.first.joint.as_ref()?;
        self.are_several().then_some(&joint.query)
    }

    fn namespaces(&self) -> Vec<Arc<str>> {
        let joints = self.each().filter_map(|query| query.joint.as_ref());
        joints.map(|joint| Arc::clone(&joint.namespace)).collect()
    }
}

fn key(query: &Query) -> Option<Key> {
    let joint = query.joint.as_ref()?;
    Some((Arc::clone(&joint.query), query.keep.clone()))
}
