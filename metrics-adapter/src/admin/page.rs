//! The page's HTML: a summary, and a table per subject.

use jiff::SignedDuration;

use super::autoscaler::{Autoscaler, autoscalers};
use super::status::{RuleStatus, Status};
use super::table::{Mood, cell, code, figure, holds, name, note, said, table};
use super::text;
use crate::evaluation::{Poll, RuleFailure};
use crate::markup::Element;
use crate::model::MetricsApi;

/// Without anything that HTML would have escaped, so that its hash is that of this text.
pub(super) const STYLE: &str = include_str!("style.css");

/// A rule whose queries have failed within this time is not well: four polls of an HPA, as for the
/// log.
const LATELY: SignedDuration = SignedDuration::from_secs(60);

/// The whole document.
pub(super) fn page(status: &Status) -> String {
    let autoscalers = autoscalers(&status.polls);
    let title = format!("metrics-adapter on {}", status.host);
    let meta = |name, content| {
        let meta = Element::new("meta").with("name", name);
        meta.with("content", content)
    };
    let head = Element::new("head").all([
        Element::new("meta").with("charset", "utf-8"),
        meta("viewport", "width=device-width, initial-scale=1"),
        meta("color-scheme", "light dark"),
        Element::new("title").text(&title),
        // Or browsers ask for one.
        Element::new("link")
            .with("rel", "icon")
            .with("href", "data:,"),
        Element::new("style").text(STYLE),
    ]);
    let body = Element::new("body").all([
        Element::new("h1").text(&title),
        paragraph(&format!(
            "Version {}, up for {}. Told at {}; every pod tells of itself alone.",
            status.version,
            text::span(status.uptime),
            text::time(status.now)
        )),
        summary(status, &autoscalers),
        heading("Rules"),
        rules(status),
        heading("HPAs seen"),
        paragraph(
            "Who asks for the same objects at an even pace: a line is normally one HPA. HPAs that ask \
             for exactly the same share a line, and so do others who repeat a request evenly.",
        ),
        hpas(&autoscalers),
        heading("Metrics asked for"),
        paragraph("Requests of the last hour, the latest first."),
        polls(status),
        heading("Last errors"),
        paragraph("The last failure of each rule whose queries for values have failed."),
        failures(status),
        heading("Names claimed more than once"),
        collisions(status),
        heading("Certificates"),
        certificates(status),
    ]);
    let html = Element::new("html").with("lang", "en");
    format!("<!DOCTYPE html>\n{}\n", html.inside(&head).inside(&body))
}

fn heading(text: &str) -> Element {
    Element::new("h2").text(text)
}

fn paragraph(text: &str) -> Element {
    Element::new("p").class("note").text(text)
}

/// The few things that somebody in a hurry wants to know.
fn summary(status: &Status, autoscalers: &[Autoscaler]) -> Element {
    let missing: Vec<&str> = status
        .conditions
        .iter()
        .filter(|condition| !condition.holds)
        .map(|condition| condition.name)
        .collect();
    let ready = match &missing[..] {
        [] => said(Mood::Good, "yes"),
        missing => said(Mood::Bad, &format!("no: {}", missing.join(", "))),
    };
    let well = status
        .rules
        .iter()
        .filter(|rule| verdict(rule, status).1 != Mood::Bad);
    let (well, all) = (well.count(), status.rules.len());
    let mood = if well == all { Mood::Good } else { Mood::Bad };
    let rules = said(mood, &format!("{well} of {all} work"));
    let metrics: usize = status.rules.iter().map(|rule| rule.metrics).sum();
    let calls = status.calls;
    let rate = |calls: u64| {
        // Calls of a minute are few enough to be exact.
        #[allow(clippy::cast_precision_loss)]
        let calls = calls as f64;
        format!("{:.2}/s", calls / status.calls.over.as_secs_f64())
    };
    let failed = match calls.failed {
        0 => note("none failed"),
        failed => {
            let failed = format!("{} failed", rate(failed));
            Element::new("div").inside(&said(Mood::Bad, &failed))
        }
    };
    let over = format!("calls of Prometheus, last {}", text::span(calls.over));
    Element::new("dl").all([
        item("ready", &[ready]),
        item("rules", &[rules, note(resource_rules(status))]),
        item(
            "metrics discovered",
            &[said(Mood::Plain, &metrics.to_string())],
        ),
        item(
            "HPAs seen",
            &[said(Mood::Plain, &autoscalers.len().to_string())],
        ),
        item(&over, &[said(Mood::Plain, &rate(calls.ended)), failed]),
        item("rules file", &file(status)).with("id", "file"),
    ])
}

