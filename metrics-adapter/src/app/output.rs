//! Standard output, of what has a result.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result};

use crate::explain::style::Style;

/// Colours are for terminals, where they are wanted.
pub(super) fn style(no_color: bool) -> Style {
    if io::stdout().is_terminal() && !no_color {
        Style::Coloured
    } else {
        Style::Plain
    }
}

/// A result on one line, for programs.
pub(super) fn json(result: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string(result)? + "\n")
}

/// Prints the whole result.
pub(super) fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("cannot write the result"),
    }
}
