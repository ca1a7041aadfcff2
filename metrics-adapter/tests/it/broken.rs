//! Set-ups that are broken in the usual ways, and the one law about them: the first five lines of
//! what a command prints name the true cause. Each file below has rows of the table.

mod rules;

use std::process::Output;

/// Nobody reads further who is in a hurry.
const FIRST: usize = 5;

/// A broken set-up.
pub(crate) struct Row {
    /// What is broken.
    pub(crate) set_up: &'static str,
    /// What the command made of it.
    pub(crate) output: Output,
    /// What names the cause: all of it must be there.
    pub(crate) cause: &'static [&'static str],
}

/// Fails if a row's cause is not where it belongs.
pub(crate) fn judge(rows: &[Row]) {
    let mut unnamed = Vec::new();
    for Row {
        set_up,
        output,
        cause,
    } in rows
    {
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8(said).unwrap();
        let first: Vec<&str> = said.lines().take(FIRST).collect();
        let first = first.join("\n");
        let missing = cause.iter().filter(|part| !first.contains(**part));
        let missing: Vec<&&str> = missing.collect();
        if !missing.is_empty() {
            unnamed.push(format!(
                "{set_up}: no {missing:?} in the first lines of\n{said}"
            ));
        }
    }
    assert!(unnamed.is_empty(), "{}", unnamed.join("\n"));
}

#[test]
#[should_panic(expected = "late: no [\"cause\"] in the first lines")]
fn a_late_cause_is_no_cause() {
    let output = |text: &str| Output {
        status: std::process::ExitStatus::default(),
        stdout: text.as_bytes().to_vec(),
        stderr: Vec::new(),
    };
    let row = |set_up, text: &str| Row {
        set_up,
        output: output(text),
        cause: &["cause"],
    };
    judge(&[
        row("early", "1\n2\n3\n4\nthe cause\n"),
        row("late", "1\n2\n3\n4\n5\nthe cause\n"),
    ]);
}
