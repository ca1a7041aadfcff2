//! What the programs for Exoscale read: webhook bodies, the API's answers.

use exoscale::api::{Instance, InstancePool, Operation, PoolId};
use exoscale::discovery::Group;
use exoscale::webhook::{Meaning, meaning};
use serde_json::Value;

use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "pool",
    run,
    seeds,
    words: &[
        "\"status\":\"firing\"",
        "\"status\":\"resolved\"",
        "\"alerts\":[",
        "\"labels\":{\"alertname\":\"DatasourceNoData\"}",
        "\"state\":\"alerting\"",
        "\"state\":\"ok\"",
        "\"ruleId\":1",
        "\"size\":",
        "\"public-ip\":",
        "\"state\":\"running\"",
        "\"instances\":[",
        "\"id\":",
        "null",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "-1",
        "4294967296",
        "1e9",
        "\\u0000",
        "\\ud800",
        "{\"a\":",
        "[[[[[[",
        "0.0.0.0",
        "256.1.1.1",
    ],
    cases: 6000,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = seed::all(&[
        r#"{"receiver":"x","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Cpu"}}],"version":"4"}"#,
        r#"{"status":"resolved","alerts":[{"status":"resolved"}],"state":"ok","title":"t"}"#,
        r#"{"ruleId":1,"ruleName":"n","state":"no_data","evalMatches":[]}"#,
        r#"{"name":"p","size":2,"state":"scaling-up","instances":[{"id":"a"},{"id":"b"}]}"#,
        r#"{"id":"1","state":"running","public-ip":"192.0.2.1","manager":{"id":"p","type":"instance-pool"}}"#,
        r#"{"id":"1","state":"failure","reason":"incorrect"}"#,
        "00000000-0000-0000-0000-000000000000",
    ]);
    seeds.push("[".repeat(200_000).into_bytes());
    seeds
}

fn run(input: &[u8]) {
    let asks = meaning(input) == Meaning::Step;
    let is_object = matches!(serde_json::from_slice(input), Ok(Value::Object(_)));
    assert!(
        asks || is_object,
        "only an alert manager's words are no step"
    );
    if let Ok(pool) = serde_json::from_slice::<InstancePool>(input) {
        assert!(pool.instances.len() <= input.len());
        assert!(!pool.state.name().is_empty());
    }
    if let Ok(Instance {
        public_ip: Some(address),
        ..
    }) = serde_json::from_slice(input)
    {
        let group = Group::new(&[address, address], 9100);
        assert_eq!(group.targets, [format!("{address}:9100")]);
    }
    let _: Result<Operation, _> = serde_json::from_slice(input);
    if let Ok(Ok(id)) = str::from_utf8(input).map(str::parse::<PoolId>) {
        // It becomes part of a path.
        let text = id.to_string();
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'-'),
            "{text}"
        );
    }
}
