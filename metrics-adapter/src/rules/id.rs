//! Which rule it is.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// A rule's place in its file, and what stands there. Equal across two versions of a file if the
/// rule has neither moved nor changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleId {
    place: Arc<str>,
    content: Fingerprint,
}

/// What a rule says, wherever it stands: what belongs to a rule is kept under this. A hash of 64
/// bits, so that two of a thousand rules are taken for one in one file of 10^13.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl RuleId {
    pub(crate) fn new(place: &str, content: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        Self {
            place: place.into(),
            content: Fingerprint(hasher.finish()),
        }
    }

    /// The place in the file, for instance `rules[0]`.
    pub fn place(&self) -> &Arc<str> {
        &self.place
    }

    /// What stands there.
    pub fn content(&self) -> Fingerprint {
        self.content
    }
}

impl AsRef<str> for RuleId {
    fn as_ref(&self) -> &str {
        &self.place
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::RuleFile;
    use crate::rules::{RuleSet, compile};

    fn mk_rules(text: &str) -> RuleSet {
        compile(&RuleFile::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn a_rule_that_moves_is_the_same_one_in_another_place() {
        let a = "{seriesQuery: a, metricsQuery: x, onMissing: {last: 1m}}";
        let b = "{seriesQuery: b, metricsQuery: x}";
        let before = mk_rules(&format!("rules: [{a}]"));
        let after = mk_rules(&format!("# more\nrules: [{b}, {a}]\nexternalRules: [{b}]"));
        let (before, after) = (before.custom[0].id(), after.custom[1].id());
        assert_ne!(before, after);
        assert_eq!(before.content(), after.content());
        assert_eq!((before.as_ref(), after.as_ref()), ("rules[0]", "rules[1]"));
        let again = mk_rules(&format!("externalRules: []\nrules: [{a}, {b}]"));
        assert_eq!(again.custom[0].id(), before);
    }

    #[test]
    fn a_rule_that_changes_is_another_one() {
        let rules = [
            "{seriesQuery: a, metricsQuery: x}",
            "{seriesQuery: b, metricsQuery: x}",
            "{seriesQuery: a, metricsQuery: y}",
            "{seriesQuery: a, metricsQuery: x, name: {as: y}}",
            "{seriesQuery: a, metricsQuery: x, resources: {template: <<.Resource>>}}",
            "{seriesQuery: a, metricsQuery: x, seriesFilters: [{is: x}]}",
            "{seriesQuery: a, metricsQuery: x, seriesFilters: [{isNot: x}]}",
            "{seriesQuery: a, metricsQuery: x, onMissing: zero}",
            "{seriesQuery: a, metricsQuery: x, onNaN: zero}",
            "{seriesQuery: a, metricsQuery: x, onNaN: {value: 1m}}",
            "{seriesQuery: a, metricsQuery: x, maxAge: 1m}",
            "{seriesQuery: a, metricsQuery: x, maxStaleness: 1m}",
            "{seriesQuery: a, metricsQuery: x, window: 1m}",
        ];
        let ids = rules.map(|rule| mk_rules(&format!("rules: [{rule}]")).custom[0].id().clone());
        let contents: std::collections::BTreeSet<u64> = ids.iter().map(|id| id.content.0).collect();
        assert_eq!(contents.len(), rules.len());
        let cpu = |query: &str| {
            let rules = mk_rules(&format!("resourceRules: {{cpu: {{nodeQuery: {query}}}}}"));
            rules.resource.unwrap().cpu.id().clone()
        };
        assert_eq!(cpu("x"), cpu("x"));
        assert_ne!(cpu("x"), cpu("y"));
    }
}
