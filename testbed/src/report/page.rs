//! `report.html`: one file without a reference to another, in light and dark, without scripts.

use super::{
    markup::Element,
    panel::{Pointer, WIDTH, panels},
    scale::clock,
    summary::{Fact, Summary},
    table::{self, Table},
};

/// Colours, and the looks of the charts.
pub(super) const STYLE: &str = include_str!("style.css");
/// The looks of the rest of the page.
const PAGE_STYLE: &str = include_str!("page.css");

/// The page.
pub fn page(summary: &Summary) -> String {
    let head = Element::new("head")
        .inside(Element::new("meta").with("charset", "utf-8"))
        .inside(
            Element::new("meta")
                .with("name", "viewport")
                .with("content", "width=device-width, initial-scale=1"),
        )
        .inside(
            Element::new("meta")
                .with("name", "color-scheme")
                .with("content", "light dark"),
        )
        .inside(Element::new("title").text("Autoscaling by requests per second"))
        .inside(Element::new("style").inside(format!("\n{STYLE}{PAGE_STYLE}")));
    let html = Element::new("html")
        .with("lang", "en")
        .inside(head)
        .inside(Element::new("body").inside(Element::new("main").inside(body(summary))));
    format!("<!DOCTYPE html>\n{html}\n")
}

fn body(summary: &Summary) -> String {
    let heading = |text: &str| Element::new("h2").text(text).to_string();
    let mut body = introduction(summary);
    body += &cards(summary);
    let (charts, height) = panels(summary, Pointer::Answered);
    let figure = Element::new("svg")
        .with("xmlns", "http://www.w3.org/2000/svg")
        .with("viewBox", format!("0 0 {WIDTH} {height}"))
        .with("role", "img")
        .with(
            "aria-label",
            "Requests, latency, pods and the metric over time",
        )
        .inside(charts);
    body += &Element::new("figure").inside(figure).to_string();
    body += &soft(
        "Rates and means are over the last 30 s: the window of the HPA's metrics and of the verdict. \
         Triangles and dotted lines are the HPA's own events; the coloured area is the window of \
         the verdict. Rest the pointer on a mark or on the \
         charts to read it.",
    );
    body += &heading("Steps of the load");
    body += &html(&table::steps(summary));
    body += &soft(
        "All times count from the step. Rescaled: the HPA first wanted another number of pods. Pods \
         Ready: the last added pod was Ready. Mean good: the mean latency was below the goal's for \
         good (0: it never was above). Settled: requests, pods and latency were as they should be.",
    );
    body += &heading("Promised durations");
    body += &html(&table::checks(summary));
    body += &heading("Events of the HPA");
    body += &events(summary);
    body += &heading("Where the time went");
    let phases = summary.phases.iter();
    body += &facts(phases.map(|phase| (phase.name.as_str(), format!("{:.1} s", phase.seconds))));
    body += &heading("Settings of this demo");
    body += &facts(pairs(&summary.settings));
    body += &heading("Environment");
    body += &facts(pairs(&summary.environment));
    body
}

fn introduction(summary: &Summary) -> String {
    let held = summary.verdict.as_ref().is_some_and(|it| it.held);
    let badge = if held { "verdict good" } else { "verdict bad" };
    let mut text = Element::new("h1")
        .text("A stock HPA scales a gRPC server by what Prometheus measured")
        .to_string();
    text += &soft(&format!("First load at {}", summary.started));
    text += &Element::new("div")
        .class(badge)
        .text(table::headline(summary))
        .to_string();
    if let Some(verdict) = &summary.verdict {
        for line in table::figures(verdict) {
            text += &Element::new("p").text(line).to_string();
        }
    }
    text
}

fn cards(summary: &Summary) -> String {
    let seconds = |value: Option<f64>| value.map_or("-".to_owned(), |it| format!("{it:.0} s"));
    let worst = |value: fn(&super::Step) -> Option<f64>| {
        summary.steps.iter().filter_map(value).reduce(f64::max)
    };
    let maxima = &summary.maxima;
    let back = summary.steps.last().filter(|step| step.clients == 0);
    let judged = summary.verdict.as_ref().and_then(|it| it.mean_ms);
    let cards = [
        (
            maxima.rps.map_or("-".to_owned(), |it| format!("{it:.0}/s")),
            "most requests handled",
        ),
        (
            maxima.ready.map_or("-".to_owned(), |it| it.to_string()),
            "pods at most, of 1 at the start",
        ),
        (
            judged.map_or("-".to_owned(), |it| format!("{:.0} ms", it.average)),
            "mean latency while the goal was judged",
        ),
        (
            seconds(worst(|step| step.ready)),
            "from a step to its pods Ready, at most",
        ),
        (
            seconds(worst(|step| step.recovered)),
            "until the mean latency was good again, at most",
        ),
        (
            seconds(back.and_then(|step| step.settled)),
            "from the end of the load back to 1 pod",
        ),
        (
            maxima
                .failed
                .map_or("-".to_owned(), |it| format!("{it:.0}")),
            "requests that failed",
        ),
        (clock(summary.total_seconds), "minutes in all"),
    ];
    let mut grid = Element::new("div").class("cards");
    for (value, name) in cards {
        grid = grid.inside(
            Element::new("div")
                .class("card")
                .inside(Element::new("b").text(value))
                .inside(Element::new("span").text(name)),
        );
    }
    grid.to_string()
}

fn events(summary: &Summary) -> String {
    if summary.events.is_empty() {
        return soft("None was seen.");
    }
    let rows = summary.events.iter().map(|event| {
        let text = format!("{}: {}", event.reason, event.message);
        (clock(event.t), text)
    });
    facts(rows)
}

fn pairs(facts: &[Fact]) -> impl Iterator<Item = (&str, String)> {
    facts
        .iter()
        .map(|fact| (fact.name.as_str(), fact.value.clone()))
}

/// Names and values.
fn facts<N: std::fmt::Display>(facts: impl Iterator<Item = (N, String)>) -> String {
    let mut table = Element::new("table");
    for (name, value) in facts {
        table = table.inside(
            Element::new("tr")
                .inside(Element::new("th").text(name))
                .inside(Element::new("td").text(value)),
        );
    }
    Element::new("div")
        .class("scroll")
        .inside(table)
        .to_string()
}

fn html(table: &Table) -> String {
    let class = |column: usize| if column == 0 { "" } else { "n" };
    let mut head = Element::new("tr");
    for (column, name) in table.head.iter().enumerate() {
        head = head.inside(Element::new("th").class(class(column)).text(name));
    }
    let mut drawn = Element::new("table").inside(head);
    for row in &table.rows {
        let mut line = Element::new("tr");
        for (column, cell) in row.iter().enumerate() {
            let class = match cell.as_str() {
                "yes" => "n good",
                "no" => "n bad",
                _ => class(column),
            };
            line = line.inside(Element::new("td").class(class).text(cell));
        }
        drawn = drawn.inside(line);
    }
    Element::new("div")
        .class("scroll")
        .inside(drawn)
        .to_string()
}

fn soft(text: &str) -> String {
    Element::new("p").class("soft").text(text).to_string()
}
