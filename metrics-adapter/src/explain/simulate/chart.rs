//! One chart over time: axes, grid, curves and levels. Law: it knows nothing of what values mean;
//! a gap in the data is a gap in the curve.

use std::fmt::Write as _;

use super::markup::{Element, label, line, number};
use super::scale::{Scale, distance, ticks};
use super::table::value;

/// How values become a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Straight from value to value.
    Line,
    /// Constant until the next value.
    Steps,
    /// As `Steps`, filled down to zero.
    Area,
}

/// A curve.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// Its CSS class, which is its colour.
    pub(super) class: String,
    pub(super) shape: Shape,
    /// One for each moment.
    pub(super) values: Vec<Option<f64>>,
}

/// A horizontal line to compare with.
#[derive(Clone, Debug)]
pub(super) struct Level {
    pub(super) class: String,
    pub(super) value: f64,
}

/// A chart.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    /// Of the area for curves, in pixels.
    pub(super) height: f64,
    /// The smallest distance of two labels of values.
    pub(super) grain: f64,
    pub(super) curves: Vec<Curve>,
    pub(super) levels: Vec<Level>,
}

/// What charts below one another share.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) time: Scale,
    /// The moments, in the time's unit.
    pub(super) moments: Vec<f64>,
    /// The distance of two labels.
    pub(super) step: f64,
}

impl Chart {
    /// Room for the title.
    pub(super) const HEAD: f64 = 28.0;

    /// Draws it with its upper edge at `top`.
    pub(super) fn draw(&self, axis: &Axis, top: f64) -> Element {
        let (left, right) = axis.time.to;
        let (upper, lower) = (top + Self::HEAD, top + Self::HEAD + self.height);
        let step = distance(self.largest(), 4.0, self.grain);
        let max = (self.largest() / step).ceil() * step;
        let scale = Scale {
            from: (0.0, max),
            to: (lower, upper),
        };
        let mut group = Element::new("g").inside(&label("title", left, top + 17.0, &self.title));
        for tick in ticks(0.0, max, step) {
            let y = scale.at(tick);
            group = group
                .inside(&line("grid", (left, y), (right, y)))
                .inside(&label("y", left - 8.0, y + 4.0, &value(Some(tick))));
        }
        for tick in ticks(axis.time.from.0, axis.time.from.1, axis.step) {
            let x = axis.time.at(tick);
            group = group.inside(&line("grid", (x, upper), (x, lower)));
        }
        for level in &self.levels {
            let (class, y) = (format!("level {}", level.class), scale.at(level.value));
            group = group.inside(&line(&class, (left, y), (right, y)));
        }
        for curve in &self.curves {
            group = group.inside(&curve.draw(axis, scale));
        }
        group
    }

    /// The largest value that must fit.
    fn largest(&self) -> f64 {
        let values = self
            .curves
            .iter()
            .flat_map(|curve| curve.values.iter().flatten());
        let levels = self.levels.iter().map(|level| &level.value);
        let finite = values.chain(levels).filter(|value| value.is_finite());
        finite.fold(self.grain, |most, value| most.max(*value)) * 1.05
    }
}

impl Curve {
    fn draw(&self, axis: &Axis, scale: Scale) -> Element {
        let (zero, mut path) = (scale.to.0, String::new());
        let places: Vec<(f64, Option<f64>)> = axis
            .moments
            .iter()
            .zip(&self.values)
            .map(|(moment, value)| {
                let value = value.filter(|value| value.is_finite());
                (axis.time.at(*moment), value.map(|value| scale.at(value)))
            })
            .collect();
        for run in places.split(|(_, y)| y.is_none()) {
            let mut points = run.iter().filter_map(|(x, y)| Some((*x, (*y)?)));
            let Some((first, y)) = points.next() else {
                continue;
            };
            let _ = write!(path, "M{} ", number(first));
            if self.shape == Shape::Area {
                let _ = write!(path, "{}V", number(zero));
            }
            let _ = write!(path, "{}", number(y));
            let mut last = y;
            for (x, y) in points {
                // Most steps are none.
                let _ = match self.shape {
                    Shape::Line => write!(path, "L{} {}", number(x), number(y)),
                    _ if y == last => Ok(()),
                    _ => write!(path, "H{}V{}", number(x), number(y)),
                };
                last = y;
            }
            let end = run.last().map_or(first, |(x, _)| *x).max(first + 1.0);
            if self.shape != Shape::Line {
                let _ = write!(path, "H{}", number(end));
            }
            if self.shape == Shape::Area {
                let _ = write!(path, "V{}Z", number(zero));
            }
        }
        let kind = match self.shape {
            Shape::Area => "area",
            _ => "curve",
        };
        Element::new("path")
            .class(&format!("{kind} {}", self.class))
            .with("d", path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(shape: Shape, values: &[Option<f64>]) -> String {
        let curve = Curve {
            class: "a".to_owned(),
            shape,
            values: values.to_vec(),
        };
        let scale = |from, to| Scale {
            from: (0.0, from),
            to,
        };
        let axis = Axis {
            time: scale(10.0, (0.0, 100.0)),
            moments: vec![0.0, 1.0, 2.0, 3.0],
            step: 1.0,
        };
        curve.draw(&axis, scale(4.0, (100.0, 0.0))).to_string()
    }

    #[test]
    fn steps_hold_their_value_and_gaps_stay_open() {
        let values = [Some(1.0), Some(1.0), Some(2.0), None];
        assert!(drawn(Shape::Steps, &values).contains("d=\"M0 75H20V50H20\""));
        assert!(drawn(Shape::Area, &values).contains("d=\"M0 100V75H20V50H20V100Z\""));
        let values = [Some(1.0), None, Some(2.0), Some(f64::NAN)];
        assert!(drawn(Shape::Line, &values).contains("d=\"M0 75M20 50\""));
    }

    #[test]
    fn without_data_there_is_an_empty_curve() {
        assert!(drawn(Shape::Line, &[None; 4]).contains("d=\"\""));
    }
}
