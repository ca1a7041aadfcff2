//! Where in a template something stands.

use std::fmt;

/// Line and character, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Character of that line, not byte.
    pub character: usize,
}

impl Position {
    /// The place of a byte offset, which must lie on a character boundary.
    pub(super) fn of(source: &str, offset: usize) -> Self {
        let before = &source[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            character: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    /// Most templates have one line, which then goes without saying.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 1 {
            write!(f, "line {}, ", self.line)?;
        }
        write!(f, "character {}", self.character)
    }
}
