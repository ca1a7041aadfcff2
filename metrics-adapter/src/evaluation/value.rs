//! From an instant vector to the values of objects.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::debug;

use crate::model::{MetricValue, ObjectRef, Quantity, ResourceType, Sample};

/// Which objects the samples describe.
pub(super) struct Objects<'a> {
    pub(super) resource: &'a ResourceType,
    pub(super) namespace: Option<&'a Arc<str>>,
    /// The label that carries their names.
    pub(super) label: &'a str,
}

impl Objects<'_> {
    /// The values of the named objects, in the order of the names; objects without a usable
    /// sample are left out. Of several samples for one object the last one wins.
    ///
    /// Fails when there are samples and none carries the label: the rule's query forgot
    /// `by (<<.GroupBy>>)`.
    pub(super) fn values(
        &self,
        samples: &[Sample],
        names: &[Arc<str>],
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
                value: quantity(sample.value)?,
                timestamp: sample.timestamp,
            })
        };
        Ok(names.iter().filter_map(value).collect())
    }
}

/// NaN is 0, as prometheus-adapter has it; infinities and what overflows are no value, where
/// prometheus-adapter serves the smallest integer and makes the HPA scale to its minimum.
fn quantity(value: f64) -> Option<Quantity> {
    if value.is_nan() {
        return Some(Quantity::ZERO);
    }
    Quantity::from_f64(value)
        .inspect_err(|error| debug!("a sample is left out: {error}"))
        .ok()
}
