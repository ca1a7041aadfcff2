use super::*;

const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta2";
const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";
const RESOURCE: &str = "/apis/metrics.k8s.io/v1beta1";

fn of(method: &Method, path: &str) -> Vec<AccessAttributes> {
    let uri = path.parse().unwrap();
    let target = Target::new(method, &uri);
    let accesses = target.accesses();
    accesses.map(|access| access.to_attributes()).collect()
}

/// `verb group/version namespace resource subresource name`, with `-` for what is empty.
fn line(attributes: &AccessAttributes) -> String {
    match attributes {
        AccessAttributes::NonResource { path, verb } => format!("{verb} {path}"),
        AccessAttributes::Resource {
            verb,
            group,
            version,
            namespace,
            resource,
            subresource,
            name,
        } => [
            verb.clone(),
            format!("{group}/{version}"),
            namespace.clone(),
            resource.clone(),
            subresource.clone(),
            name.clone(),
        ]
        .map(|field| {
            if field.is_empty() {
                "-".to_owned()
            } else {
                field
            }
        })
        .join(" "),
    }
}

fn get(path: &str) -> String {
    let all = of(&Method::GET, path);
    assert_eq!(all.len(), 1, "{all:?}");
    line(&all[0])
}

#[test]
fn custom_metrics() {
    let group = "custom.metrics.k8s.io/v1beta2";
    for (path, expected) in [
        ("/namespaces/shop/pods/*/rps", "get {g} shop pods rps *"),
        ("/namespaces/shop/pods/%2A/rps", "get {g} shop pods rps *"),
        (
            "/namespaces/shop/pods/web-0/rps",
            "get {g} shop pods rps web-0",
        ),
        (
            "/namespaces/shop/pods/web-0/rps/",
            "get {g} shop pods rps web-0",
        ),
        (
            "/namespaces/shop/deployments.apps/web/rps",
            "get {g} shop deployments.apps rps web",
        ),
        ("/nodes/n1/load", "get {g} - nodes load n1"),
        ("/namespaces/shop/metrics/rps", "get {g} shop metrics - rps"),
        ("/namespaces/*/metrics/rps", "get {g} * metrics - rps"),
        // The name is what `pods` is not: exactly as it was written.
        ("/namespaces/shop/pod/*/rps", "get {g} shop pod rps *"),
        ("/namespaces/shop/pods./*/rps", "get {g} shop pods. rps *"),
        ("/namespaces/shop/PODS/*/rps", "get {g} shop PODS rps *"),
        // An empty name is no name.
        ("/namespaces/shop/pods//rps", "list {g} shop pods rps -"),
        (
            "/namespaces/shop/status/x",
            "get {g} shop namespaces status shop",
        ),
        ("/namespaces/shop", "get {g} shop namespaces - shop"),
        ("/namespaces", "list {g} - namespaces - -"),
        (
            "/namespaces/shop/pods/*/rps/more/of/it",
            "get {g} shop pods rps *",
        ),
        (
            "/watch/namespaces/shop/pods/*/rps",
            "watch {g} shop pods rps *",
        ),
        ("/watch", "watch {g} - - - -"),
        (
            "/namespaces/shop/pods//rps?watch=1",
            "list {g} shop pods rps -",
        ),
    ] {
        assert_eq!(
            get(&format!("{CUSTOM}{path}")),
            expected.replace("{g}", group),
            "{path}"
        );
    }
}

#[test]
fn explanations_are_paths_of_their_own() {
    let pods = "/namespaces/shop/pods/*/rps";
    for (path, expected) in [
        (
            format!("{CUSTOM}{pods}?explain=true"),
            format!("get /explain{CUSTOM}{pods}"),
        ),
        (
            format!("{CUSTOM}/namespaces/sh%6Fp/pods/%2A/rps?a=b&expl%61in=true"),
            format!("get /explain{CUSTOM}{pods}"),
        ),
        (
            format!("{EXTERNAL}/namespaces/shop/queue?explain=true&labelSelector=q%3Da"),
            format!("get /explain{EXTERNAL}/namespaces/shop/queue"),
        ),
        // What is not explained is what it always was.
        (format!("{CUSTOM}?explain=true"), format!("get {CUSTOM}")),
        (
            "/healthz?explain=true".to_owned(),
            "get /healthz".to_owned(),
        ),
        (
            format!("{RESOURCE}/nodes?explain=true"),
            "list metrics.k8s.io/v1beta1 - nodes - -".to_owned(),
        ),
        // What is refused later is no explanation, either.
        (
            format!("{EXTERNAL}/namespaces/shop/queue?explain=TRUE"),
            "list external.metrics.k8s.io/v1beta1 shop queue - -".to_owned(),
        ),
    ] {
        assert_eq!(get(&path), expected, "{path}");
    }
    // Both readings of an encoded slash.
    let both = of(
        &Method::GET,
        &format!("{CUSTOM}/namespaces/a%2Fb/pods/*/rps?explain=true"),
    );
    let both: Vec<String> = both.iter().map(line).collect();
    assert_eq!(
        both,
        [format!("get /explain{CUSTOM}/namespaces/a/b/pods/*/rps")]
    );
    let posted = of(&Method::POST, &format!("{CUSTOM}{pods}?explain=true"));
    assert_eq!(line(&posted[0]), format!("post /explain{CUSTOM}{pods}"));
}

