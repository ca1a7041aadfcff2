//! How the rules fare. The lines for `/readyz`, which everybody may read, have places of rules, and
//! no text of Prometheus.

use std::sync::Arc;

use jiff::Timestamp;

/// More places than these are only counted.
const NAMED: usize = 5;

/// How one rule fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleHealth {
    /// The rule's place in its file.
    pub rule: Arc<str>,
    /// Its series query, as the file has it.
    pub series_query: Arc<str>,
    /// When its series query last succeeded.
    pub last_success: Option<Timestamp>,
    /// How many series it found; `None` unless that answer makes metrics still.
    pub series: Option<usize>,
    /// Why it fails now, if it does.
    pub error: Option<String>,
}

/// One line on all rules, which tells "never had an answer" from "serves what it had last", and
/// that from "had one too long ago".
pub fn summary(health: &[RuleHealth]) -> String {
    let of = |answer: Answer| {
        let failing = health.iter().filter(|rule| rule.error.is_some());
        failing.filter(move |rule| Answer::of(rule) == answer)
    };
    let failing = health.iter().filter(|rule| rule.error.is_some()).count();
    let waiting = health
        .iter()
        .filter(|rule| rule.error.is_none() && rule.last_success.is_none())
        .count();
    let well = health.len() - waiting - failing;
    let mut text = format!("{well} of {} work", health.len());
    if waiting > 0 {
        text.push_str(&format!("; {waiting} not asked yet"));
    }
    for (what, answer) in [
        ("fail, never had an answer", Answer::None),
        ("fail, serve what they had last", Answer::InUse),
        ("fail, had their last answer too long ago", Answer::TooOld),
    ] {
        let places: Vec<&str> = of(answer).map(|rule| rule.rule.as_ref()).collect();
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

/// One line on metrics that several rules or series claim. Their names are in the log.
pub fn collisions(number: usize) -> String {
    match number {
        0 => "none".to_owned(),
        1 => "1 metric is claimed more than once; the log names it".to_owned(),
        number => format!("{number} metrics are claimed more than once; the log names them"),
    }
}

/// What a rule serves from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    None,
    InUse,
    TooOld,
}

impl Answer {
    const fn of(rule: &RuleHealth) -> Self {
        match (rule.last_success, rule.series) {
            (None, _) => Self::None,
            (Some(_), Some(_)) => Self::InUse,
            (Some(_), None) => Self::TooOld,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_rule(place: usize, answered: bool, fails: bool) -> RuleHealth {
        RuleHealth {
            rule: format!("rules[{place}]").into(),
            series_query: "up".into(),
            last_success: answered.then_some(Timestamp::UNIX_EPOCH),
            series: answered.then_some(1),
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
        let old = RuleHealth {
            series: None,
            ..mk_rule(3, true, true)
        };
        assert_eq!(
            summary(&[old]),
            "0 of 1 work; 1 fail, had their last answer too long ago: rules[3]"
        );
    }

    #[test]
    fn collisions_are_counted() {
        assert_eq!(collisions(0), "none");
        assert!(collisions(1).starts_with("1 metric is "));
        assert!(collisions(2).starts_with("2 metrics are "));
    }
}
