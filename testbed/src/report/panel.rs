//! The four charts of a demo below one another, with the marks of the load's steps and of the
//! HPA's events. Page and picture show the same.

use super::{
    chart::{Axis, Chart, Curve, Level, Shape, label, line, text_width},
    markup::{Element, number},
    scale::{clock, ticks},
    summary::{Event, Sample, Step, Summary},
};

/// Width of the whole, in pixels.
pub(super) const WIDTH: f64 = 960.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = WIDTH - 16.0;
/// Room above the charts for the steps' names.
const HEAD: f64 = 26.0;
/// Room below the charts for the time.
const FOOT: f64 = 40.0;
/// Room between two charts.
const SPACE: f64 = 12.0;
/// The first charts show what the verdict is about, the third the pods.
const JUDGED: usize = 2;
const PODS: usize = 2;

/// Whether the drawing answers the pointer; a picture in a page of others cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pointer {
    Answered,
    Ignored,
}

/// The drawing, as children of an `svg` element of [`WIDTH`] and the returned height.
pub(super) fn panels(summary: &Summary, pointer: Pointer) -> (String, f64) {
    let charts = charts(summary);
    let areas = areas(&charts);
    let axis = Axis::new(end(summary), LEFT, RIGHT);
    let bottom = areas.last().map_or(HEAD, |area| area.1);
    let mut drawn = judged(summary, axis, &areas);
    for step in &summary.steps {
        drawn += &lines("step-line", axis.time.at(step.start), &areas);
    }
    for event in shown(summary, axis) {
        drawn += &lines("event-line", axis.time.at(event.t), &areas);
    }
    for (chart, area) in charts.iter().zip(&areas) {
        drawn += &chart.draw(axis, area.0 - Chart::HEAD).to_string();
    }
    for tick in ticks(axis.time.from.1, axis.step) {
        let x = axis.time.at(tick);
        drawn += &label("x", x, bottom + 16.0, &clock(tick)).to_string();
    }
    drawn += &label(
        "x",
        f64::midpoint(LEFT, RIGHT),
        bottom + 34.0,
        "minutes since the first load",
    )
    .to_string();
    if pointer == Pointer::Answered {
        drawn += &readings(&summary.samples, axis, bottom);
    }
    for step in &summary.steps {
        drawn += &step_mark(step, axis).to_string();
    }
    drawn += &event_marks(summary, axis, &areas);
    (drawn, bottom + FOOT)
}

/// Upper and lower edge of each chart's curves. Marks stay within: they would cross the legends.
fn areas(charts: &[Chart]) -> Vec<(f64, f64)> {
    let mut top = HEAD;
    charts
        .iter()
        .map(|chart| {
            let area = (top + Chart::HEAD, top + Chart::HEAD + chart.height);
            top = area.1 + SPACE;
            area
        })
        .collect()
}

/// A mark's line at a moment, in every chart.
fn lines(class: &str, x: f64, areas: &[(f64, f64)]) -> String {
    areas
        .iter()
        .map(|area| line(class, (x, area.0), (x, area.1)).to_string())
        .collect()
}

/// The window of the verdict, behind the curves of what is judged.
fn judged(summary: &Summary, axis: Axis, areas: &[(f64, f64)]) -> String {
    let (Some(verdict), Some(end)) = (&summary.verdict, summary.judged) else {
        return String::new();
    };
    let length = u32::try_from(verdict.window_seconds).unwrap_or(0);
    let (from, to) = (axis.time.at(end - f64::from(length)), axis.time.at(end));
    let class = if verdict.held {
        "window held"
    } else {
        "window missed"
    };
    let areas = areas.iter().take(JUDGED);
    areas
        .map(|area| {
            let place = [
                ("x", from),
                ("y", area.0),
                ("width", to - from),
                ("height", area.1 - area.0),
            ];
            Element::new("rect").class(class).place(place).to_string()
        })
        .collect()
}

/// The last moment that must be on the time axis.
fn end(summary: &Summary) -> f64 {
    let samples = summary.samples.iter().map(|sample| sample.t);
    let steps = summary.steps.iter().map(|step| step.end);
    samples.chain(steps).fold(0.0, f64::max)
}

