//! API discovery: what is asked, and when it is asked again.

use super::*;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";

/// Aggregated discovery of a group with resources.
fn mk_group(name: &str, freshness: &str, resources: &[(&str, &str)]) -> Value {
    let resources = resources.iter().map(|(plural, kind)| {
        json!({
            "resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced",
            "singularResource": kind.to_lowercase(), "verbs": ["list"],
        })
    });
    json!({
        "metadata": {"name": name},
        "versions": [{
            "version": "v1", "freshness": freshness, "resources": resources.collect::<Vec<_>>(),
        }],
    })
}

fn serve(api: &FakeApi, groups: &[Value]) {
    let builtin = mk_group("apps", "Current", &[("deployments", "Deployment")]);
    let groups = [&[builtin], groups].concat();
    let core = mk_group("", "Current", &[("pods", "Pod")]);
    api.set("/api", 200, vec![json!({"items": [core]})]);
    api.set("/apis", 200, vec![json!({"items": groups})]);
}

fn mk_definition(name: &str) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": name, "resourceVersion": "5"},
    })
}

/// How often it was asked which groups there are.
fn looks(api: &FakeApi) -> usize {
    api.requests("/apis ").len()
}

#[tokio::test(start_paused = true)]
async fn while_definitions_are_watched_nobody_asks_in_vain() {
    let api = FakeApi::default();
    serve(&api, &[]);
    for path in [DEFINITIONS, SERVICES] {
        api.set(path, 200, vec![mk_list(&[])]);
    }
    let running = run(&api);
    let cluster = &running.cluster;
    eventually(|| cluster.is_discovered()).await;
    for path in [DEFINITIONS, SERVICES] {
        let lists = api.requests(&format!("{path}?&limit="));
        assert!(
            lists[0].contains("as=PartialObjectMetadataList"),
            "{lists:?}"
        );
    }
    // What has changed while the watches began is looked for, then all is quiet.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = looks(&api);
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert_eq!(looks(&api), before);

    // A kind that discovery tells of some time after its definition is there.
    for (path, group, kind) in [
        (DEFINITIONS, "example.com", ("widgets", "Widget")),
        (SERVICES, "other.com", ("gadgets", "Gadget")),
    ] {
        let begun = tokio::time::Instant::now();
        let definition = mk_definition(kind.0);
        api.emit(path, &json!({"type": "ADDED", "object": definition}));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(cluster.resolve("", kind.0).is_none());
        serve(&api, &[mk_group(group, "Current", &[kind])]);
        eventually(|| cluster.resolve(group, kind.0).is_some()).await;
        assert!(
            begun.elapsed() < Duration::from_secs(31),
            "{:?}",
            begun.elapsed()
        );
        tokio::time::sleep(Duration::from_secs(60)).await;
    }

    // However many changes come at once, and however long they go on.
    let before = looks(&api);
    for number in 0..100 {
        let definition = mk_definition(&format!("x{number}"));
        api.emit(DEFINITIONS, &json!({"type": "ADDED", "object": definition}));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let during = looks(&api) - before;
    assert!((5..=10).contains(&during), "{during}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let after = looks(&api) - before - during;
    assert!((5..=6).contains(&after), "{after}");
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_watch_definitions_asks_now_and_then() {
    let api = FakeApi::default();
    serve(&api, &[]);
    for path in [DEFINITIONS, SERVICES] {
        api.set(path, 403, vec![status(403, "it is forbidden")]);
    }
    let running = run(&api);
    let cluster = &running.cluster;
    eventually(|| cluster.is_discovered()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = looks(&api);
    tokio::time::sleep(Duration::from_secs(300)).await;
    let during = looks(&api) - before;
    assert!((5..=6).contains(&during), "{during}");
    // It has an end when a kind is missed, but not at once: anybody may ask for one.
    serve(
        &api,
        &[mk_group("example.com", "Current", &[("widgets", "Widget")])],
    );
    let begun = tokio::time::Instant::now();
    eventually(|| cluster.resolve("", "widgets").is_some()).await;
    assert!(
        begun.elapsed() < Duration::from_secs(11),
        "{:?}",
        begun.elapsed()
    );
    let before = looks(&api);
    for _ in 0..20 {
        assert!(cluster.resolve("", "gadgets").is_none());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let during = looks(&api) - before;
    assert!((1..=2).contains(&during), "{during}");

    // From the moment that it may, it sees them.
    for path in [DEFINITIONS, SERVICES] {
        api.set(path, 200, vec![mk_list(&[])]);
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    serve(
        &api,
        &[mk_group("other.com", "Current", &[("gadgets", "Gadget")])],
    );
    let definition = mk_definition("gadgets");
    api.emit(DEFINITIONS, &json!({"type": "ADDED", "object": definition}));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(cluster.resolve("", "gadgets").is_some());
}

#[tokio::test(start_paused = true)]
async fn discovery_is_aggregated_and_survives_broken_groups() {
    let api = FakeApi::default();
    let running = run(&api);
    let cluster = &running.cluster;
    // Not asked yet, or in vain: the built-in table.
    assert_eq!(
        cluster.resolve("", "deployment").unwrap().id.to_string(),
        "deployments.apps"
    );
    assert!(cluster.resolve("", "widgets").is_none() && !cluster.is_discovered());

    let resource = |plural: &str, kind: &str| {
        json!({
            "resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced",
            "singularResource": kind.to_lowercase(), "verbs": ["list"],
        })
    };
    let group = |name: &str, freshness: &str, resources: Value| {
        json!({
            "metadata": {"name": name},
            "versions": [{"version": "v1", "freshness": freshness, "resources": resources}],
        })
    };
    let core = json!({"items": [group("", "Current", json!([resource("pods", "Pod")]))]});
    api.set("/api", 200, vec![core]);
    let widgets = group(
        "example.com",
        "Current",
        json!([resource("widgets", "Widget")]),
    );
    let broken = group("custom.metrics.k8s.io", "Stale", json!([]));
    api.set("/apis", 200, vec![json!({"items": [broken, widgets]})]);
    eventually(|| cluster.resolve("", "widget").is_some()).await;
    assert!(cluster.is_discovered());
    let first = api.requests("/apis ");
    assert!(first[0].contains("as=APIGroupDiscoveryList"), "{first:?}");

    // Its server goes away: what is known of the group stays.
    let stale = group("example.com", "Stale", json!([]));
    let gadgets = group(
        "other.com",
        "Current",
        json!([resource("gadgets", "Gadget")]),
    );
    api.set("/apis", 200, vec![json!({"items": [stale, gadgets]})]);
    // A miss asks anew, well before the interval is over.
    assert!(cluster.resolve("", "gadgets").is_none());
    eventually(|| cluster.resolve("other", "gadgets").is_some()).await;
    assert!(cluster.resolve("example.com", "widgets").is_some());
}

#[tokio::test(start_paused = true)]
async fn discovery_falls_back_to_one_document_per_group() {
    let api = FakeApi::default();
    let list = |plural: &str, kind: &str| {
        json!({
            "groupVersion": "x", "resources": [
                {"name": plural, "singularName": "", "namespaced": true, "kind": kind, "verbs": []},
                {"name": format!("{plural}/status"), "singularName": "", "namespaced": true,
                 "kind": kind, "verbs": []},
            ],
        })
    };
    let version = |group: &str, version: &str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    api.set(
        "/api",
        200,
        vec![json!({"versions": ["v1"], "serverAddressByClientCIDRs": []})],
    );
    api.set("/api/v1", 200, vec![list("pods", "Pod")]);
    let apis = json!({"groups": [
        {"name": "broken.io", "versions": [version("broken.io", "v1")]},
        {"name": "example.com", "preferredVersion": version("example.com", "v1"),
         "versions": [version("example.com", "v2alpha1"), version("example.com", "v1")]},
    ]});
    api.set("/apis", 200, vec![apis]);
    api.set("/apis/broken.io/v1", 503, vec![status(503, "no endpoints")]);
    api.set("/apis/example.com/v1", 200, vec![list("widgets", "Widget")]);
    api.set(
        "/apis/example.com/v2alpha1",
        200,
        vec![list("widgets", "Widget")],
    );
    let running = run(&api);
    let cluster = &running.cluster;
    eventually(|| cluster.is_discovered()).await;
    let widget = cluster.resolve("", "widget").unwrap();
    assert_eq!(
        (widget.api_version().as_ref(), widget.namespaced),
        ("example.com/v1", true)
    );
    assert!(cluster.resolve("", "widgets/status").is_none());
}

#[tokio::test(start_paused = true)]
async fn whoever_may_watch_some_definitions_sees_these_and_asks_for_the_rest() {
    let api = FakeApi::default();
    serve(&api, &[]);
    api.set(DEFINITIONS, 200, vec![mk_list(&[])]);
    api.set(SERVICES, 403, vec![status(403, "it is forbidden")]);
    let running = run(&api);
    let cluster = &running.cluster;
    eventually(|| cluster.is_discovered()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = looks(&api);
    tokio::time::sleep(Duration::from_secs(300)).await;
    let during = looks(&api) - before;
    assert!((5..=6).contains(&during), "{during}");
    serve(
        &api,
        &[mk_group("example.com", "Current", &[("widgets", "Widget")])],
    );
    let definition = mk_definition("widgets");
    api.emit(DEFINITIONS, &json!({"type": "ADDED", "object": definition}));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(cluster.resolve("", "widgets").is_some());
}
