//! The picture of an instance pool that scales by its CPU: both over one axis of time.

use serde::{Deserialize, Serialize};

use super::{
    chart::{Axis, Chart, Curve, Level, Shape, label, line},
    markup::Element,
    scale::{clock, ticks},
};

const WIDTH: f64 = 992.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 24.0;
/// Room for the headline.
const TOP: f64 = 62.0;
const HEIGHT: f64 = 150.0;
/// Room between the charts.
const SPACE: f64 = 12.0;
/// Room for the time.
const FOOT: f64 = 52.0;

/// What was seen at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds since the beginning of the load.
    pub t: f64,
    /// The pool's average CPU usage, 0 to 1, by the rule that the alerts use.
    pub cpu: Option<f64>,
    /// The size that the pool is to have.
    pub size: u32,
    /// Instances that run.
    pub running: u32,
    /// Instances that are reached, in the sense of [`Pool::reached`].
    pub targets: Option<u32>,
}

/// In what sense an instance is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reached {
    /// By Prometheus.
    #[default]
    Scraped,
    /// By the load balancer's health checks.
    Healthy,
}

/// What a demo of the pool showed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// What scales it, in one line.
    pub title: String,
    /// Who reaches the instances that [`Moment::targets`] counts.
    pub reached: Reached,
    /// The verdict in one line.
    pub headline: String,
    /// Whether it is a good one.
    pub held: bool,
    /// Above this share of the CPU the pool grows.
    pub high: f64,
    /// Below this it shrinks.
    pub low: f64,
    /// When the load ended.
    pub load_end: f64,
    /// One per second.
    pub moments: Vec<Moment>,
}

/// Draws it.
pub fn pool_picture(pool: &Pool) -> String {
    let end = pool.moments.last().map_or(0.0, |moment| moment.t);
    let axis = Axis::new(end, LEFT, RIGHT);
    let second = TOP + Chart::HEAD + HEIGHT + SPACE;
    let bottom = second + Chart::HEAD + HEIGHT;
    let height = bottom + FOOT;
    let mut svg = Element::new("svg")
        .with("xmlns", "http://www.w3.org/2000/svg")
        .with("viewBox", format!("0 0 {WIDTH} {height}"))
        .place([("width", WIDTH), ("height", height)])
        .with("role", "img")
        .with("aria-label", &pool.headline)
        .inside(Element::new("style").inside(format!("\n{}", super::page::STYLE)))
        .inside(Element::new("rect").class("paper").place([
            ("x", 0.5),
            ("y", 0.5),
            ("width", WIDTH - 1.0),
            ("height", height - 1.0),
            ("rx", 8.0),
        ]))
        .inside(label("headline", 24.0, 30.0, &pool.title))
        .inside(label(
            if pool.held { "good" } else { "bad" },
            24.0,
            51.0,
            &pool.headline,
        ))
        .inside(cpu(pool).draw(axis, TOP))
        .inside(sizes(pool).draw(axis, second));
    let x = axis.time.at(pool.load_end);
    for top in [TOP, second] {
        let top = top + Chart::HEAD;
        svg = svg.inside(line("step-line", (x, top), (x, top + HEIGHT)));
    }
    svg = svg.inside(label("step-name", x + 5.0, bottom - 6.0, "load ends"));
    for tick in ticks(end, axis.step) {
        svg = svg.inside(label("x", axis.time.at(tick), bottom + 16.0, &clock(tick)));
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    let time = label("x", middle, bottom + 36.0, "minutes since the load began");
    format!("{}\n", svg.inside(time))
}

fn cpu(pool: &Pool) -> Chart {
    let percent = |value: Option<f64>| value.map(|value| value * 100.0);
    let points = pool.moments.iter().map(|it| (it.t, percent(it.cpu)));
    let low = pool.moments.iter().map(|it| (it.t, Some(pool.low * 100.0)));
    Chart {
        title: "Average CPU usage of the pool, %",
        height: HEIGHT,
        least: 100.0,
        grain: 10.0,
        curves: vec![
            Curve {
                name: "shrinks below",
                class: "offered",
                shape: Shape::Line,
                points: low.collect(),
            },
            Curve {
                name: "average",
                class: "mean",
                shape: Shape::Line,
                points: points.collect(),
            },
        ],
        level: Some(Level {
            value: pool.high * 100.0,
            label: "grows above".to_owned(),
        }),
    }
}

fn sizes(pool: &Pool) -> Chart {
    let reached = match pool.reached {
        Reached::Scraped => "scraped",
        Reached::Healthy => "healthy",
    };
    let curve = |name, class, shape, value: fn(&Moment) -> Option<u32>| Curve {
        name,
        class,
        shape,
        points: pool
            .moments
            .iter()
            .map(|it| (it.t, value(it).map(f64::from)))
            .collect(),
    };
    Chart {
        title: "Instances",
        height: HEIGHT,
        least: 3.0,
        grain: 1.0,
        curves: vec![
            curve("running", "ready", Shape::Area, |it| Some(it.running)),
            curve("pool size", "desired", Shape::Steps, |it| Some(it.size)),
            curve(reached, "metric", Shape::Steps, |it| it.targets),
        ],
        level: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_holds_both_charts_and_the_verdict() {
        let moment = |t: u32, size: u32| Moment {
            t: f64::from(t),
            cpu: Some(0.5),
            size,
            running: size,
            targets: Some(size),
        };
        let pool = Pool {
            title: "by alerts".to_owned(),
            reached: Reached::Healthy,
            headline: "grew & shrank".to_owned(),
            held: true,
            high: 0.8,
            low: 0.2,
            load_end: 1.0,
            moments: vec![moment(0, 1), moment(1, 2), moment(2, 1)],
        };
        let drawn = pool_picture(&pool);
        for part in [
            "grew &amp; shrank",
            "class=\"good\"",
            "Average CPU usage",
            "by alerts",
            "healthy",
            "Instances",
            "load ends",
        ] {
            assert!(drawn.contains(part), "{part:?} is not in\n{drawn}");
        }
        assert!(pool_picture(&Pool::default()).starts_with("<svg"));
    }
}
