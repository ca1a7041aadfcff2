//! The report as one picture that stands for itself, in light and dark.

use super::chart::{Axis, Chart, Curve, Level, Shape};
use super::markup::{Element, label, line, number};
use super::report::{Candidature, RecordedMetric, Report, Shown};
use super::scale::{Scale, ticks, time_distance};
use super::table::{letter, short};

const STYLE: &str = include_str!("picture.css");
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 24.0;
/// Room between two charts.
const SPACE: f64 = 14.0;
/// Lines of the legend.
const LINE: f64 = 18.0;
/// The style sheet has so many colours.
const COLOURS: usize = 6;

/// The picture, in SVG.
pub fn picture(report: &Report) -> String {
    let axis = axis(report);
    let headline = format!(
        "HPA {}/{} of {}, {}",
        report.namespace, report.autoscaler, report.workload, report.mode
    );
    let mut y = 34.0;
    let mut group = Element::new("g").inside(&label("headline", LEFT, y, &headline));
    y += 8.0;
    for (class, text) in legend(report) {
        y += LINE;
        let key = match class {
            None => Element::new("rect").class("area").place([
                ("x", LEFT),
                ("y", y - 10.0),
                ("width", 16.0),
                ("height", 10.0),
            ]),
            Some(class) => line(
                &format!("curve {class}"),
                (LEFT, y - 4.0),
                (LEFT + 16.0, y - 4.0),
            ),
        };
        group = group
            .inside(&key)
            .inside(&label("name", LEFT + 24.0, y, &text));
    }
    y += 14.0;
    for chart in charts(report) {
        group = group.inside(&chart.draw(&axis, y));
        y += Chart::HEAD + chart.height + SPACE;
    }
    y += 4.0;
    for tick in ticks(axis.time.from.0, axis.time.from.1, axis.step) {
        group = group.inside(&label("x", axis.time.at(tick), y, &clock(tick, axis.step)));
    }
    y += 20.0;
    group = group.inside(&label("x", f64::midpoint(LEFT, RIGHT), y, &span(report)));
    let height = y + 18.0;
    let paper = Element::new("rect").class("paper").place([
        ("x", 0.5),
        ("y", 0.5),
        ("width", WIDTH - 1.0),
        ("height", height - 1.0),
        ("rx", 8.0),
    ]);
    let svg = Element::new("svg")
        .with("xmlns", "http://www.w3.org/2000/svg")
        .with(
            "viewBox",
            format!("0 0 {} {}", number(WIDTH), number(height)),
        )
        .place([("width", WIDTH), ("height", height)])
        .with("role", "img")
        .with("aria-label", &headline)
        // Without characters that would have to be escaped, but for quotes, which read alike.
        .inside(&Element::new("style").text(&STYLE.replace('"', "'")))
        .inside(&paper)
        .inside(&group);
    format!("{svg}\n")
}

fn axis(report: &Report) -> Axis {
    let moments: Vec<f64> = report
        .times
        .iter()
        .map(|time| time.0.as_duration().as_secs_f64())
        .collect();
    let ends = (moments.first().copied(), moments.last().copied());
    let from = (ends.0.unwrap_or(0.0), ends.1.unwrap_or(0.0));
    Axis {
        time: Scale {
            from,
            to: (LEFT, RIGHT),
        },
        step: time_distance(from.1 - from.0, 12.0),
        moments,
    }
}

fn colour(index: usize) -> String {
    format!("c{}", index % COLOURS)
}

/// Keys and what they mean; without a class the recorded pods.
fn legend(report: &Report) -> Vec<(Option<String>, String)> {
    let mut lines = vec![(None, "pods as recorded".to_owned())];
    if !report.recorded.metrics.is_empty() {
        lines.push((Some(String::new()), "metrics as recorded".to_owned()));
    }
    for (index, candidate) in report.candidates.iter().enumerate() {
        let Candidature { name, summary, .. } = candidate;
        let text = format!(
            "{}: {name} (mean {:.1} pods, {} at most, {} rescales, above target {:.0} % of the \
             time)",
            letter(index),
            summary.mean,
            summary.most,
            summary.rescales,
            summary.above_target * 100.0
        );
        lines.push((Some(colour(index)), text));
    }
    lines
}