fn charts(summary: &Summary) -> Vec<Chart> {
    let curve = |name, class, shape, value: fn(&Sample) -> Option<f64>| Curve {
        name,
        class,
        shape,
        points: summary.samples.iter().map(|it| (it.t, value(it))).collect(),
    };
    let milliseconds = |seconds: Option<f64>| seconds.map(|seconds| seconds * 1e3);
    let goal = summary.goal;
    let latency = Curve {
        points: summary
            .samples
            .iter()
            .map(|it| (it.t, milliseconds(it.mean)))
            .collect(),
        ..curve("server, mean over 30 s", "mean", Shape::Line, |_| None)
    };
    vec![
        Chart {
            title: "Requests per second",
            height: 170.0,
            least: goal.min_rps * 1.15,
            grain: 0.0,
            curves: vec![
                curve("offered", "offered", Shape::Steps, |it| Some(it.offered)),
                curve("handled, over 30 s", "rps", Shape::Line, |it| it.rps),
            ],
            level: Some(Level {
                value: goal.min_rps,
                label: format!("goal: at least {}", goal.min_rps),
            }),
        },
        Chart {
            title: "Mean latency in ms",
            height: 120.0,
            least: goal.max_mean_ms * 1.3,
            grain: 0.0,
            curves: vec![latency],
            level: Some(Level {
                value: goal.max_mean_ms,
                label: format!("goal: below {}", goal.max_mean_ms),
            }),
        },
        Chart {
            title: "Pods of the server",
            height: 110.0,
            least: 3.5,
            grain: 1.0,
            curves: vec![
                curve("ready", "ready", Shape::Area, |it| it.ready.map(f64::from)),
                curve("wanted by the HPA", "desired", Shape::Steps, |it| {
                    it.desired.map(f64::from)
                }),
            ],
            level: None,
        },
        Chart {
            title: "The metric: requests per second and pod",
            height: 120.0,
            least: summary.target.rps_per_pod * 1.5,
            grain: 0.0,
            curves: vec![
                curve("served by the adapter", "metric", Shape::Line, |it| {
                    it.metric
                }),
                curve("read by the HPA", "seen", Shape::Steps, |it| it.seen),
            ],
            level: Some(Level {
                value: summary.target.rps_per_pod,
                label: format!("target: {}", summary.target.rps_per_pod),
            }),
        },
    ]
}

/// A step's beginning: its name on top, where there is room.
fn step_mark(step: &Step, axis: Axis) -> Element {
    let (x, end) = (axis.time.at(step.start), axis.time.at(step.end));
    let (long, short) = if step.offered > 0.0 {
        (
            format!("{}/s from {}", step.offered, clients(step.clients)),
            format!("{}/s", step.offered),
        )
    } else {
        ("load stopped".to_owned(), "stop".to_owned())
    };
    let name = [long.clone(), short]
        .into_iter()
        .find(|name| text_width(name) + 8.0 <= end - x)
        .unwrap_or_default();
    Element::new("g")
        .class("step")
        .inside(line("step-line", (x, 6.0), (x, 22.0)))
        .inside(label("step-name", x + 5.0, 17.0, &name))
        .titled(format!("{}  {long}", clock(step.start)))
}

/// How many, in words.
pub(super) fn clients(count: u32) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} client{plural}")
}

/// The HPA's events that are on the time axis.
fn shown(summary: &Summary, axis: Axis) -> impl Iterator<Item = &Event> {
    let (from, to) = axis.time.from;
    summary
        .events
        .iter()
        .filter(move |event| event.t >= from && event.t <= to)
}

/// The HPA's events: triangles in the chart of the pods.
fn event_marks(summary: &Summary, axis: Axis, areas: &[(f64, f64)]) -> String {
    let y = areas.get(PODS).map_or(0.0, |area| area.1);
    shown(summary, axis)
        .map(|event| {
            let x = axis.time.at(event.t);
            let class = if event.warning {
                "event warning"
            } else {
                "event"
            };
            let corners = [(x - 5.0, y + 1.0), (x + 5.0, y + 1.0), (x, y - 9.0)];
            let points = corners.map(|(x, y)| format!("{},{}", number(x), number(y)));
            Element::new("polygon")
                .class(class)
                .with("points", points.join(" "))
                .titled(format!(
                    "{}  {}: {}",
                    clock(event.t),
                    event.reason,
                    event.message
                ))
                .to_string()
        })
        .collect()
}

/// For each moment, the values under the pointer.
fn readings(samples: &[Sample], axis: Axis, bottom: f64) -> String {
    let mut drawn = String::new();
    for (index, sample) in samples.iter().enumerate() {
        let x = axis.time.at(sample.t);
        let next = samples
            .get(index + 1)
            .map_or(RIGHT, |next| axis.time.at(next.t));
        drawn += &Element::new("rect")
            .class("reading")
            .place([
                ("x", x),
                ("y", HEAD),
                ("width", (next - x).clamp(0.0, 20.0)),
                ("height", bottom - HEAD),
            ])
            .titled(reading(sample))
            .to_string();
    }
    drawn
}

fn reading(sample: &Sample) -> String {
    let show = |value: Option<f64>, digits: usize| {
        let value = value.filter(|value| value.is_finite());
        value.map_or_else(|| "no data".to_owned(), |value| format!("{value:.digits$}"))
    };
    let pods = |value: Option<u32>| show(value.map(f64::from), 0);
    format!(
        "{}\nrequests/s: {} of {} offered\nmean latency: {} ms\npods: {} ready, {} wanted\n\
         requests/s and pod: {}, the HPA has read {}",
        clock(sample.t),
        show(sample.rps, 1),
        sample.offered,
        show(sample.mean.map(|mean| mean * 1e3), 0),
        pods(sample.ready),
        pods(sample.desired),
        show(sample.metric, 1),
        show(sample.seen, 1),
    )
}
