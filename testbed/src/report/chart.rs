//! One chart over time: axes, grid, curves, levels and a legend. Law: it knows nothing of what the
//! values mean; a gap in the data is a gap in the curve.

use std::fmt::Write;

use super::{
    markup::{Element, number},
    scale::{Scale, distance, ticks, time_distance},
};

/// A curve with nothing for so many seconds is interrupted: 5 missed looks.
const GAP: f64 = 6.0;
/// The mean width of a character at the font size of labels, in pixels.
const CHARACTER: f64 = 6.9;

/// How values become a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Straight from value to value.
    Line,
    /// Constant until the next value.
    Steps,
    /// As `Steps`, filled down to zero.
    Area,
}

/// A curve.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// In the legend.
    pub(super) name: &'static str,
    /// Its CSS class, which is its colour.
    pub(super) class: &'static str,
    pub(super) shape: Shape,
    /// Seconds and value.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// A horizontal line that the curves are to be compared with.
#[derive(Debug, Clone)]
pub(super) struct Level {
    pub(super) value: f64,
    pub(super) label: String,
}

/// A chart.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// Height of the area for curves, in pixels.
    pub(super) height: f64,
    /// The axis reaches at least so far.
    pub(super) least: f64,
    /// The smallest distance of two labels on the axis.
    pub(super) grain: f64,
    pub(super) curves: Vec<Curve>,
    pub(super) level: Option<Level>,
}

/// Where the time axis is; charts below one another share it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) time: Scale,
    /// The distance of two labels, in seconds.
    pub(super) step: f64,
}

impl Axis {
    /// The axis for so many seconds between two places.
    pub(super) fn new(seconds: f64, left: f64, right: f64) -> Self {
        let seconds = seconds.max(10.0);
        Self {
            time: Scale {
                from: (0.0, seconds),
                to: (left, right),
            },
            step: time_distance(seconds, 12),
        }
    }
}

impl Chart {
    /// Room for title and legend above the curves.
    pub(super) const HEAD: f64 = 30.0;

    /// Draws it with its upper edge at `top`.
    pub(super) fn draw(&self, axis: Axis, top: f64) -> Element {
        let (left, right) = axis.time.to;
        let (top_edge, bottom) = (top + Self::HEAD, top + Self::HEAD + self.height);
        let step = distance(self.largest(), 4, self.grain);
        let max = (self.largest() / step).ceil() * step;
        let value = Scale {
            from: (0.0, max),
            to: (bottom, top_edge),
        };

        let mut group = Element::new("g").inside(
            Element::new("text")
                .class("title")
                .place([("x", left), ("y", top + 17.0)])
                .text(self.title),
        );
        for tick in ticks(max, step) {
            let y = value.at(tick);
            group = group
                .inside(line("grid", (left, y), (right, y)))
                .inside(label("y", left - 8.0, y + 4.0, &number(tick)));
        }
        for tick in ticks(axis.time.from.1, axis.step) {
            let x = axis.time.at(tick);
            group = group.inside(line("grid", (x, top_edge), (x, bottom)));
        }
        for curve in &self.curves {
            group = group.inside(self.curve(curve, axis.time, value));
        }
        if let Some(level) = &self.level {
            let y = value.at(level.value);
            group = group
                .inside(line("level", (left, y), (right, y)))
                .inside(label("level-label", left + 6.0, y - 5.0, &level.label));
        }
        group.inside(self.legend(right, top + 17.0))
    }

    /// The largest value that must fit.
    fn largest(&self) -> f64 {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        points
            .filter_map(|(_, value)| value.filter(|value| value.is_finite()))
            .chain(self.level.iter().map(|level| level.value))
            .fold(self.least, f64::max)
    }

    fn curve(&self, curve: &Curve, time: Scale, value: Scale) -> Element {
        let mut path = String::new();
        for run in runs(&curve.points) {
            let places: Vec<(f64, f64)> = run
                .iter()
                .map(|(t, v)| (time.at(*t), value.at(*v)))
                .collect();
            let (Some(first), Some(last)) = (places.first(), places.last()) else {
                continue;
            };
            let start = match curve.shape {
                Shape::Area => format!("M{} {}V", number(first.0), number(value.to.0)),
                _ => format!("M{} ", number(first.0)),
            };
            let _ = write!(path, "{start}{}", number(first.1));
            for (x, y) in &places[1..] {
                let _ = match curve.shape {
                    Shape::Line => write!(path, "L{} {}", number(*x), number(*y)),
                    Shape::Steps | Shape::Area => write!(path, "H{}V{}", number(*x), number(*y)),
                };
            }
            if curve.shape == Shape::Area {
                let _ = write!(path, "V{}H{}Z", number(value.to.0), number(first.0));
            } else if places.len() == 1 {
                let _ = write!(path, "h1");
            }
            debug_assert!(last.0 >= first.0, "time goes forward");
        }
        let kind = match curve.shape {
            Shape::Area => "area",
            _ => "curve",
        };
        Element::new("path")
            .class(&format!("{kind} {}", curve.class))
            .with("d", path)
    }

