use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use telemetry::health::State;
use tower::ServiceExt as _;

use super::*;
use crate::discovery::{Collision, RuleHealth};
use crate::evaluation::{Pace, Poll, PollResult, RuleFailure};
use crate::model::MetricsApi;
use crate::reload::FileState;
use crate::serving::CertificateState;

/// Whatever somebody may have written into a name.
const HOSTILE: &str = "</code><script>alert(1)</script>\"'&\u{202e}\u{0}<!--";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn mk_rule(place: usize) -> RuleStatus {
    RuleStatus {
        health: RuleHealth {
            rule: format!("rules[{place}]").into(),
            series_query: "up".into(),
            last_success: Some(at(-10)),
            series: Some(3),
            error: None,
        },
        metrics: 1,
        names: vec!["ops".into()],
    }
}

fn mk_poll(objects: &str) -> Poll {
    Poll {
        api: MetricsApi::Custom,
        metric: "ops".into(),
        namespace: Some("shop".into()),
        objects: objects.into(),
        selector: "".into(),
        times: 7,
        last: Duration::from_secs(3),
        pace: Some(Pace {
            period: Duration::from_secs(15),
            pollers: 1,
        }),
        result: Some(PollResult {
            values: Ok(2),
            oldest: Some(at(-4)),
        }),
    }
}

fn mk_status() -> Status {
    Status {
        version: "1.2.3",
        host: "pod-1".to_owned(),
        now: at(0),
        present: at(0),
        uptime: Duration::from_secs(3700),
        conditions: vec![State {
            name: "first-relist",
            holds: true,
        }],
        file: FileState {
            path: "/etc/adapter/config.yaml".into(),
            sha256: "ab12".to_owned(),
            read: at(-3600),
            refused: None,
        },
        rules: vec![mk_rule(0)],
        has_resource_rules: false,
        collisions: Vec::new(),
        polls: vec![mk_poll("pods app=web")],
        failures: Vec::new(),
        calls: Calls {
            ended: 30,
            failed: 0,
            over: Duration::from_secs(60),
        },
        certificates: vec![CertificateState {
            flag: "--tls-cert-file",
            file: "/tls.crt".into(),
            names: vec!["adapter.svc".to_owned()],
            not_after: at(90 * 86_400).as_second(),
        }],
    }
}

