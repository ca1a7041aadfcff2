//! Writing SVG. Law: every text and every attribute's value passes through here and is escaped.

use std::fmt::{self, Display, Write as _};

/// One element under construction.
#[derive(Debug)]
pub(super) struct Element {
    name: &'static str,
    attributes: String,
    content: String,
}

impl Element {
    pub(super) const fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: String::new(),
            content: String::new(),
        }
    }

    /// An attribute with a text.
    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        let value = escape(&value.to_string());
        let _ = write!(self.attributes, " {name}=\"{value}\"");
        self
    }

    /// Attributes with numbers.
    pub(super) fn place<const N: usize>(self, numbers: [(&str, f64); N]) -> Self {
        let numbers = numbers.into_iter();
        numbers.fold(self, |element, (name, value)| {
            element.with(name, number(value))
        })
    }

    pub(super) fn class(self, class: &str) -> Self {
        self.with("class", class)
    }

    /// Text inside.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.content.push_str(&escape(text));
        self
    }

    /// An element inside.
    pub(super) fn inside(mut self, element: &Self) -> Self {
        let _ = write!(self.content, "{element}");
        self
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            attributes,
            content,
        } = self;
        if content.is_empty() {
            write!(f, "<{name}{attributes}/>")
        } else {
            write!(f, "<{name}{attributes}>{content}</{name}>")
        }
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

/// Escapes, and drops what XML cannot hold.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => {}
            other => escaped.push(other),
        }
    }
    escaped
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
    fn texts_and_attributes_are_escaped() {
        let element = Element::new("text")
            .with("id", "a\"b")
            .text("1 < 2 & 3\u{1}");
        let written = "<text id=\"a&quot;b\">1 &lt; 2 &amp; 3</text>";
        assert_eq!(element.to_string(), written);
    }

    #[test]
    fn numbers_are_short_and_finite() {
        let numbers = [1.0, 0.126, f64::NAN, -0.001].map(number);
        assert_eq!(numbers, ["1", "0.13", "0", "0"]);
    }
}
