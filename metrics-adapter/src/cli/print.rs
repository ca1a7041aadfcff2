//! How `check` and `explain` print what they have found.

use clap::ArgAction;

/// The form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Result")]
pub(super) struct PrintFlags {
    /// What is printed: text or json.
    #[arg(long, short = 'o', value_name = "FORM", default_value = "text", value_parser = form)]
    pub(super) output: Form,

    /// No colours, also on a terminal; any value of the variable but an empty one counts.
    #[arg(long, env = "NO_COLOR", action = ArgAction::SetTrue)]
    #[arg(default_value = "", value_parser = is_given)]
    pub(super) no_color: bool,
}

/// Reads `--output`.
pub(super) fn form(text: &str) -> Result<Form, &'static str> {
    match text {
        "text" => Ok(Form::Text),
        "json" => Ok(Form::Json),
        _ => Err("expected text or json"),
    }
}

/// no-color.org: whatever the value is, unless it is empty.
#[allow(clippy::unnecessary_wraps, reason = "clap's signature")]
fn is_given(text: &str) -> Result<bool, std::convert::Infallible> {
    Ok(!text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_none() {
        for (text, expected) in [("", false), ("0", true), ("1", true)] {
            assert_eq!(is_given(text), Ok(expected));
        }
    }
}