fn item(term: &str, descriptions: &[Element]) -> Element {
    let description = Element::new("dd");
    let description = descriptions.iter().fold(description, Element::inside);
    let term = Element::new("dt").text(term);
    let card = Element::new("div").class("card");
    card.inside(&term).inside(&description)
}

const fn resource_rules(status: &Status) -> &'static str {
    if status.has_resource_rules {
        "and those for CPU and memory"
    } else {
        "none for CPU and memory"
    }
}

fn file(status: &Status) -> Vec<Element> {
    let file = &status.file;
    let age = text::since(file.read, status.now);
    let mut told = vec![match &file.refused {
        None => said(Mood::Good, &format!("in use, read {age} ago")),
        Some(_) => said(Mood::Bad, "refused, the one before is in use"),
    }];
    told.push(note(&file.path.display().to_string()));
    told.push(note(&format!("SHA-256 {}", file.sha256)));
    if let Some((at, error)) = &file.refused {
        let since = text::since(*at, status.now);
        told.push(note(&format!(
            "in use: read {age} ago; refused {since} ago:"
        )));
        told.push(Element::new("div").inside(&code(error)));
    }
    told
}

/// How a rule fares, in words.
fn verdict(rule: &RuleStatus, status: &Status) -> (&'static str, Mood) {
    let health = &rule.health;
    let fails = |failure: &RuleFailure| {
        failure.rule == health.rule && status.now.duration_since(failure.at) < LATELY
    };
    match (&health.error, health.last_success, health.series) {
        (None, None, _) => ("not asked yet", Mood::Plain),
        (None, _, Some(0)) => ("finds no series", Mood::Bad),
        (None, _, _) if rule.metrics == 0 => ("makes no metrics of its series", Mood::Bad),
        (None, _, _) if status.failures.iter().any(fails) => {
            ("its queries for values fail", Mood::Bad)
        }
        (None, _, _) => ("works", Mood::Good),
        (Some(_), None, _) => ("fails, never had an answer", Mood::Bad),
        (Some(_), _, None) => ("fails, its last answer is too old", Mood::Bad),
        (Some(_), _, _) if rule.metrics == 0 => ("makes no metrics", Mood::Bad),
        (Some(_), _, _) => ("fails, serves what it had last", Mood::Bad),
    }
}

fn rules(status: &Status) -> Element {
    let row = |rule: &RuleStatus| {
        let health = &rule.health;
        let (words, mood) = verdict(rule, status);
        let mut state = holds(&said(mood, words));
        if let Some(error) = &health.error {
            state = state.inside(&Element::new("div").inside(&code(error)));
        }
        let answer = health
            .last_success
            .map_or_else(|| "never".to_owned(), |at| text::since(at, status.present));
        vec![
            cell(&health.rule),
            state,
            holds(&code(&health.series_query)),
            figure(&health.series.unwrap_or(0).to_string()),
            names(rule),
            figure(&answer),
        ]
    };
    let head = [
        "rule",
        "state",
        "series query",
        "series",
        "metrics",
        "answer's age",
    ];
    let nothing = "The file has no rules for custom or external metrics.";
    table(&head, status.rules.iter().map(row), nothing)
}

/// The number of a rule's metrics, and the first names.
fn names(rule: &RuleStatus) -> Element {
    let number = figure(&rule.metrics.to_string());
    let first = rule.names.iter();
    let lines = first.map(|metric| Element::new("div").inside(&name(metric)));
    let names = number.all(lines);
    if rule.names.len() == RuleStatus::NAMES && rule.metrics > RuleStatus::NAMES {
        return names.inside(&note("and so on"));
    }
    names
}