    /// Swatches and names, from the right.
    fn legend(&self, right: f64, y: f64) -> Element {
        let mut group = Element::new("g");
        let mut x = right;
        for curve in self.curves.iter().rev() {
            x -= text_width(curve.name);
            group = group.inside(
                Element::new("text")
                    .class("name")
                    .place([("x", x), ("y", y)])
                    .text(curve.name),
            );
            x -= 22.0;
            group = group.inside(match curve.shape {
                Shape::Area => Element::new("rect")
                    .class(&format!("area {}", curve.class))
                    .place([("x", x), ("y", y - 9.0), ("width", 16.0), ("height", 9.0)]),
                _ => line(
                    &format!("curve {}", curve.class),
                    (x, y - 4.0),
                    (x + 16.0, y - 4.0),
                ),
            });
            x -= 16.0;
        }
        group
    }
}

/// How wide a label is, roughly: there is no font here to measure.
pub(super) fn text_width(text: &str) -> f64 {
    let count = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    f64::from(count) * CHARACTER
}

/// A line between two places.
pub(super) fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Element {
    Element::new("line").class(class).place([
        ("x1", from.0),
        ("y1", from.1),
        ("x2", to.0),
        ("y2", to.1),
    ])
}

/// A short text.
pub(super) fn label(class: &str, x: f64, y: f64, text: &str) -> Element {
    Element::new("text")
        .class(class)
        .place([("x", x), ("y", y)])
        .text(text)
}

/// The parts of a curve that have data.
fn runs(points: &[(f64, Option<f64>)]) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut open = false;
    for (t, value) in points {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            open = false;
            continue;
        };
        match runs.last_mut() {
            Some(run) if open && run.last().is_some_and(|last| t - last.0 <= GAP) => {
                run.push((*t, value));
            }
            _ => runs.push(vec![(*t, value)]),
        }
        open = true;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_interrupts_the_curve() {
        let points = [
            (0.0, Some(1.0)),
            (1.0, Some(2.0)),
            (2.0, None),
            (3.0, Some(f64::NAN)),
            (4.0, Some(3.0)),
            (20.0, Some(4.0)),
        ];
        assert_eq!(
            runs(&points),
            [
                vec![(0.0, 1.0), (1.0, 2.0)],
                vec![(4.0, 3.0)],
                vec![(20.0, 4.0)]
            ]
        );
        assert!(runs(&[]).is_empty());
    }

    fn chart(shape: Shape, points: Vec<(f64, Option<f64>)>) -> String {
        let chart = Chart {
            title: "Pods",
            height: 100.0,
            least: 4.0,
            grain: 1.0,
            curves: vec![Curve {
                name: "ready",
                class: "ready",
                shape,
                points,
            }],
            level: None,
        };
        let axis = Axis::new(100.0, 0.0, 100.0);
        chart.draw(axis, 0.0).to_string()
    }

    #[test]
    fn steps_hold_their_value_until_the_next() {
        let points = vec![(0.0, Some(1.0)), (5.0, Some(4.0))];
        let drawn = chart(Shape::Steps, points.clone());
        assert!(drawn.contains("d=\"M0 105H5V30\""), "{drawn}");
        let drawn = chart(Shape::Area, points.clone());
        assert!(drawn.contains("d=\"M0 130V105H5V30V130H0Z\""), "{drawn}");
        let drawn = chart(Shape::Line, points);
        assert!(drawn.contains("d=\"M0 105L5 30\""), "{drawn}");
    }

    #[test]
    fn without_data_the_axes_remain() {
        let drawn = chart(Shape::Line, Vec::new());
        assert!(
            drawn.contains("d=\"\"") && drawn.contains(">4</text>"),
            "{drawn}"
        );
    }
}
