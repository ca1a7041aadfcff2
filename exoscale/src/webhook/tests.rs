use super::*;

/// Grafana 7.1's notification channel.
const GRAFANA_7: &str = r#"{
  "dashboardId": 1, "evalMatches": [{"value": 0.95, "metric": "High CPU", "tags": null}],
  "imageUrl": "", "message": "scale up", "orgId": 1, "panelId": 4, "ruleId": 2,
  "ruleName": "High CPU usage", "ruleUrl": "http://localhost:3000/d/x?tab=alert", "state": "STATE",
  "tags": {}, "title": "[Alerting] High CPU usage"}"#;

/// Grafana 4's, before the names changed.
const GRAFANA_4: &str = r#"{
  "evalMatches": [{"value": 100, "metric": "cpu", "tags": {"name": "cpu"}}],
  "image_url": "http://example.org/i.png", "message": "m", "rule_url": "http://localhost/",
  "state": "STATE", "title": "My alert"}"#;

/// Grafana 8.0's unified alerting, with `valueString`.
const GRAFANA_8: &str = r#"{
  "receiver": "scale-up", "status": "STATUS",
  "alerts": [{"status": "STATUS", "labels": {"alertname": "High CPU"},
    "annotations": {}, "startsAt": "2021-06-30T09:41:41Z", "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://localhost:3000/alerting/1/edit", "fingerprint": "c6eadffa33fcdf37",
    "valueString": "[ var='B0' metric='cpu' labels={} value=0.9 ]"}],
  "groupLabels": {"alertname": "High CPU"}, "commonLabels": {"alertname": "High CPU"},
  "commonAnnotations": {}, "externalURL": "http://localhost:3000/", "version": "1",
  "groupKey": "{}:{alertname=\"High CPU\"}", "truncatedAlerts": 0, "orgId": 1,
  "title": "[STATUS:1]", "state": "STATE", "message": "**Firing**"}"#;

/// Grafana 9 to 12: `values` in place of it, and more URLs.
const GRAFANA_10: &str = r#"{
  "receiver": "scale-up", "status": "STATUS",
  "alerts": [{"status": "STATUS", "labels": {"alertname": "ExoscalePoolBusy", "pool": "p"},
    "annotations": {"summary": "s"}, "startsAt": "2024-01-30T09:41:41Z",
    "endsAt": "0001-01-01T00:00:00Z", "values": {"A": 0.93, "C": 1},
    "generatorURL": "http://localhost:3000/alerting/grafana/up/view?orgId=1",
    "fingerprint": "57c6d9296de2ad39",
    "silenceURL": "http://localhost:3000/alerting/silence/new?alertmanager=grafana",
    "dashboardURL": "", "panelURL": "", "imageURL": "", "valueString": "[ var='A' value=0.93 ]"}],
  "groupLabels": {}, "commonLabels": {"alertname": "ExoscalePoolBusy"},
  "commonAnnotations": {"summary": "s"}, "externalURL": "http://localhost:3000/", "version": "1",
  "groupKey": "{}/{direction=\"up\"}:{}", "truncatedAlerts": 0, "orgId": 1,
  "title": "[STATUS:1]", "state": "STATE", "message": "m"}"#;

/// Alertmanager's.
const ALERTMANAGER: &str = r#"{
  "version": "4", "groupKey": "{}:{alertname=\"High\"}", "truncatedAlerts": 0,
  "status": "STATUS", "receiver": "scale-up", "groupLabels": {"alertname": "High"},
  "commonLabels": {"alertname": "High"}, "commonAnnotations": {},
  "externalURL": "http://localhost:9093",
  "alerts": [{"status": "STATUS", "labels": {"alertname": "High"}, "annotations": {},
    "startsAt": "2018-08-03T09:52:26.739266876+02:00", "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://localhost:9090/graph", "fingerprint": "abc"}]}"#;

fn judged(body: &str, status: &str, state: &str) -> Meaning {
    meaning(
        body.replace("STATUS", status)
            .replace("STATE", state)
            .as_bytes(),
    )
}

#[test]
fn every_sender_fires_and_resolves() {
    for body in [GRAFANA_8, GRAFANA_10, ALERTMANAGER] {
        assert_eq!(judged(body, "firing", "alerting"), Meaning::Step, "{body}");
        assert_eq!(judged(body, "resolved", "ok"), Meaning::Resolved, "{body}");
    }
    for body in [GRAFANA_4, GRAFANA_7] {
        assert_eq!(judged(body, "", "alerting"), Meaning::Step, "{body}");
        assert_eq!(judged(body, "", "ok"), Meaning::Resolved, "{body}");
        for state in ["no_data", "paused", "pending", "unknown"] {
            assert_eq!(judged(body, "", state), Meaning::NoStatement, "{state}");
        }
    }
}

#[test]
fn no_data_is_no_load() {
    for name in NO_DATA {
        let body = GRAFANA_10.replace("ExoscalePoolBusy", name);
        assert_eq!(judged(&body, "firing", "alerting"), Meaning::NoStatement);
    }
}

#[test]
fn a_group_fires_as_long_as_one_alert_does() {
    let body = r#"{"status":"firing","alerts":[{"status":"resolved"},{"status":"firing"}]}"#;
    assert_eq!(meaning(body.as_bytes()), Meaning::Step);
    let body = r#"{"status":"firing","alerts":[{"status":"resolved"}]}"#;
    assert_eq!(meaning(body.as_bytes()), Meaning::Resolved);
}

#[test]
fn anything_else_is_as_good_as_no_body() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "up",
        "{\"state\":\"ok\"}",
        "{\"status\":200}",
        "{\"status\":\"fine\"}",
        "\u{0}\u{1}",
        "{\"alerts\":[]}",
    ] {
        assert_eq!(meaning(body.as_bytes()), Meaning::Step, "{body:?}");
    }
    assert_eq!(meaning(&[0xff, 0xfe]), Meaning::Step);
    assert_eq!(meaning("[".repeat(100_000).as_bytes()), Meaning::Step);
}
