//! Wrong command lines: one line, exit code 64, and no secrets in it.

use crate::world::{SECRET, command};

#[test]
fn what_is_missing_is_named() {
    for (program, variable, message) in [
        (
            "exoscale-sd",
            "EXOSCALE_SECRET",
            "--exoscale-api-secret: is missing",
        ),
        (
            "exoscale-sd",
            "EXOSCALE_INSTANCEPOOL_ID",
            "--instance-pool-id",
        ),
        (
            "exoscale-autoscaler",
            "EXOSCALE_KEY",
            "--exoscale-api-key: is missing",
        ),
    ] {
        let mut command = command(program, ([127, 0, 0, 1], 1).into());
        let output = command.env_remove(variable).output().unwrap();
        assert_eq!(output.status.code(), Some(64));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(message), "{text:?} lacks {message:?}");
        assert!(!text.contains(SECRET), "{text:?}");
        assert_eq!(text.lines().count(), 1, "{text:?}");
    }
}

#[test]
fn help_shows_no_secrets() {
    for program in ["exoscale-sd", "exoscale-autoscaler"] {
        let mut command = command(program, ([127, 0, 0, 1], 1).into());
        let output = command.arg("--help").output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("EXOSCALE_INSTANCEPOOL_ID"), "{text}");
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_a_failure() {
    let mut command = command("exoscale-sd", ([127, 0, 0, 1], 1).into());
    let output = command
        .args(["--prometheus-file", "/no/such/directory/config.json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("--prometheus-file: cannot write"), "{text:?}");
}
