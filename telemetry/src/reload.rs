//! What becomes of the new versions of things that are read again while the process runs: files of
//! certificates, tokens, a ConfigMap.
//!
//! Law: a problem is told once, until there is another one or none; as long as there is one, the
//! gauge says so, whatever is used in the meantime.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    Success,
    Failure,
}

crate::snake_case_labels!(Outcome);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    result: Outcome,
}

/// A counter and a gauge for one kind of thing. Clones share their values.
#[derive(Clone, Debug, Default)]
pub struct Reloads {
    total: Family<Labels, Counter>,
    failing: Gauge,
}

impl Reloads {
    /// Registers `<name>_reloads_total` and `<name>_reload_failing`; `what` is the thing, for the
    /// help texts.
    pub fn register(registry: &mut Registry, name: &str, what: &str) -> Self {
        let reloads = Self::default();
        for result in [Outcome::Success, Outcome::Failure] {
            drop(reloads.total.get_or_create(&Labels { result }));
        }
        registry.register(
            format!("{name}_reloads_total"),
            format!("New versions of {what} by what became of them"),
            reloads.total.clone(),
        );
        registry.register(
            format!("{name}_reload_failing"),
            format!("How many of {what} are broken, the last good version being used"),
            reloads.failing.clone(),
        );
        reloads
    }

    /// One thing of this kind.
    pub fn source(&self) -> Source {
        Source {
            reloads: self.clone(),
            problem: None,
        }
    }

    fn count(&self, result: Outcome) {
        self.total.get_or_create(&Labels { result }).inc();
    }
}

/// One thing that is read again, whose last good version was used at the start.
#[derive(Debug)]
pub struct Source {
    reloads: Reloads,
    /// What was wrong the last time.
    problem: Option<String>,
}

impl Source {
    /// A new version is used.
    pub fn replaced(&mut self) {
        self.reloads.count(Outcome::Success);
        self.restored();
    }

    /// It is the version that is used; whether it was broken before, so that its recovery is to be
    /// told.
    pub fn restored(&mut self) -> bool {
        let was_broken = self.problem.take().is_some();
        if was_broken {
            self.reloads.failing.dec();
        }
        was_broken
    }

    /// What is wrong with it now.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// It is broken; whether this is a new problem, which is to be told.
    pub fn broken(&mut self, problem: &str) -> bool {
        if self.problem.as_deref() == Some(problem) {
            return false;
        }
        self.reloads.count(Outcome::Failure);
        if self.problem.replace(problem.to_owned()).is_none() {
            self.reloads.failing.inc();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_once_and_shows_until_it_is_gone() {
        let mut registry = Registry::default();
        let reloads = Reloads::register(&mut registry, "file", "the files");
        let (mut one, mut two) = (reloads.source(), reloads.source());
        let values = |registry: &Registry| {
            let text = crate::text::encode(registry);
            let samples = text.lines().filter(|line| !line.starts_with('#'));
            let values = samples.map(|line| line.rsplit(' ').next().unwrap().to_owned());
            values.collect::<Vec<_>>()
        };
        assert!(!one.restored());
        assert!(one.broken("half a file") && two.broken("no file"));
        assert!(!one.broken("half a file"));
        assert!(one.broken("no file"));
        let mut found = values(&registry);
        found.sort();
        assert_eq!(found, ["0", "2", "3"]);
        one.replaced();
        assert!(two.restored() && !two.restored());
        let mut found = values(&registry);
        found.sort();
        assert_eq!(found, ["0", "1", "3"]);
    }
}
