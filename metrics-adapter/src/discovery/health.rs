//! How the rules fare, for `/readyz`, which everybody may read: places of rules, and no text of
//! Prometheus.

use std::sync::Arc;

use jiff::Timestamp;

/// More places than these are only counted.
const NAMED: usize = 5;

/// How one rule fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleHealth {
    /// The rule's place in its file.
    pub rule: Arc<str>,
    /// When its series query last succeeded.
    pub last_success: Option<Timestamp>,
    /// Why it fails now, if it does.
    pub error: Option<String>,
}

/// One line on all rules, which tells "never had an answer" from "serves what it had last".
pub fn summary(health: &[RuleHealth]) -> String {
    let of = |answered: bool| {
        let failing = health.iter().filter(move |rule| rule.error.is_some());
        failing.filter(move |rule| rule.last_success.is_some() == answered)
    };
    let waiting = health
        .iter()
        .filter(|rule| rule.error.is_none() && rule.last_success.is_none())
        .count();
    let well = health.len() - waiting - of(true).count() - of(false).count();
    let mut text = format!("{well} of {} work", health.len());
    if waiting > 0 {
        text.push_str(&format!("; {waiting} not asked yet"));
    }
    for (what, answered) in [
        ("fail, never had an answer", false),
        ("fail, serve what they had last", true),
    ] {
        let places: Vec<&str> = of(answered).map(|rule| rule.rule.as_ref()).collect();
        let Some(named) = places.chunks(NAMED).next() else {
            continue;
        };
        text.push_str(&format!("; {} {what}: {}", places.len(), named.join(", ")));
        if places.len() > NAMED {
            text.push_str(", …");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_rule(place: usize, answered: bool, fails: bool) -> RuleHealth {
        RuleHealth {
            rule: format!("rules[{place}]").into(),
            last_success: answered.then_some(Timestamp::UNIX_EPOCH),
            error: fails.then(|| "secret text of Prometheus".to_owned()),
        }
    }

    #[test]
    fn never_and_stale_are_told_apart() {
        assert_eq!(summary(&[]), "0 of 0 work");
        assert_eq!(
            summary(&[mk_rule(0, true, false), mk_rule(1, false, false)]),
            "1 of 2 work; 1 not asked yet"
        );
        let mut rules: Vec<_> = (1..8).map(|place| mk_rule(place, false, true)).collect();
        rules.insert(0, mk_rule(0, true, true));
        assert_eq!(
            summary(&rules),
            "0 of 8 work; 7 fail, never had an answer: rules[1], rules[2], rules[3], rules[4], \
             rules[5], …; 1 fail, serve what they had last: rules[0]"
        );
    }
}
