use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::*;
use crate::prometheus::{Authorization, Verb};
use crate::serving::{CertificateSource, MinVersion, PortSharing, Protocols};
use crate::{auth, discovery, serving};

fn parse(flags: &[&str]) -> Result<Config, String> {
    let command = ["metrics-adapter", "--config", "rules.yaml"];
    let command = command.iter().chain(flags).map(OsString::from);
    super::parse(command).map_err(|error| error.to_string())
}

/// One flag of prometheus-adapter 0.12, as its own `--help` tells it: `go build` in the module
/// sigs.k8s.io/prometheus-adapter v0.12.0, then `adapter --help`.
#[derive(Deserialize)]
struct Recorded {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    default: String,
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("../../tests/golden/flags.json")).unwrap()
}

/// Defaults are written in several ways.
fn canonical(kind: &str, text: &str) -> String {
    match kind {
        "duration" => format!("{:?}", value::duration(text).unwrap()),
        "float32" => value::float(text).unwrap().to_string(),
        "ip" => text.parse::<IpAddr>().unwrap().to_string(),
        _ => text.to_owned(),
    }
}

#[test]
fn every_flag_of_prometheus_adapter_has_its_default() {
    let command = flags::command();
    let recorded = recorded();
    assert_eq!(recorded.len(), 80);
    let mut different = BTreeSet::new();
    for Recorded {
        name,
        kind,
        default,
    } in recorded
    {
        let arg = command
            .get_arguments()
            .find(|arg| arg.get_long() == Some(&name))
            .unwrap_or_else(|| panic!("--{name} is unknown"));
        let ours = arg.get_default_values().first();
        let ours = ours.map_or("", |value| value.to_str().unwrap());
        let (theirs, ours) = (canonical(&kind, &default), canonical(&kind, ours));
        if theirs == ours {
            continue;
        }
        let difference = difference::DIFFERENCES
            .iter()
            .find(|difference| difference.flag == name)
            .unwrap_or_else(|| panic!("--{name}: {ours:?} is not their {theirs:?}"));
        assert_eq!((difference.theirs, difference.ours), (&*theirs, &*ours));
        different.insert(name);
    }
    assert_eq!(different.len(), difference::DIFFERENCES.len());
}

#[test]
fn every_other_flag_is_known_to_be_ours() {
    let theirs: BTreeSet<String> = recorded().into_iter().map(|flag| flag.name).collect();
    let command = flags::command();
    for arg in command.get_arguments() {
        let Some(name) = arg.get_long() else { continue };
        let is_ours = config::OURS.contains(&name);
        assert_ne!(is_ours, theirs.contains(name), "--{name}");
    }
}

#[test]
fn booleans_have_pflags_grammar() {
    let theirs = recorded();
    let command = flags::command();
    for flag in theirs.iter().filter(|flag| flag.kind == "bool") {
        let arg = command
            .get_arguments()
            .find(|arg| arg.get_long() == Some(&flag.name))
            .unwrap();
        assert!(arg.is_require_equals_set(), "--{}", flag.name);
        for suffix in ["", "=true", "=F", "=0"] {
            parse(&[&format!("--{}{suffix}", flag.name)]).unwrap();
        }
        let error = parse(&[&format!("--{}=maybe", flag.name)]).unwrap_err();
        assert!(error.contains(&flag.name), "{error}");
    }
    // What follows without `=` is an argument of its own.
    let config = parse(&["--disable-http2", "false"]).unwrap();
    assert_eq!(config.tls.protocols, Protocols::Http1);
    assert!(config.notices[0].contains("are ignored: 1"));
}

/// A page without one of its chapters.
#[cfg(not(feature = "otel"))]
fn without(page: &str, heading: &str) -> String {
    let (before, rest) = page.split_once(heading).unwrap();
    let end = rest.find("\n## ").unwrap_or(rest.len());
    format!("{before}{}", &rest[end..])
}