#[test]
fn external_metrics() {
    let group = "external.metrics.k8s.io/v1beta1";
    for (path, expected) in [
        ("/namespaces/shop/queue", "list {g} shop queue - -"),
        (
            "/namespaces/shop/queue?labelSelector=a%3Db",
            "list {g} shop queue - -",
        ),
        (
            "/namespaces/shop/queue?watch=true",
            "watch {g} shop queue - -",
        ),
        (
            "/namespaces/shop/queue?fieldSelector=metadata.name=x",
            "list {g} shop queue - -",
        ),
        ("/namespaces/*/queue", "list {g} * queue - -"),
    ] {
        assert_eq!(
            get(&format!("{EXTERNAL}{path}")),
            expected.replace("{g}", group),
            "{path}"
        );
    }
}

#[test]
fn resource_metrics() {
    let group = "metrics.k8s.io/v1beta1";
    for (path, expected) in [
        ("/nodes", "list {g} - nodes - -"),
        ("/nodes/n1", "get {g} - nodes - n1"),
        ("/pods", "list {g} - pods - -"),
        ("/namespaces/shop/pods", "list {g} shop pods - -"),
        ("/namespaces/shop/pods/web-0", "get {g} shop pods - web-0"),
        (
            "/namespaces/shop/pods?fieldSelector=metadata.name=a",
            "list {g} shop pods - a",
        ),
        ("/pods?watch=1", "watch {g} - pods - -"),
    ] {
        assert_eq!(
            get(&format!("{RESOURCE}{path}")),
            expected.replace("{g}", group),
            "{path}"
        );
    }
}

#[test]
fn anything_else_is_a_path() {
    for path in [
        "/",
        "/healthz",
        "/readyz/ping",
        "/healthz/",
        "/metrics",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/custom.metrics.k8s.io",
        "/apis/custom.metrics.k8s.io/v1beta2",
        "/apis/custom.metrics.k8s.io/v1beta2/",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/apis/x/v1",
        "//healthz",
    ] {
        assert_eq!(get(path), format!("get {path}"));
    }
    assert_eq!(get("/a%20b"), "get /a b");
    assert_eq!(line(&of(&Method::POST, "/healthz")[0]), "post /healthz");
    assert_eq!(get("/api/v1/pods"), "list /v1 - pods - -");
}

#[test]
fn verbs() {
    let path = format!("{CUSTOM}/namespaces/shop/pods/web-0/rps");
    let list = format!("{EXTERNAL}/namespaces/shop/queue");
    for (method, path, verb) in [
        (Method::HEAD, &path, "get"),
        (Method::POST, &path, "create"),
        (Method::PUT, &path, "update"),
        (Method::PATCH, &path, "patch"),
        (Method::DELETE, &path, "delete"),
        (Method::DELETE, &list, "deletecollection"),
        (Method::POST, &list, "create"),
        (Method::OPTIONS, &path, "-"),
    ] {
        let all = of(&method, path);
        assert!(
            line(&all[0]).starts_with(&format!("{verb} ")),
            "{method} {path}: {all:?}"
        );
    }
}

#[test]
fn an_encoded_slash_is_asked_about_in_both_readings() {
    let both: Vec<String> = of(
        &Method::GET,
        &format!("{CUSTOM}/namespaces/shop/pods/x/a%2Fb"),
    )
    .iter()
    .map(line)
    .collect();
    let group = "custom.metrics.k8s.io/v1beta2";
    assert_eq!(
        both,
        [
            format!("get {group} shop pods a x"),
            format!("get {group} shop pods a/b x")
        ],
    );
    // Hidden from the reading that splits at real slashes, seen by the other one.
    let hidden: Vec<String> = of(
        &Method::GET,
        &format!("{CUSTOM}%2fnamespaces/shop/pods/x/rps"),
    )
    .iter()
    .map(line)
    .collect();
    assert_eq!(hidden[0], format!("get {group} shop pods rps x"));
    assert_eq!(hidden.len(), 2);
    // Encoded twice is not encoded once.
    assert_eq!(of(&Method::GET, "/a%252Fb").len(), 1);
}
