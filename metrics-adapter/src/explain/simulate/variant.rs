//! `--candidate`: the first manifest with other figures.

use std::fmt;
use std::str::FromStr;

use super::naming;
use crate::explain::autoscaler::{Autoscaler, Target};
use crate::model::Quantity;

/// One change of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The target of a metric, by its name or qualified name.
    Target(String, Quantity),
    /// `minReplicas`.
    MinReplicas(i32),
    /// `maxReplicas`.
    MaxReplicas(i32),
}

/// Changes that make one candidate, as they were typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    text: String,
    changes: Vec<Change>,
}

impl FromStr for Variant {
    type Err = String;

    /// `METRIC=TARGET[,...]`; `minReplicas` and `maxReplicas` stand beside metrics.
    fn from_str(text: &str) -> Result<Self, String> {
        let change = |part: &str| {
            let (name, value) = naming::split(part)
                .ok_or_else(|| format!("expected METRIC=TARGET, not {part:?}"))?;
            let number = || {
                let number = value.parse().ok().filter(|number| *number > 0);
                number.ok_or_else(|| format!("{name}: expected a number of replicas"))
            };
            Ok(match name {
                "" => return Err(format!("expected METRIC=TARGET, not {part:?}")),
                "minReplicas" => Change::MinReplicas(number()?),
                "maxReplicas" => Change::MaxReplicas(number()?),
                metric => {
                    let target: Quantity = value
                        .parse()
                        .map_err(|error| format!("{metric}: {error}"))?;
                    if target.milli() <= 0 {
                        return Err(format!("{metric}: a target must be more than 0"));
                    }
                    Change::Target(metric.to_owned(), target)
                }
            })
        };
        Ok(Self {
            text: text.to_owned(),
            changes: naming::parts(text)
                .into_iter()
                .map(change)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Variant {
    /// The changed HPA; the kind of a target stays.
    pub(super) fn apply(&self, autoscaler: &Autoscaler) -> Result<Autoscaler, String> {
        let mut changed = autoscaler.clone();
        for change in &self.changes {
            match change {
                Change::MinReplicas(min) => changed.bounds.min = *min,
                Change::MaxReplicas(max) => changed.bounds.max = *max,
                Change::Target(name, quantity) => {
                    let sources = autoscaler.metrics.iter().map(|metric| &metric.source);
                    let place = naming::find(name, sources.enumerate())?;
                    let metric = &mut changed.metrics[place];
                    metric.target = with(metric.target, *quantity)?;
                }
            }
        }
        if changed.bounds.max < changed.bounds.min {
            return Err("maxReplicas is less than minReplicas".to_owned());
        }
        Ok(changed)
    }
}

fn with(target: Target, quantity: Quantity) -> Result<Target, String> {
    let milli = quantity.milli();
    Ok(match target {
        Target::Value(_) => Target::Value(milli),
        Target::AverageValue(_) => Target::AverageValue(milli),
        Target::Utilization(_) => {
            let percents = i32::try_from(milli / 1000).ok();
            let whole = percents.filter(|_| milli % 1000 == 0);
            Target::Utilization(whole.ok_or("a utilization is a whole number of percents")?)
        }
    })
}
