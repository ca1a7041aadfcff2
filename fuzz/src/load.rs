//! What server and load client read: a target or a URL that must not be a stranger, addresses, a
//! caller's deadline, whose turn it is.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use loadclient::http::cli::{is_ours, url};
use loadclient::rotation::{Choice, Rotation, Standing};
use loadclient::target::Target as Aim;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "load",
    run,
    seeds,
    words: &[
        ":",
        ".",
        "[",
        "]",
        "::",
        "::ffff:",
        "localhost",
        ".svc",
        ".svc.cluster.local",
        "127.0.0.1",
        "10.",
        "8.8.8.8",
        "0x",
        "0x08080808",
        "134744072",
        "010.",
        "1.1",
        "http://",
        "https:",
        "//",
        "\\",
        "@",
        "?",
        "#",
        "\t",
        "。",
        ":9090",
        ":0",
        ":65536",
        "%",
        "%eth0",
        "H",
        "M",
        "S",
        "m",
        "u",
        "n",
        "99999999",
        "-",
        "é",
    ],
    cases: 12000,
};

fn seeds() -> Vec<Vec<u8>> {
    seed::all(&[
        "server-headless:9090",
        "server.default.svc.cluster.local.:1",
        "127.0.0.1:80",
        "[::1]:9090",
        "[::ffff:10.0.0.1]:1",
        "100.64.0.1:1",
        "8.8.8.8:53",
        ":8081",
        "0.0.0.0:9090",
        "http://localhost:8080/",
        "https://server.default.svc/a?b=c#d",
        "http://[::1]:1/",
        "http://134744072/",
        "http://0x8.8.8.8/",
        "http://user:password@10.0.0.1/",
        "1H",
        "99999999S",
        "5u",
        "12m",
    ])
}

fn run(input: &[u8]) {
    rotation(input);
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    if let Ok(aim) = text.parse::<Aim>() {
        let again: Result<Aim, _> = aim.to_string().parse();
        assert_eq!(again.as_ref(), Ok(&aim), "{text:?}");
        let public = address(aim.host()).filter(is_public);
        assert!(
            !(aim.is_ours() && public.is_some()),
            "{text:?} is {public:?}"
        );
    }
    if let Ok(url) = url(text) {
        let host = url.host_str().unwrap_or_default();
        let public = address(host.trim_matches(['[', ']'])).filter(is_public);
        assert!(
            !(is_ours(&url) && public.is_some()),
            "{text:?} is {public:?}"
        );
        assert!(url.password().is_none(), "{text:?}");
    }
    if let Ok(address) = telemetry::address::parse(text) {
        assert_eq!(telemetry::address::parse(&address.to_string()), Ok(address));
    }
    if let Ok(value) = MetadataValue::try_from(text) {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", value);
        if let Some(deadline) = server::deadline::of(&metadata) {
            assert!(
                deadline <= Duration::from_secs(99_999_999 * 3600),
                "{text:?}"
            );
        }
    }
}

/// What a resolver makes of a text without asking anybody: also `inet_aton`'s shorter forms.
fn address(host: &str) -> Option<IpAddr> {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.parse().ok().or_else(|| {
        let parts: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
        let (last, bytes) = parts.split_last()?;
        let room = 32_u32.checked_sub(8 * u32::try_from(bytes.len()).ok()?)?;
        if room == 0 || (room < 32 && *last >= 1 << room) || bytes.iter().any(|byte| *byte > 255) {
            return None;
        }
        let high = bytes.iter().fold(0, |sum, byte| sum << 8 | byte);
        let high = if room == 32 { 0 } else { high << room };
        Some(IpAddr::V4(Ipv4Addr::from(high | last)))
    })
}

/// As C writes them: decimal, octal, hexadecimal.
fn number(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if lower.len() > 1 && lower.starts_with('0') => (&lower[1..], 8),
        None => (lower.as_str(), 10),
    };
    let sign = digits.starts_with('+');
    (!sign)
        .then(|| u32::from_str_radix(digits, radix).ok())
        .flatten()
}

/// Somebody else's machine.
fn is_public(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && (64..128).contains(&second);
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

/// Whoever is ready gets a turn, and nobody else.
fn rotation(input: &[u8]) {
    let standings: Vec<Standing> = input
        .iter()
        .take(16)
        .map(|byte| match byte % 3 {
            0 => Standing::Ready,
            1 => Standing::Pending,
            _ => Standing::Failed,
        })
        .collect();
    let ready = |index: &usize| standings[*index] == Standing::Ready;
    let all: Vec<usize> = (0..standings.len()).filter(ready).collect();
    let mut rotation = Rotation::default();
    // Fewer and more endpoints come and go in between.
    rotation.choose(&standings[standings.len() / 2..]);
    let mut chosen: Vec<usize> = Vec::new();
    for _ in &all {
        match rotation.choose(&standings) {
            Choice::Use(index) => chosen.push(index),
            other => panic!("{other:?} although some are ready"),
        }
    }
    chosen.sort_unstable();
    assert_eq!(chosen, all);
}
