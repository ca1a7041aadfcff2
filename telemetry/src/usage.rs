//! How a program refuses its command line: one line on standard error and exit code 64.
//!
//! Law: `--help` and `--version` are answers, on standard output with exit code 0.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// The exit code for a wrong flag or environment value (`EX_USAGE` of sysexits.h).
pub const EXIT_USAGE: u8 = 64;

/// Reports what clap refused and returns the exit code for it.
///
/// Clap's text spans paragraphs (message, tips, usage); only the message is kept, on one line.
#[must_use]
pub fn refuse(program: &str, error: &clap::Error) -> ExitCode {
    if error.exit_code() == 0 {
        let _ = write!(io::stdout().lock(), "{error}");
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(io::stderr().lock(), "{program}: {}", line(error));
    ExitCode::from(EXIT_USAGE)
}

/// Clap's message as one line, without `error: `.
fn line(error: &clap::Error) -> String {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if error.kind() == DisplayHelpOnMissingArgumentOrSubcommand {
        return "a subcommand is missing, see --help".to_owned();
    }
    let text = error.to_string();
    let message = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = message.split_whitespace().collect();
    let line = words.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let number = Arg::new("count")
            .long("count")
            .required(true)
            .value_name("COUNT");
        let number = number.value_parser(clap::value_parser!(u16));
        let command = Command::new("program").arg(number);
        line(&command.try_get_matches_from(arguments).unwrap_err())
    }

    #[test]
    fn the_line_names_the_flag() {
        assert_eq!(
            refused(&["program", "--count", "abc"]),
            "invalid value 'abc' for '--count <COUNT>': invalid digit found in string"
        );
        assert_eq!(
            refused(&["program", "--what"]),
            "unexpected argument '--what' found"
        );
        assert_eq!(
            refused(&["program"]),
            "the following required arguments were not provided: --count <COUNT>"
        );
    }
}
