//! From an instant vector to the values of objects, and from floats to quantities.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::debug;

use crate::model::{MetricValue, ObjectRef, Quantity, ResourceType, Sample};

/// Why a sample is no value. prometheus-adapter serves the smallest integer for such samples of
/// external metrics, which makes the HPA scale to its minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(super) enum Unusable {
    #[error("NaN is no value")]
    NotANumber,
    #[error("an infinite number is no value")]
    Infinite,
    #[error("2^63 thousandths or more do not fit into a quantity")]
    Overflow,
}

impl Unusable {
    /// The label value of the counter.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NotANumber => "nan",
            Self::Infinite => "infinite",
            Self::Overflow => "overflow",
        }
    }
}

/// The quantity of a sample.
pub(super) fn quantity(value: f64) -> Result<Quantity, Unusable> {
    if value.is_nan() {
        return Err(Unusable::NotANumber);
    }
    if value.is_infinite() {
        return Err(Unusable::Infinite);
    }
    Quantity::from_f64(value).map_err(|_| Unusable::Overflow)
}

/// Which objects the samples describe.
pub(super) struct Objects<'a> {
    pub(super) resource: &'a ResourceType,
    pub(super) namespace: Option<&'a Arc<str>>,
    /// The label that carries their names.
    pub(super) label: &'a str,
}

impl Objects<'_> {
    /// The values of the named objects, in the order of the names; objects without a usable
    /// sample are left out, and what is wrong with a sample is told. Of several samples for one
    /// object the last one wins.
    ///
    /// Fails when there are samples and none carries the label: the rule's query forgot
    /// `by (<<.GroupBy>>)`.
    pub(super) fn values(
        &self,
        samples: &[Sample],
        names: &[Arc<str>],
        left_out: impl Fn(Unusable),
    ) -> Result<Vec<MetricValue>, ()> {
        let by_name: HashMap<&str, &Sample> = samples
            .iter()
            .filter_map(|sample| Some((sample.labels.get(self.label)?.as_ref(), sample)))
            .collect();
        if by_name.is_empty() && !samples.is_empty() {
            debug!(
                label = self.label,
                "no sample carries the label of the objects"
            );
            return Err(());
        }
        let api_version: Arc<str> = self.resource.api_version().into();
        let kind: Arc<str> = self.resource.kind.as_str().into();
        let value = |name: &Arc<str>| {
            let sample = by_name.get(name.as_ref())?;
            Some(MetricValue {
                object: ObjectRef {
                    api_version: Arc::clone(&api_version),
                    kind: Arc::clone(&kind),
                    namespace: self.namespace.cloned(),
                    name: Arc::clone(name),
                },
                value: of_object(sample.value).map_err(&left_out).ok()?,
                timestamp: sample.timestamp,
            })
        };
        Ok(names.iter().filter_map(value).collect())
    }
}

/// NaN of an object is 0, as prometheus-adapter has it.
fn of_object(value: f64) -> Result<Quantity, Unusable> {
    match quantity(value) {
        Err(Unusable::NotANumber) => Ok(Quantity::ZERO),
        other => other,
    }
}
