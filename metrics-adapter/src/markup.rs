//! Writing HTML and SVG, as XML. Law: every text and every attribute's value passes through here and
//! is escaped.

use std::fmt::{self, Display, Write as _};

/// One element under construction.
#[derive(Debug)]
pub(crate) struct Element {
    name: &'static str,
    attributes: String,
    /// Written already. `None` until something was put inside, were it an empty text: only then has
    /// the element an end tag, which HTML wants of all but a few.
    content: Option<String>,
}

impl Element {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: String::new(),
            content: None,
        }
    }

    /// An attribute with a text.
    pub(crate) fn with(mut self, name: &str, value: impl Display) -> Self {
        let value = escape(&value.to_string());
        let _ = write!(self.attributes, " {name}=\"{value}\"");
        self
    }

    pub(crate) fn class(self, class: &str) -> Self {
        self.with("class", class)
    }

    /// Text inside.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.content().push_str(&escape(text));
        self
    }

    /// An element inside.
    pub(crate) fn inside(mut self, element: &Self) -> Self {
        let _ = write!(self.content(), "{element}");
        self
    }

    /// Elements inside.
    pub(crate) fn all(self, elements: impl IntoIterator<Item = Self>) -> Self {
        let elements = elements.into_iter();
        elements.fold(self, |outer, element| outer.inside(&element))
    }

    fn content(&mut self) -> &mut String {
        self.content.get_or_insert_default()
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            attributes,
            content,
        } = self;
        match content {
            None => write!(f, "<{name}{attributes}/>"),
            Some(content) => write!(f, "<{name}{attributes}>{content}</{name}>"),
        }
    }
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
    fn an_empty_text_asks_for_an_end_tag() {
        let row = Element::new("tr").all(["", "x"].map(|text| Element::new("td").text(text)));
        let written = "<tr><td></td><td>x</td></tr>";
        assert_eq!(row.to_string(), written);
        assert_eq!(Element::new("br").to_string(), "<br/>");
    }
}
