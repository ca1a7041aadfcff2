//! SVG's elements, by their places.

pub(super) use crate::markup::Element;

impl Element {
    /// Attributes with numbers.
    pub(super) fn place<const N: usize>(self, numbers: [(&str, f64); N]) -> Self {
        let numbers = numbers.into_iter();
        numbers.fold(self, |element, (name, value)| {
            element.with(name, number(value))
        })
    }
}

/// A short text at a place.
pub(super) fn label(class: &str, x: f64, y: f64, text: &str) -> Element {
    Element::new("text")
        .class(class)
        .place([("x", x), ("y", y)])
        .text(text)
}

/// A line between two places.
pub(super) fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Element {
    let ends = [("x1", from.0), ("y1", from.1), ("x2", to.0), ("y2", to.1)];
    Element::new("line").class(class).place(ends)
}

/// Two decimals at most, never `NaN`.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_finite() {
        let numbers = [1.0, 0.126, f64::NAN, -0.001].map(number);
        assert_eq!(numbers, ["1", "0.13", "0", "0"]);
    }
}