/// The page's text: markup becomes spaces.
fn text(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let parts = body
        .split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    let words: Vec<&str> = parts.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

#[test]
fn it_tells_what_there_is() {
    let text = text(&page::page(&mk_status()));
    for told in [
        "metrics-adapter on pod-1 Version 1.2.3, up for 1 h 1 min.",
        "ready yes rules 1 of 1 work none for CPU and memory metrics discovered 1 HPAs seen 1",
        "calls of Prometheus, last 1 min 0.50/s none failed",
        "in use, read 1 h ago /etc/adapter/config.yaml SHA-256 ab12",
        "rules[0] works up 3 1 ops 10 s",
        "shop pods app=web ops 15.0 s one 3 s ago",
        "shop ops pods app=web 15.0 s 7 3 s ago 2 values 4 s",
        "None since the start.",
        "/tls.crt --tls-cert-file adapter.svc in 90 d",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
}

#[test]
fn it_tells_what_is_wrong() {
    let mut status = mk_status();
    status.conditions[0].holds = false;
    status.file.refused = Some((at(-5), "rules[0].x: unknown field".to_owned()));
    status.calls.failed = 6;
    status.certificates[0].not_after = at(-60).as_second();
    let rules = [
        (None, None, None),
        (Some(at(-9)), Some(0), None),
        (None, None, Some("no such host")),
        (Some(at(-9)), Some(2), Some("no such host")),
        (Some(at(-9)), None, Some("no such host")),
    ];
    status.rules = rules
        .map(|(last_success, series, error)| RuleStatus {
            health: RuleHealth {
                last_success,
                series,
                error: error.map(str::to_owned),
                ..mk_rule(0).health
            },
            ..mk_rule(0)
        })
        .into();
    status.rules.extend([mk_rule(3), mk_rule(4)]);
    status.failures.push(RuleFailure {
        rule: "rules[4]".into(),
        error: "Prometheus answered 422".into(),
        at: at(-59),
        times: 1,
    });
    status.polls[0].result = Some(PollResult {
        values: Err("timed out while fetching metrics".into()),
        oldest: None,
    });
    status.failures.push(RuleFailure {
        rule: "rules[3]".into(),
        error: "Prometheus answered 422".into(),
        at: at(-65),
        times: 12,
    });
    status.collisions.push(Collision {
        metric: "pods/ops".to_owned(),
        winner: "rules[1] (b)".to_owned(),
        loser: "rules[0] (a)".to_owned(),
    });
    let text = text(&page::page(&status));
    for told in [
        "ready no: first-relist rules 2 of 7 work",
        "0.10/s failed",
        "refused, the one before is in use",
        "in use: read 1 h ago; refused 5 s ago: rules[0].x: unknown field",
        "rules[0] not asked yet",
        "rules[0] finds no series",
        "rules[0] fails, never had an answer no such host",
        "rules[0] fails, serves what it had last no such host",
        "rules[0] fails, its last answer is too old no such host",
        "rules[3] works",
        "rules[4] its queries for values fail",
        "3 s ago timed out while fetching metrics -",
        "rules[3] 1 min 5 s ago 12 Prometheus answered 422",
        "pods/ops rules[1] (b) rules[0] (a)",
        "1 min ago",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
}

#[test]
fn whatever_others_wrote_is_escaped() {
    let mut status = mk_status();
    let hostile = || HOSTILE.to_owned();
    status.host = hostile();
    status.file.path = HOSTILE.into();
    status.file.sha256 = hostile();
    status.file.refused = Some((at(0), hostile()));
    status.rules[0].health.series_query = HOSTILE.into();
    status.rules[0].health.error = Some(hostile());
    status.rules[0].names = vec![HOSTILE.into()];
    let poll = &mut status.polls[0];
    poll.metric = HOSTILE.into();
    poll.namespace = Some(HOSTILE.into());
    poll.objects = HOSTILE.into();
    poll.selector = HOSTILE.into();
    poll.result = Some(PollResult {
        values: Err(HOSTILE.into()),
        oldest: None,
    });
    status.failures.push(RuleFailure {
        rule: HOSTILE.into(),
        error: HOSTILE.into(),
        at: at(0),
        times: 1,
    });
    status.collisions.push(Collision {
        metric: hostile(),
        winner: hostile(),
        loser: hostile(),
    });
    status.certificates[0].names = vec![hostile()];
    let page = page::page(&status);
    let escaped = "&lt;/code&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp;\u{202e}&lt;!--";
    assert!(page.matches(escaped).count() >= 17, "{page}");
    assert!(!page.contains("<script") && !page.contains("<!--") && !page.contains('\0'));
    for tag in ["<code", "<td", "<span"] {
        let closed = tag.replace('<', "</");
        assert_eq!(page.matches(tag).count(), page.matches(&closed).count());
    }
}

#[test]
fn everything_is_bounded_and_says_so() {
    let mut status = mk_status();
    let long = "ü".repeat(100_000);
    status.rules = (0..1000).map(mk_rule).collect();
    status.rules[0].health.error = Some(long.clone());
    status.rules[1].health.series_query = long.as_str().into();
    status.polls = (0..4096)
        .map(|number| mk_poll(&format!("pods app={number}")))
        .collect();
    let page = page::page(&status);
    assert!(page.len() < 400_000, "{}", page.len());
    assert_eq!(page.matches("<tr>").count(), 4 + 3 * table::ROWS + 1);
    let text = text(&page);
    for told in [
        "800 more, which are left out here.",
        "3896 more, which are left out here.",
        "999 of 1000 work",
        "HPAs seen 4096",
    ] {
        assert!(text.contains(told), "{told}");
    }
}

async fn ask(peer: &str, host: &str) -> (u16, Response) {
    let peer: SocketAddr = peer.parse().unwrap();
    let request = Request::builder().uri("/").header("host", host);
    let request = request.extension(ConnectInfo(peer));
    let request = request.body(Body::empty()).unwrap();
    let response = router(mk_status).oneshot(request).await.unwrap();
    (response.status().as_u16(), response)
}

#[tokio::test]
async fn local_peers_get_a_page_that_may_load_nothing() {
    let (status, response) = ask("127.0.0.1:40000", "localhost:8081").await;
    assert_eq!(status, 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("cache-control"), "no-store");
    let policy = header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    // The hash in the policy is that of the style as it is written.
    let style = body.split_once("<style>").unwrap().1;
    assert_eq!(style.split_once("</style>").unwrap().0, page::STYLE);
}

#[tokio::test]
async fn others_get_one_line() {
    for (peer, host) in [
        ("10.0.0.1:40000", "localhost:8081"),
        ("127.0.0.1:40000", "rebound.example:8081"),
    ] {
        let (status, response) = ask(peer, host).await;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, 403, "{peer} {host}");
        assert!(body.len() < 200 && body.ends_with(b"\n"), "{body:?}");
    }
}