#[test]
fn the_page_in_docs_is_up_to_date() {
    let page = include_str!("../../../docs/flags.md");
    // It is the image's program that is described.
    #[cfg(not(feature = "otel"))]
    let page = without(page, "\n## Traces\n");
    assert!(
        page == markdown(),
        "docs/flags.md is out of date: make docs"
    );
}

#[test]
fn defaults_are_prometheus_adapters() {
    let config = parse(&[]).unwrap();
    assert_eq!(config.relist.interval, Duration::from_secs(600));
    assert_eq!(config.relist.max_age, config.relist.interval);
    assert_eq!(config.prometheus.url.as_str(), "https://localhost/");
    assert_eq!(config.secure_address.to_string(), "0.0.0.0:443");
    assert!(matches!(
        config.certificate,
        CertificateSource::Directory { .. }
    ));
    assert_eq!(config.auth, auth::Options::default());
    assert_eq!(config.trust, auth::LocalTrust::default());
    assert_eq!(config.tls, serving::TlsOptions::default());
    assert_eq!(config.serving, serving::Options::default());
    assert_eq!(config.prometheus_login, PrometheusLogin::None);
    assert!(config.notices.is_empty(), "{:?}", config.notices);
}

#[test]
fn refusals_name_the_flag() {
    for (flags, text) in [
        (&["--secure-port=0"][..], "--secure-port"),
        (&["--bind-address="], "--bind-address"),
        (&["--bind-address=localhost"], "--bind-address"),
        (&["--prometheus-verb=get"], "--prometheus-verb"),
        (&["--prometheus-url=prometheus:9090"], "--prometheus-url"),
        (&["--prometheus-header=a b=c"], "--prometheus-header"),
        (
            &["--prometheus-auth-incluster", "--prometheus-auth-config=x"],
            "--prometheus-auth-incluster and --prometheus-auth-config cannot",
        ),
        (
            &["--prometheus-client-tls-cert-file=x"],
            "--prometheus-client-tls-cert-file needs --prometheus-client-tls-key-file",
        ),
        (
            &["--prometheus-client-tls-key-file=x"],
            "--prometheus-client-tls-key-file needs --prometheus-client-tls-cert-file",
        ),
        (
            &["--metrics-relist-interval=10"],
            "--metrics-relist-interval",
        ),
        (
            &["--metrics-relist-interval=0"],
            "--metrics-relist-interval must be more than 0",
        ),
        (
            &["--metrics-relist-interval=999ms"],
            "--metrics-relist-interval must be 1s or more",
        ),
        (
            &["--discovery-interval=1ns"],
            "--discovery-interval must be 1s or more",
        ),
        (&["--prometheus-timeout=0"], "--prometheus-timeout must be"),
        (&["--discovery-interval", "-1m"], "--discovery-interval"),
        (
            &["--tls-cert-file=x"],
            "--tls-cert-file needs --tls-private",
        ),
        (
            &["--cert-dir="],
            "an empty --cert-dir needs --tls-cert-file",
        ),
        (
            &["--tls-min-version=VersionTLS10"],
            "--tls-min-version: TLS 1.0",
        ),
        (&["--tls-min-version=1.3"], "--tls-min-version: unknown"),
        (&["--tls-cipher-suites=RC4"], "--tls-cipher-suites: unknown"),
        (
            &["--tls-cipher-suites=TLS_RSA_WITH_AES_128_GCM_SHA256"],
            "--tls-cipher-suites: none of these",
        ),
        (&["--tls-sni-cert-key=a"], "--tls-sni-cert-key"),
        (
            &["--http2-max-streams-per-connection=-1"],
            "--http2-max-streams-per-connection",
        ),
        (
            &["--authorization-always-allow-paths=/a*b"],
            "--authorization-always-allow-paths: only the last",
        ),
        (
            &["--requestheader-username-headers=a b"],
            "--requestheader-username-headers: \"a b\"",
        ),
        (
            &[
                "--requestheader-client-ca-file=x",
                "--requestheader-username-headers=",
            ],
            "--requestheader-username-headers: without",
        ),
        (
            &["--requestheader-allowed-names=a,"],
            "--requestheader-allowed-names",
        ),
        (
            &["--audit-log-path=-"],
            "--audit-log-path: there is no audit",
        ),
        (&["--audit-policy-file=x"], "--audit-policy-file: there is"),
        (&["--audit-webhook-config-file=x"], "--audit-webhook-config"),
        (&["--audit-log-maxage=x"], "--audit-log-maxage"),
        (&["--client-qps=fast"], "--client-qps"),
        (&["-v=x"], "-v"),
        (&["--vmodule=x"], "--vmodule"),
        (&["--log-flush-frequency=5"], "--log-flush-frequency"),
        (&["--log-format=xml"], "--log-format"),
        (&["--metrics_max_age=1m"], "--metrics_max_age"),
        (&["--logtostderr"], "--logtostderr"),
        (&["-disable-http2"], "-d"),
    ] {
        let error = parse(flags).map(|_| ()).unwrap_err();
        assert!(error.contains(text), "{flags:?}: {error}");
    }
    let error = super::parse([OsString::from("metrics-adapter")]).unwrap_err();
    assert!(error.to_string().contains("--config"), "{error}");
}

