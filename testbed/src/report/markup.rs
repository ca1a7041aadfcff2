//! Writing HTML and SVG that is also well-formed XML. Law: every text and every attribute's value
//! passes through here and is escaped here.

use std::fmt::{Display, Write};

/// Escapes a text or a quoted attribute's value, and drops what XML cannot hold.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// A number for an attribute: two decimals at most, never `NaN`.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

/// One element under construction.
#[derive(Debug)]
pub(super) struct Element {
    name: &'static str,
    attributes: String,
    content: String,
}

impl Element {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: String::new(),
            content: String::new(),
        }
    }

    /// An attribute with a text.
    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        let _ = write!(
            self.attributes,
            " {name}=\"{}\"",
            escape(&value.to_string())
        );
        self
    }

    /// An attribute with a number.
    pub(super) fn at(self, name: &str, value: f64) -> Self {
        self.with(name, number(value))
    }

    /// Several attributes with numbers.
    pub(super) fn place<const N: usize>(self, numbers: [(&str, f64); N]) -> Self {
        numbers
            .into_iter()
            .fold(self, |element, (name, value)| element.at(name, value))
    }

    /// The CSS class.
    pub(super) fn class(self, class: &str) -> Self {
        self.with("class", class)
    }

    /// Text inside.
    pub(super) fn text(mut self, text: impl Display) -> Self {
        self.content.push_str(&escape(&text.to_string()));
        self
    }

    /// Markup inside, which is well-formed already.
    pub(super) fn inside(mut self, markup: impl Display) -> Self {
        let _ = write!(self.content, "{markup}");
        self
    }

    /// What a browser shows when the pointer rests on it (SVG).
    pub(super) fn titled(self, title: impl Display) -> Self {
        self.inside(Self::new("title").text(title))
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            name,
            attributes,
            content,
        } = self;
        let void = matches!(
            *name,
            "path" | "line" | "rect" | "circle" | "polygon" | "meta"
        );
        if content.is_empty() && void {
            return write!(f, "<{name}{attributes}/>");
        }
        write!(f, "<{name}{attributes}>{content}</{name}>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_attributes_are_escaped() {
        let element = Element::new("text")
            .with("id", "a\"b")
            .text("1 < 2 & 'x'\u{1}");
        assert_eq!(
            element.to_string(),
            "<text id=\"a&quot;b\">1 &lt; 2 &amp; &#39;x&#39;</text>"
        );
    }

    #[test]
    fn numbers_are_short_and_finite() {
        assert_eq!(
            [number(1.0), number(0.126), number(f64::NAN), number(-0.001)],
            ["1", "0.13", "0", "0"]
        );
    }

    #[test]
    fn only_drawing_elements_close_themselves() {
        let line = Element::new("line").place([("x1", 1.0), ("x2", 2.5)]);
        assert_eq!(line.to_string(), "<line x1=\"1\" x2=\"2.5\"/>");
        assert_eq!(Element::new("div").to_string(), "<div></div>");
        let marked = Element::new("line").titled("it");
        assert_eq!(marked.to_string(), "<line><title>it</title></line>");
    }
}