fn charts(report: &Report) -> Vec<Chart> {
    let pods = |replicas: &i32| Some(f64::from(*replicas));
    let mut curves = vec![Curve {
        class: String::new(),
        shape: Shape::Area,
        values: report
            .recorded
            .replicas
            .iter()
            .map(|it| it.map(f64::from))
            .collect(),
    }];
    for (index, candidate) in report.candidates.iter().enumerate() {
        curves.push(Curve {
            class: colour(index),
            shape: Shape::Steps,
            values: candidate.replicas.iter().map(pods).collect(),
        });
    }
    let mut charts = vec![Chart {
        title: "Pods".to_owned(),
        height: 170.0,
        grain: 1.0,
        curves,
        levels: Vec::new(),
    }];
    for (place, metric) in report.recorded.metrics.iter().enumerate() {
        if metric.model == "split" {
            charts.push(load(metric));
        }
        charts.push(seen(report, place, metric));
    }
    charts.extend(report.recorded.shown.iter().map(beside));
    charts
}

/// What is shown beside.
fn beside(shown: &Shown) -> Chart {
    Chart {
        title: format!("{}: as recorded", shown.name),
        height: 100.0,
        grain: 0.0,
        curves: vec![Curve {
            class: String::new(),
            shape: Shape::Line,
            values: shown.values.clone(),
        }],
        levels: Vec::new(),
    }
}

/// The sum over all pods.
fn load(metric: &RecordedMetric) -> Chart {
    Chart {
        title: format!("{}: sum over all pods", short(&metric.metric)),
        height: 100.0,
        grain: 0.0,
        curves: vec![Curve {
            class: String::new(),
            shape: Shape::Line,
            values: metric.totals.clone(),
        }],
        levels: Vec::new(),
    }
}

/// What each candidate's HPA sees of a metric, and its targets.
fn seen(report: &Report, place: usize, metric: &RecordedMetric) -> Chart {
    let (what, values) = if metric.per_pod {
        ("mean per pod", &metric.means)
    } else {
        ("as the HPA sees it; grey: in all", &metric.totals)
    };
    let mut goals = Vec::new();
    for (index, candidate) in report.candidates.iter().enumerate() {
        let of_metric = candidate
            .metrics
            .iter()
            .filter(|goal| goal.recorded == place);
        goals.extend(of_metric.map(|goal| (colour(index), goal)));
    }
    let is_percents = goals.iter().any(|(_, goal)| goal.target.contains('%'));
    let mut curves = Vec::new();
    if !is_percents {
        curves.push(Curve {
            class: String::new(),
            shape: Shape::Line,
            values: values.clone(),
        });
    }
    let what = if is_percents {
        "percent of requests"
    } else {
        what
    };
    curves.extend(goals.iter().map(|(class, goal)| Curve {
        class: class.clone(),
        shape: Shape::Line,
        values: goal.usage.clone(),
    }));
    Chart {
        title: format!("{}: {what}; dotted: targets", short(&metric.metric)),
        height: 130.0,
        grain: 0.0,
        curves,
        levels: goals
            .iter()
            .map(|(class, goal)| Level {
                class: class.clone(),
                value: goal.value,
            })
            .collect(),
    }
}

/// A tick's time of day, or its day.
fn clock(seconds: f64, step: f64) -> String {
    let format = match step {
        step if step >= 86_400.0 => "%m-%d",
        step if step < 60.0 => "%H:%M:%S",
        _ => "%H:%M",
    };
    // Casts saturate, and ticks are whole.
    #[allow(clippy::cast_possible_truncation)]
    let at = jiff::Timestamp::from_second(seconds as i64).unwrap_or_default();
    at.strftime(format).to_string()
}

fn span(report: &Report) -> String {
    match (report.times.first(), report.times.last()) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => String::new(),
    }
}
