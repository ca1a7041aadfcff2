//! Colours on a terminal.

/// Whether texts have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For terminals.
    Colour,
    /// For everything else.
    Plain,
}

impl Style {
    /// What is well.
    pub(super) fn good(self, text: &str) -> String {
        self.coloured("32", text)
    }

    /// What is not.
    pub(super) fn bad(self, text: &str) -> String {
        self.coloured("31", text)
    }

    fn coloured(self, code: &str, text: &str) -> String {
        match self {
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}
