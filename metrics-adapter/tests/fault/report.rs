//! What becomes of a fault: a row of the table in docs/reliability.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::probe::{Outcome, Probe, Seen};

/// One fault.
pub(crate) struct Row {
    pub(crate) fault: String,
    pub(crate) saw: String,
    pub(crate) lost: String,
    pub(crate) recovery: String,
    pub(crate) memory: String,
    /// Whether the machine was fast enough to hold anybody to deadlines.
    pub(crate) is_judged: bool,
    /// What should not have been.
    pub(crate) problems: Vec<String>,
}

const HEAD: &str = "| fault | what clients saw | what was lost | recovery | peak memory |\n\
                    | --- | --- | --- | --- | --- |\n";

/// All of them.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    for row in rows {
        let Row {
            fault,
            is_judged,
            saw,
            lost,
            recovery,
            memory,
            ..
        } = row;
        let busy = if *is_judged {
            ""
        } else {
            "machine too busy for deadlines; "
        };
        writeln!(
            text,
            "| {fault} | {busy}{saw} | {lost} | {recovery} | {memory} |"
        )
        .unwrap();
    }
    text
}

/// The faults that a document's table has.
pub(crate) fn documented(text: &str) -> Vec<String> {
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("| fault |"))
        .skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('|').nth(1))
        .map(|name| name.trim().to_owned())
        .collect()
}

/// How long answers took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency {
    pub(crate) nine_of_ten: Duration,
    pub(crate) all: Duration,
}

impl Latency {
    /// `None` if there were none.
    pub(crate) fn of<'a>(seen: impl Iterator<Item = &'a Seen>) -> Option<Self> {
        let mut times: Vec<Duration> = seen.map(|seen| seen.took).collect();
        times.sort();
        Some(Self {
            nine_of_ten: *times.get(times.len() * 9 / 10)?,
            all: *times.last()?,
        })
    }
}

/// A name and the probes that have it.
type Kind = (&'static str, fn(Probe) -> bool);

/// Statuses and how many of them, discovery, values and others apart, with the longest time; for
/// discovery also how long nine of ten took, and how long meanwhile elsewhere.
pub(crate) fn saw(seen: &[Seen], control: &[Seen]) -> String {
    let kinds: [Kind; 5] = [
        ("discovery", |probe| probe == Probe::Discovery),
        ("on new connections", |probe| probe == Probe::Fresh),
        ("values", Probe::is_value),
        ("strangers", |probe| {
            matches!(probe, Probe::Stranger | Probe::BadToken)
        }),
        ("tokens", |probe| probe == Probe::Token),
    ];
    let kinds = kinds.iter().filter_map(|(name, is)| {
        let of: Vec<&Seen> = seen.iter().filter(|seen| is(seen.probe)).collect();
        let latency = Latency::of(of.iter().copied())?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for seen in of {
            let label = match &seen.outcome {
                Outcome::Good(status) | Outcome::Refused(status) => status.to_string(),
                Outcome::Short => "200 without some".to_owned(),
                Outcome::Broken(_) => "none".to_owned(),
                Outcome::Wrong(_) => "WRONG".to_owned(),
            };
            *counts.entry(label).or_default() += 1;
        }
        let counts = counts
            .iter()
            .map(|(label, count)| format!("{label} × {count}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let all = milliseconds(latency.all);
        if *name != "discovery" {
            return Some(format!("{name}: {counts} (≤ {all})"));
        }
        let most = milliseconds(latency.nine_of_ten);
        let control = control.iter().filter(|seen| seen.probe == Probe::Discovery);
        let control = Latency::of(control).unwrap_or_default();
        let control = milliseconds(control.nine_of_ten);
        Some(format!(
            "{name}: {counts} (9 of 10 ≤ {most}, elsewhere {control}; all ≤ {all})"
        ))
    });
    kinds.collect::<Vec<_>>().join("; ")
}

/// How many questions for values had no complete answer.
pub(crate) fn lost(seen: &[Seen]) -> String {
    let asked = seen
        .iter()
        .filter(|seen| seen.probe.is_value() || seen.probe == Probe::Token);
    let (good, lost): (Vec<&Seen>, Vec<&Seen>) =
        asked.partition(|seen| matches!(seen.outcome, Outcome::Good(_)));
    match lost.len() {
        0 => "nothing".to_owned(),
        number => format!("{number} of {} answers", number + good.len()),
    }
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
