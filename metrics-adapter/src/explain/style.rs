//! How text looks on a terminal.
//!
//! Law: what others wrote, such as labels and errors, gets onto a terminal through here alone, and
//! moves no cursor there.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Ansi};

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// None: a file, a pipe, or whoever does not want them.
    Plain,
    /// A terminal's.
    Coloured,
}

impl Style {
    /// What is well.
    pub(super) fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// What is not.
    pub(super) fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    /// What may not be.
    pub(super) fn doubtful(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default().bold(), text)
    }

    pub(super) fn heading(self, text: &str) -> String {
        self.paint(Ansi::new().bold(), text)
    }

    pub(super) fn quiet(self, text: &str) -> String {
        self.paint(Ansi::new().dimmed(), text)
    }

    fn paint(self, ansi: Ansi, text: &str) -> String {
        let text = printable(text);
        match self {
            Self::Plain => text,
            Self::Coloured => format!("{ansi}{text}{ansi:#}"),
        }
    }
}

/// Text on one line: control characters, and those that turn the direction of writing, are escaped.
pub(super) fn printable(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        let turns = matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        );
        if character.is_control() || turns {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Lines for people, indented by their depth.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    /// What it is about, and the outcome, which is painted already.
    pub(super) fn headline(&mut self, subject: &str, outcome: &str) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.0, "{}: {outcome}", printable(subject));
    }

    /// Texts of several lines, such as queries, are told so, their further lines deeper.
    pub(super) fn add(&mut self, depth: usize, text: &str) {
        for (index, line) in text.trim_end().lines().enumerate() {
            let width = 2 * (depth + index.min(1));
            let _ = writeln!(self.0, "{:width$}{}", "", printable(line));
        }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// So many of some names, and how many more there are; `count` is that of all.
pub(super) fn listed<T: AsRef<str>>(names: &[T], count: usize, most: usize) -> String {
    let first: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match count.saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_we_move_the_cursor() {
        let evil = "a\u{1b}[2J\r\u{9b}b\u{202e}é\n";
        let escaped = r"a\u{1b}[2J\r\u{9b}b\u{202e}é\n";
        assert_eq!(printable(evil), escaped);
        assert_eq!(Style::Plain.bad(evil), escaped);
        let painted = Style::Coloured.good(evil);
        assert!(painted.contains(escaped) && painted.starts_with("\u{1b}[32m"));
        let mut lines = Lines::default();
        lines.headline(evil, "ok");
        lines.add(1, "sum(\n  \u{7}\n)\n");
        let expected = format!("{escaped}: ok\n  sum(\n      \\u{{7}}\n    )\n");
        assert_eq!(lines.into_text(), expected);
    }

    #[test]
    fn long_lists_end_somewhere() {
        assert_eq!(listed(&["a", "b"], 2, 2), "a, b");
        assert_eq!(listed(&["a", "b"], 9, 1), "a and 8 more");
        assert_eq!(listed::<&str>(&[], 0, 1), "");
    }
}