/// A colon or blank for `=`, a token with its padding, a line too many, a URL without a host.
#[test]
fn refusals_repeat_no_secret() {
    for flag in [
        "--prometheus-header=Authorization: Bearer s3cret",
        "--prometheus-header=Authorization: Bearer s3cret==",
        "--prometheus-header=Authorization=Bearer s3cret\n",
        "--prometheus-url=https://u:s3cret@",
        "--prometheus-url=ftp://u:s3cret@host",
        "--prometheus-url=https://u:s3cret@host:x",
    ] {
        let error = parse(&[flag]).map(|_| ()).unwrap_err();
        let name = flag.split_once('=').unwrap().0;
        assert!(
            error.starts_with(&format!("error: invalid value for '{name} <")),
            "{error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
    }
}

/// A quote is missing, perhaps around a secret.
#[test]
fn stray_arguments_are_counted_and_not_repeated() {
    for (arguments, expected) in [
        (
            &["/adapter"][..],
            "arguments that are no flags are ignored: /adapter",
        ),
        (
            &["/adapter", "s3cret"],
            "arguments that are no flags are ignored: /adapter and 1 more",
        ),
        (
            &[
                "--prometheus-header",
                "Authorization=Bearer",
                "s3cret",
                "/s3cret",
            ],
            "arguments that are no flags are ignored: 2 (is a quote missing?)",
        ),
    ] {
        assert_eq!(parse(arguments).unwrap().notices, [expected]);
    }
}

#[test]
fn the_age_of_metrics_is_judged_beside_the_rules() {
    let config = parse(&["--metrics-max-age=1m"]).unwrap();
    let error = check_max_age(&config.relist).unwrap_err().to_string();
    assert!(
        error.contains("--metrics-max-age 60s must not be less"),
        "{error}"
    );
    let config = parse(&["--metrics-max-age=10m0s"]).unwrap();
    assert_eq!(check_max_age(&config.relist), Ok(()));
}

#[test]
fn flags_without_effect_say_so_once_and_only_if_given() {
    for inert in inert::TABLE {
        let default = flags::command()
            .get_arguments()
            .find(|arg| arg.get_long() == Some(inert.name))
            .and_then(|arg| arg.get_default_values().first().cloned())
            .unwrap();
        let flag = format!("--{}={}", inert.name, default.to_str().unwrap());
        let notices = parse(&[&flag, &flag]).unwrap().notices;
        let expected = usize::from(matches!(inert.effect, inert::Effect::Nothing(_)));
        assert_eq!(notices.len(), expected, "{flag}: {notices:?}");
        for notice in notices {
            assert!(
                notice.starts_with(&format!("--{} ", inert.name)),
                "{notice}"
            );
        }
    }
}

#[test]
fn the_last_scalar_counts_and_lists_add_up() {
    let config = parse(&[
        "--secure-port=1",
        "--secure-port",
        "0x1bb",
        "-v4",
        "-v=5",
        "--v=6",
        "-v",
        "9",
        "--authorization-always-allow-paths=a,/b*",
        "--authorization-always-allow-paths=*",
        "--config=-other.yaml",
        "--discovery-interval=0",
    ])
    .unwrap();
    assert_eq!(config.secure_address.port(), 443);
    assert_eq!(config.auth.always_allow_paths, ["/a", "/b*", "/*"]);
    assert_eq!(config.rules, PathBuf::from("-other.yaml"));
    assert_eq!(config.discovery_interval, Duration::from_secs(300));
    assert!(config.log_filter.to_string().contains("=trace"));
    let config = parse(&["--authorization-always-allow-paths="]).unwrap();
    assert!(config.auth.always_allow_paths.is_empty());
}

#[test]
fn a_second_is_a_period() {
    let second = Duration::from_secs(1);
    let config = parse(&["--metrics-relist-interval=1s", "--discovery-interval=1s"]).unwrap();
    assert_eq!(config.relist.interval, second);
    assert_eq!(config.discovery_interval, second);
}

#[test]
fn headers_may_lack_a_value() {
    let config = parse(&["--prometheus-header=x-scope=a=b,c", "--prometheus-header=y"]).unwrap();
    let headers = config.prometheus.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(headers, [("x-scope", "a=b,c"), ("y", "")]);
}

#[test]
fn credentials_for_prometheus_have_prometheus_adapters_order() {
    let config = parse(&["--prometheus-verb=GET", "--prometheus-auth-incluster"]).unwrap();
    assert_eq!(config.prometheus.verb, Verb::Get);
    assert_eq!(config.prometheus_login, PrometheusLogin::ServiceAccount);

    let config = parse(&["--prometheus-auth-config=k", "--prometheus-token-file=t"]).unwrap();
    let login = PrometheusLogin::Kubeconfig("k".into());
    assert_eq!(config.prometheus_login, login);
    let token = config.prometheus.credentials.authorization;
    assert!(matches!(token, Some(Authorization::TokenFile { .. })));

    let ca = "--prometheus-ca-file=ca";
    let config = parse(&[
        ca,
        "--prometheus-auth-incluster",
        "--prometheus-auth-config=k",
    ])
    .unwrap();
    assert_eq!(config.prometheus_login, PrometheusLogin::None);
    assert_eq!(config.notices.len(), 2, "{:?}", config.notices);

    let header = "--prometheus-header=Authorization=Basic x";
    let config = parse(&[header, "--prometheus-token-file=t"]).unwrap();
    assert!(config.notices[0].starts_with("--prometheus-token-file has no effect"));

    let empty = [
        "ca-file",
        "auth-config",
        "token-file",
        "client-tls-key-file",
    ];
    let empty = empty.map(|name| format!("--prometheus-{name}="));
    let config = parse(&empty.each_ref().map(String::as_str)).unwrap();
    assert!(config.prometheus.credentials.authorities.is_none());
    assert!(config.prometheus.credentials.authorization.is_none());
}

#[test]
fn the_front_is_set_up_as_told() {
    let config = parse(&[
        "--bind-address=::1",
        "--permit-port-sharing",
        "--tls-min-version=VersionTLS13",
        "--disable-http2=t",
        "--http2-max-streams-per-connection=7",
        "--tls-sni-cert-key=a.crt,a.key:*.a.test",
        "--tls-sni-cert-key=b.crt,b.key",
        "--cert-dir=/c",
    ])
    .unwrap();
    assert_eq!(config.secure_address.to_string(), "[::1]:443");
    assert_eq!(config.port_sharing, PortSharing::Shared);
    assert_eq!(config.tls.min_version, MinVersion::Tls13);
    assert_eq!(config.tls.protocols, Protocols::Http1);
    assert_eq!(config.serving.max_concurrent_streams, 7);
    let names: Vec<_> = config
        .named_certificates
        .iter()
        .map(|n| &n.names[..])
        .collect();
    assert_eq!(names, [&["*.a.test".to_owned()][..], &[]]);
    let CertificateSource::Directory { directory, names } = config.certificate else {
        panic!("{:?}", config.certificate)
    };
    assert_eq!(directory, PathBuf::from("/c"));
    assert_eq!(names, ["localhost", "127.0.0.1", "::1"]);
}

#[test]
fn cipher_suites_that_are_weak_are_left_out() {
    use rustls::CipherSuite::*;
    let strong = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    let config = parse(&[&format!(
        "--tls-cipher-suites={strong},TLS_RSA_WITH_AES_128_CBC_SHA"
    )])
    .unwrap();
    let suites = vec![
        TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ];
    assert_eq!(config.tls.cipher_suites, Some(suites));
    assert!(config.notices[0].ends_with("left out: TLS_RSA_WITH_AES_128_CBC_SHA"));
    let config = parse(&["--tls-cipher-suites=TLS_AES_128_GCM_SHA256"]).unwrap();
    assert_eq!(config.tls.cipher_suites, Some(Vec::new()));
}

#[test]
fn trust_is_what_flags_tell() {
    let config = parse(&[
        "--client-ca-file=clients",
        "--requestheader-client-ca-file=proxies",
        "--requestheader-allowed-names=a,b",
        "--requestheader-username-headers=X-User",
        "--requestheader-extra-headers-prefix=X-Extra-",
        "--authentication-skip-lookup",
        "--authentication-token-webhook-cache-ttl=1m",
    ])
    .unwrap();
    assert_eq!(config.trust.client_ca_file, Some("clients".into()));
    assert_eq!(config.trust.lookup, auth::Lookup::Skipped);
    let proxy = config.trust.request_header.unwrap();
    assert_eq!(proxy.ca_file, PathBuf::from("proxies"));
    assert_eq!(proxy.allowed_names, ["a", "b"]);
    assert_eq!(proxy.username_headers, ["x-user"]);
    assert_eq!(proxy.group_headers, ["x-remote-group"]);
    assert_eq!(proxy.extra_prefixes, ["x-extra-"]);
    assert_eq!(config.auth.token_ttl, Duration::from_secs(60));
    assert!(config.notices.is_empty(), "{:?}", config.notices);

    let config = parse(&[
        "--requestheader-group-headers=x-team",
        "--authentication-tolerate-lookup-failure",
    ])
    .unwrap();
    assert_eq!(config.trust.request_header, None);
    assert_eq!(config.trust.lookup, auth::Lookup::Tolerated);
    assert!(config.notices[0].contains("without --requestheader-client-ca-file"));
}

#[test]
fn discovery_and_the_length_of_queries_are_prometheus_adapters_unless_told() {
    let config = parse(&[]).unwrap();
    assert_eq!(config.relist.listing, discovery::Listing::Full);
    assert_eq!(config.prometheus.max_query_length, 0);
    let config = parse(&["--discovery=compact", "--prometheus-max-query-length=16384"]).unwrap();
    assert_eq!(config.relist.listing, discovery::Listing::Compact);
    assert_eq!(config.prometheus.max_query_length, 16_384);
    for (flag, value) in [("discovery", "none"), ("prometheus-max-query-length", "-1")] {
        let error = parse(&[&format!("--{flag}={value}")]).unwrap_err();
        assert!(error.contains(&format!("--{flag}")), "{error}");
    }
}
