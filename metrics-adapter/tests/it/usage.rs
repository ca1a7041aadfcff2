//! The program's refusals: one clear line, and the right exit code.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

/// Exit code and standard error of a run that is expected to end at once.
fn refused(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_metrics-adapter"))
        .args(arguments)
        .env_remove("KUBERNETES_SERVICE_HOST")
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stderr).unwrap();
    (
        output.status.code().unwrap_or(-1),
        lines.trim_end().to_owned(),
    )
}

fn write(directory: &TempDir, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn wrong_flags_exit_64_and_are_named() {
    for (arguments, text) in [
        (
            &["--config=x", "--nonsense"][..],
            "unexpected argument '--nonsense' found",
        ),
        (&[], "--config <FILE>"),
        (&["--config=x", "--secure-port=70000"], "--secure-port"),
        (
            &["--config=x", "--prometheus-url=ftp://x"],
            "--prometheus-url",
        ),
    ] {
        let (code, line) = refused(arguments);
        assert_eq!(code, 64, "{arguments:?}: {line}");
        assert!(
            line.contains(text) && line.lines().count() == 1,
            "{arguments:?}: {line}"
        );
    }
}

#[test]
fn unusable_files_exit_1_and_are_named() {
    let directory = TempDir::new().unwrap();
    let good = write(&directory, "good.yaml", "rules: []\n");
    let unknown_key = write(&directory, "unknown.yaml", "rules:\n- seriesquery: up\n");
    let bad_regex = write(
        &directory,
        "regex.yaml",
        "rules: [{seriesQuery: up, metricsQuery: up, name: {matches: '('}}]",
    );
    let missing = directory.path().join("tls.crt").display().to_string();
    for (arguments, texts) in [
        (
            vec!["--config=/does/not/exist.yaml".to_owned()],
            vec!["--config /does/not/exist.yaml: cannot read the rules file: No such file"],
        ),
        (
            vec![format!("--config={unknown_key}")],
            vec!["unknown.yaml", "line 2", "seriesquery"],
        ),
        (
            vec![format!("--config={bad_regex}")],
            vec!["regex.yaml", "rules[0].name.matches", "unclosed group"],
        ),
        (
            vec![
                format!("--config={good}"),
                format!("--tls-cert-file={missing}"),
                format!("--tls-private-key-file={missing}"),
            ],
            vec!["--tls-cert-file", "tls.crt"],
        ),
        (
            vec![
                format!("--config={good}"),
                format!("--cert-dir={}", directory.path().display()),
                "--lister-kubeconfig=/no/kubeconfig".to_owned(),
            ],
            vec!["--lister-kubeconfig /no/kubeconfig"],
        ),
        (
            vec![
                format!("--config={good}"),
                format!("--cert-dir={}", directory.path().display()),
                "--prometheus-ca-file=/no/ca.crt".to_owned(),
            ],
            vec!["--prometheus-ca-file /no/ca.crt"],
        ),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, line) = refused(&arguments);
        assert_eq!(code, 1, "{arguments:?}: {line}");
        let first = line.lines().next().unwrap_or_default();
        for text in texts {
            assert!(first.contains(text), "{arguments:?}: {line}");
        }
    }
}

#[test]
fn help_and_version_are_answers() {
    for flag in ["--help", "--version"] {
        let output = Command::new(env!("CARGO_BIN_EXE_metrics-adapter"))
            .arg(flag)
            .output()
            .unwrap();
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{flag}"
        );
    }
}

#[test]
fn help_names_every_subcommand() {
    let help = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-adapter"));
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let all = help(&["--help"]);
    for subcommand in ["check", "explain", "simulate"] {
        let line = format!("metrics-adapter {subcommand} --help: ");
        assert!(all.contains(&line), "{subcommand}");
        assert!(help(&[subcommand, "--help"]).contains("Usage: "));
    }
}

/// An image that holds nothing but the program has no CA certificates: plain HTTP needs none, and
/// HTTPS says which flag brings some.
#[test]
fn system_certificates_are_needed_for_https_only() {
    let directory = TempDir::new().unwrap();
    let rules = write(&directory, "rules.yaml", "rules: []\n");
    let kubeconfig = write(&directory, "kubeconfig", "not: [a kubeconfig");
    let refusal = |url: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_metrics-adapter"))
            .args([
                format!("--config={rules}"),
                format!("--lister-kubeconfig={kubeconfig}"),
            ])
            .args([format!("--prometheus-url={url}")])
            .arg(format!("--cert-dir={}", directory.path().display()))
            .env("SSL_CERT_FILE", "/no/roots.pem")
            .env("SSL_CERT_DIR", "/no/roots")
            .output()
            .unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let plain = refusal("http://127.0.0.1:9090");
    assert!(plain.contains("--lister-kubeconfig"), "{plain}");
    let tls = refusal("https://127.0.0.1:9090");
    assert!(tls.contains("--prometheus-ca-file"), "{tls}");
}
