//! Tables of bounded length.

use super::text;
use crate::markup::Element;

/// Rows of one table; of others only the number is told.
pub(super) const ROWS: usize = 200;

/// How something fares: a colour beside the words, never instead of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Plain,
    Good,
    Bad,
}

impl Mood {
    const fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// A text in a mood, cut if it is long.
pub(super) fn said(mood: Mood, words: &str) -> Element {
    Element::new("span")
        .class(mood.class())
        .text(&text::short(words))
}

/// Text of a rules file, of Prometheus or of a client, cut if it is long.
pub(super) fn code(words: &str) -> Element {
    Element::new("code").text(&text::short(words))
}

/// Likewise a metric's name, which is not broken into lines while there is room.
pub(super) fn name(words: &str) -> Element {
    code(words).class("name")
}

/// Something small below something else.
pub(super) fn note(words: &str) -> Element {
    Element::new("div").class("note").text(&text::short(words))
}

/// A cell with a text.
pub(super) fn cell(words: &str) -> Element {
    Element::new("td").text(words)
}

/// A cell with a number.
pub(super) fn figure(words: &str) -> Element {
    cell(words).class("figure")
}

/// A cell with something else.
pub(super) fn holds(content: &Element) -> Element {
    Element::new("td").inside(content)
}

/// A table with a head, or a line in its place if there is no row; behind it how many rows were left
/// out.
pub(super) fn table(
    head: &[&str],
    rows: impl ExactSizeIterator<Item = Vec<Element>>,
    nothing: &str,
) -> Element {
    let section = Element::new("div").class("table");
    let total = rows.len();
    if total == 0 {
        return section.inside(&Element::new("p").class("note").text(nothing));
    }
    let titles = head
        .iter()
        .map(|title| Element::new("th").with("scope", "col").text(title));
    let rows = rows.take(ROWS).map(|cells| Element::new("tr").all(cells));
    let table = Element::new("table")
        .inside(&Element::new("thead").inside(&Element::new("tr").all(titles)))
        .inside(&Element::new("tbody").all(rows));
    let section = section.inside(&table);
    match total.saturating_sub(ROWS) {
        0 => section,
        more => {
            let line = format!("{more} more, which are left out here.");
            section.inside(&Element::new("p").class("note").text(&line))
        }
    }
}
