//! Whether an HPA's status says what its metrics ask for.

use serde::Serialize;

use super::Condition;

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// In one word.
    pub word: Word,
    /// In a sentence.
    pub message: String,
    /// What helps, if anything does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<String>,
}

/// The verdict in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Word {
    /// The HPA does what its metrics ask for, or waits for a reason that it tells.
    Agrees,
    /// It does something else.
    Differs,
    /// It cannot know what to do.
    Fails,
    /// What it knows, the user may not see.
    Unseen,
}

/// What is compared.
pub(super) struct Facts<'a> {
    pub(super) bounds: [i32; 2],
    pub(super) replicas: i32,
    /// What the metrics ask for now.
    pub(super) wanted: Option<i32>,
    /// What the status wants.
    pub(super) desired: i32,
    pub(super) conditions: &'a [Condition],
    /// Of the first metric that asks for nothing: its name, why, what helps.
    pub(super) failed: Option<(&'a str, &'a str, &'a [String])>,
    /// Whether some metrics have no value because the user may not see it.
    pub(super) is_forbidden: bool,
    /// Metrics of which the status says something else: their name, and both values.
    pub(super) moved: Vec<(&'a str, &'a str, &'a str)>,
}

/// Judges.
pub(super) fn verdict(facts: &Facts<'_>) -> Verdict {
    let Facts {
        bounds: [min, max],
        replicas,
        desired,
        ..
    } = *facts;
    let condition = |kind: &str| facts.conditions.iter().find(|one| one.r#type == kind);
    let say = |word, message: String| Verdict {
        word,
        message,
        advice: Vec::new(),
    };
    if replicas == 0 {
        return say(
            Word::Agrees,
            "the target has no replicas, which disables the HPA".to_owned(),
        );
    }
    if !(min..=max).contains(&replicas) {
        let message = format!("{replicas} replicas are out of bounds, {min} to {max}");
        let is_due = desired == replicas.clamp(min, max);
        return say(if is_due { Word::Agrees } else { Word::Differs }, message);
    }
    let Some(wanted) = facts.wanted else {
        let (message, advice) = match facts.failed {
            Some((name, cause, advice)) => (format!("{name}: {cause}"), advice.to_vec()),
            None => ("no metric has a value".to_owned(), Vec::new()),
        };
        return Verdict {
            word: if facts.is_forbidden {
                Word::Unseen
            } else {
                Word::Fails
            },
            message,
            advice,
        };
    };
    let due = wanted.clamp(min, max);
    let bounded = if due == wanted {
        String::new()
    } else {
        format!(" of {wanted} that the metrics ask for")
    };
    let active = condition("ScalingActive").filter(|one| one.status == "False");
    if let Some(active) = active {
        let message = format!(
            "{due} replicas are due, but its status says {}: {}",
            active.reason, active.message
        );
        return say(Word::Differs, message);
    }
    if desired == due {
        return say(Word::Agrees, format!("{due} replicas{bounded}"));
    }
    // What it says when it holds back.
    let held = if due < desired {
        ["ScaleDownStabilized", "ScaleDownLimit"]
    } else {
        ["ScaleUpStabilized", "ScaleUpLimit"]
    };
    let told = facts
        .conditions
        .iter()
        .find(|one| one.status == "True" && held.contains(&one.reason.as_str()));
    if let Some(told) = told {
        let message = format!(
            "{due} replicas{bounded} are due, and it stays at {desired} for now, {}: {}",
            told.reason, told.message
        );
        return say(Word::Agrees, message);
    }
    let why = match facts.moved.first() {
        Some((name, now, then)) => {
            format!("{name} is {now} now, and was {then} when it looked; it looks every 15 s")
        }
        None => "its metrics are what its status says, so look at it again in 15 s".to_owned(),
    };
    say(
        Word::Differs,
        format!("{due} replicas{bounded} are due, its status says {desired}: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_condition(kind: &str, status: &str, reason: &str) -> Condition {
        Condition {
            r#type: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: "as it says".to_owned(),
        }
    }

    fn mk_facts(conditions: &[Condition]) -> Facts<'_> {
        Facts {
            bounds: [1, 10],
            replicas: 4,
            wanted: Some(4),
            desired: 4,
            conditions,
            failed: None,
            is_forbidden: false,
            moved: Vec::new(),
        }
    }

    #[test]
    fn what_is_due_is_compared_with_what_is_desired() {
        let stabilized = [mk_condition("AbleToScale", "True", "ScaleDownStabilized")];
        let limited = [mk_condition("ScalingLimited", "True", "ScaleUpLimit")];
        let failing = [mk_condition(
            "ScalingActive",
            "False",
            "FailedGetPodsMetric",
        )];
        type Change = fn(&mut Facts<'_>);
        let table: [(&[Condition], Change, Word, &str); 12] = [
            (&[], |_| (), Word::Agrees, "4 replicas"),
            (&[], |f| f.replicas = 0, Word::Agrees, "disables"),
            (
                &[],
                |f| (f.wanted, f.desired) = (Some(14), 10),
                Word::Agrees,
                "10 replicas of 14 that the metrics ask for",
            ),
            (
                &[],
                |f| (f.replicas, f.desired) = (12, 10),
                Word::Agrees,
                "out of bounds",
            ),
            (
                &[],
                |f| f.replicas = 12,
                Word::Differs,
                "out of bounds, 1 to 10",
            ),
            (
                &stabilized,
                |f| f.wanted = Some(2),
                Word::Agrees,
                "stays at 4 for now, ScaleDownStab",
            ),
            (
                &limited,
                |f| f.wanted = Some(9),
                Word::Agrees,
                "9 replicas are due, and it stays at 4",
            ),
            // The reason is one for the other direction.
            (
                &limited,
                |f| f.wanted = Some(2),
                Word::Differs,
                "2 replicas are due, its status says 4",
            ),
            (
                &[],
                |f| (f.wanted, f.moved) = (Some(5), vec![("pods/rps", "60", "40")]),
                Word::Differs,
                "pods/rps is 60 now, and was 40 when it looked",
            ),
            (
                &failing,
                |_| (),
                Word::Differs,
                "FailedGetPodsMetric: as it says",
            ),
            (
                &failing,
                |f| {
                    f.wanted = None;
                    f.failed = Some(("pods/rps", "no rule", &[]));
                },
                Word::Fails,
                "pods/rps: no rule",
            ),
            (
                &[],
                |f| {
                    (f.wanted, f.is_forbidden) = (None, true);
                    f.failed = Some(("pods/rps", "RBAC", &[]));
                },
                Word::Unseen,
                "pods/rps: RBAC",
            ),
        ];
        for (conditions, change, word, message) in table {
            let mut facts = mk_facts(conditions);
            change(&mut facts);
            let told = verdict(&facts);
            assert_eq!(told.word, word, "{}", told.message);
            assert!(told.message.contains(message), "{}", told.message);
        }
    }
}
