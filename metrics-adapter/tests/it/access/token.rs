//! Bearer tokens, by what kube-apiserver says of them.

use super::*;
use crate::api_server::Review;

/// A case: its name, who calls, by which token, with which headers, and what becomes of it.
type WithToken<'a> = (
    &'a str,
    Option<&'a Identity>,
    Option<&'a str>,
    Headers<'a>,
    Outcome,
);

#[tokio::test]
async fn tokens_are_what_kube_apiserver_says() {
    let world = World::start().await;
    let given = |status: Value| Review::Given(status);
    let robot = || json!({"username": "robot", "groups": ["robots"]});
    world.api_server.known.tokens.lock().unwrap().extend([
        ("good", given(json!({"authenticated": true, "user": robot()}))),
        ("own-audience", given(json!({
            "authenticated": true, "user": robot(),
            "audiences": ["https://kubernetes.default.svc.cluster.local"],
        }))),
        // As kube-apiserver words them.
        ("other-audience", given(json!({
            "authenticated": false, "user": {},
            "error": "[invalid bearer token, token audiences [\"vault\"] is invalid for the target \
                      audiences [\"https://kubernetes.default.svc.cluster.local\"]]",
        }))),
        ("other-audiences-named", given(json!({"user": robot(), "audiences": ["vault"]}))),
        ("expired", given(json!({
            "user": {}, "error": "[invalid bearer token, service account token has expired]",
        }))),
        ("deleted", given(json!({
            "user": {}, "error": "[invalid bearer token, serviceaccounts \"robot\" not found]",
        }))),
        ("refused-with-user", given(json!({"authenticated": false, "user": robot()}))),
        ("nameless", given(json!({"authenticated": true, "user": {"groups": ["system:masters"]}}))),
        ("userless", given(json!({"authenticated": true}))),
        ("empty", given(json!({}))),
        ("no-status", given(Value::Null)),
        ("garbage", Review::Broken(201, "{\"status\": {\"authenticated\": tru")),
        ("html", Review::Broken(200, "<html>a proxy was here</html>")),
        ("forbidden", Review::Broken(403, "{}")),
        ("failing", Review::Broken(500, "{}")),
        ("hanging", Review::Hang),
    ]);
    let bob = world.clients.issue("bob", &[]);
    let stranger = Ca::new("clients").issue("alice", &[]);
    let proxy = world.proxies.issue(PROXY, &[]);
    let served = || Served("robot", &["robots", "system:authenticated"]);
    let robot = Some("good");
    let cases: [WithToken<'_>; 23] = [
        ("good", None, robot, &[], served()),
        (
            "for kube-apiserver",
            None,
            Some("own-audience"),
            &[],
            served(),
        ),
        ("unheard of", None, Some("nonsense"), &[], Unauthorized),
        (
            "for others",
            None,
            Some("other-audience"),
            &[],
            Unauthorized,
        ),
        (
            "for others, who are named",
            None,
            Some("other-audiences-named"),
            &[],
            Unauthorized,
        ),
        ("expired", None, Some("expired"), &[], Unauthorized),
        (
            "of an account that was deleted",
            None,
            Some("deleted"),
            &[],
            Unauthorized,
        ),
        (
            "not authenticated, with a user",
            None,
            Some("refused-with-user"),
            &[],
            Unauthorized,
        ),
        (
            "of nobody, in a group",
            None,
            Some("nameless"),
            &[],
            Unauthorized,
        ),
        ("of nobody", None, Some("userless"), &[], Unauthorized),
        ("an empty status", None, Some("empty"), &[], Unauthorized),
        ("no status", None, Some("no-status"), &[], Unknown),
        ("half a review", None, Some("garbage"), &[], Unknown),
        ("no review at all", None, Some("html"), &[], Unknown),
        (
            "reviews are forbidden",
            None,
            Some("forbidden"),
            &[],
            Unknown,
        ),
        ("reviews fail", None, Some("failing"), &[], Unknown),
        ("reviews hang", None, Some("hanging"), &[], Unknown),
        (
            "good, with forged headers",
            None,
            robot,
            &[ALICE, MASTERS],
            served(),
        ),
        (
            "bad, with forged headers",
            None,
            Some("expired"),
            &[ALICE, MASTERS],
            Unauthorized,
        ),
        (
            "failing, with forged headers",
            None,
            Some("failing"),
            &[ALICE, MASTERS],
            Unknown,
        ),
        // Certificates come first, if they are good.
        (
            "beside a user's certificate",
            Some(&bob),
            robot,
            &[],
            Forbidden("bob"),
        ),
        (
            "beside an unknown certificate",
            Some(&stranger),
            Some("expired"),
            &[],
            Unauthorized,
        ),
        (
            "beside the front proxy's",
            Some(&proxy),
            Some("expired"),
            &[ALICE],
            Served("alice", &["system:authenticated"]),
        ),
    ];
    for (case, identity, token, headers, expected) in &cases {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let bearer = bearer.as_deref().map(|value| ("Authorization", value));
        let headers: Vec<(&str, &str)> = headers.iter().copied().chain(bearer).collect();
        world.expect(case, *identity, &headers, expected).await;
        // Like k8s.io/apiserver's delegating authenticator it names no audience, so kube-apiserver
        // takes its own.
        for spec in world.api_server.known.take("tokenreviews") {
            assert_eq!(spec, json!({"token": token}), "{case}");
        }
    }
}