fn hpas(autoscalers: &[Autoscaler]) -> Element {
    let row = |one: &Autoscaler| {
        let objects = match one.objects.as_ref() {
            "" => cell("none: an external metric"),
            objects => holds(&code(objects)),
        };
        let metrics = one.metrics.iter();
        let metrics = metrics.map(|metric| Element::new("div").inside(&name(metric)));
        let pollers = match one.pollers {
            1 => "one".to_owned(),
            many => format!("{many} at least"),
        };
        vec![
            cell(namespace(one.namespace.as_deref())),
            objects,
            Element::new("td").all(metrics),
            figure(&text::period(one.period)),
            cell(&pollers),
            figure(&format!("{} ago", text::span(one.last))),
        ]
    };
    let head = [
        "namespace",
        "objects",
        "metrics",
        "every",
        "pollers",
        "last poll",
    ];
    table(
        &head,
        autoscalers.iter().map(row),
        "Nobody polls at an even pace.",
    )
}

fn namespace(namespace: Option<&str>) -> &str {
    namespace.unwrap_or("-")
}

fn polls(status: &Status) -> Element {
    let row = |poll: &Poll| {
        let mut asked = holds(&name(&poll.metric));
        if !poll.selector.is_empty() {
            asked = asked.inside(&note(&format!("series with {}", poll.selector)));
        }
        let objects = match (poll.api, poll.objects.as_ref()) {
            (MetricsApi::External, _) => cell("an external metric"),
            (_, objects) => holds(&code(objects)),
        };
        let pace = match poll.pace {
            None => "not even".to_owned(),
            Some(pace) if pace.pollers == 1 => text::period(pace.period),
            Some(pace) => format!("{} × {}", pace.pollers, text::period(pace.period)),
        };
        let oldest = poll.result.as_ref().and_then(|result| result.oldest);
        let age = oldest.map_or_else(
            || "-".to_owned(),
            |oldest| text::since(oldest, status.present),
        );
        vec![
            cell(namespace(poll.namespace.as_deref())),
            asked,
            objects,
            figure(&pace),
            figure(&poll.times.to_string()),
            figure(&format!("{} ago", text::span(poll.last))),
            result(poll),
            figure(&age),
        ]
    };
    let head = [
        "namespace",
        "metric",
        "objects",
        "every",
        "polls",
        "last poll",
        "last result",
        "values' age",
    ];
    table(
        &head,
        status.polls.iter().map(row),
        "Nobody has asked for a value.",
    )
}

fn result(poll: &Poll) -> Element {
    let values = poll.result.as_ref().map(|result| &result.values);
    holds(&match values {
        None => said(Mood::Plain, "not answered yet"),
        Some(Ok(0)) => said(Mood::Bad, "no values"),
        Some(Ok(values)) => said(Mood::Good, &text::number(*values, "value", "values")),
        Some(Err(error)) => said(Mood::Bad, error),
    })
}

fn failures(status: &Status) -> Element {
    let rows = status.failures.iter().map(|failure| {
        vec![
            cell(&failure.rule),
            figure(&format!("{} ago", text::since(failure.at, status.now))),
            figure(&failure.times.to_string()),
            holds(&code(&failure.error)),
        ]
    });
    let head = ["rule", "last", "times", "error"];
    table(&head, rows, "None since the start.")
}

fn collisions(status: &Status) -> Element {
    let rows = status.collisions.iter().map(|collision| {
        let texts = [&collision.metric, &collision.winner, &collision.loser];
        texts.map(|text| holds(&code(text))).into()
    });
    let head = ["metric", "served by", "hidden"];
    table(&head, rows, "None.")
}

fn certificates(status: &Status) -> Element {
    let rows = status.certificates.iter().map(|certificate| {
        let (ends, soon) = text::expiry(certificate.not_after, status.now);
        let mood = if soon { Mood::Bad } else { Mood::Good };
        let file = holds(&code(&certificate.file.display().to_string()));
        vec![
            file.inside(&note(certificate.flag)),
            holds(&code(&certificate.names.join(", "))),
            holds(&said(mood, &ends)),
        ]
    });
    table(&["serving certificate", "names", "ends"], rows, "None.")
}
