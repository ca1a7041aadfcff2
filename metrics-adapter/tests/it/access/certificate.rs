//! Certificates and headers, good and bad.

use super::*;

/// A case: its name, who calls, with which headers, and what becomes of it.
type Plain<'a> = (&'a str, Option<&'a Identity>, Headers<'a>, Outcome);

#[tokio::test]
async fn only_the_front_proxy_speaks_for_others() {
    let world = World::start().await;
    let past = |params: &mut rcgen::CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    };
    let future = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(4000, 1, 1);
    };
    let for_servers = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    };
    let stranger = Ca::new("front proxies").issue(PROXY, &[]);
    let other_name = world.proxies.issue("somebody", &[]);
    let nameless = world.proxies.issue("", &[]);
    let expired = world.proxies.issue_with(PROXY, &[], past);
    let not_yet = world.proxies.issue_with(PROXY, &[], future);
    let server = world.proxies.issue_with(PROXY, &[], for_servers);
    let of_clients = world.clients.issue(PROXY, &[]);
    let proxy = world.proxies.issue(PROXY, &[]);
    let (bob, alice) = (
        world.clients.issue("bob", &[]),
        world.clients.issue("alice", &["dev"]),
    );
    let expired_alice = world.clients.issue_with("alice", &[], past);
    let server_alice = world.clients.issue_with("alice", &[], for_servers);
    let nobody = world.clients.issue("", &["system:masters"]);
    let anonymous = || Forbidden("system:anonymous");
    let forged = [ALICE, MASTERS];
    let plain: [Plain<'_>; 34] = [
        ("nothing at all", None, &[], anonymous()),
        ("headers, no certificate", None, &forged, anonymous()),
        (
            "an unrelated CA of the same name",
            Some(&stranger),
            &forged,
            Unauthorized,
        ),
        (
            "an unrelated CA, no headers",
            Some(&stranger),
            &[],
            Unauthorized,
        ),
        (
            "a name that is not allowed",
            Some(&other_name),
            &forged,
            Unauthorized,
        ),
        ("no name", Some(&nameless), &forged, Unauthorized),
        ("expired", Some(&expired), &forged, Unauthorized),
        ("not yet valid", Some(&not_yet), &forged, Unauthorized),
        ("for servers only", Some(&server), &forged, Unauthorized),
        (
            "the front proxy's name, by the clients' CA",
            Some(&of_clients),
            &forged,
            Forbidden(PROXY),
        ),
        ("stripped headers", Some(&proxy), &[], Unauthorized),
        ("stripped user", Some(&proxy), &[MASTERS], Unauthorized),
        (
            "empty user",
            Some(&proxy),
            &[("X-Remote-User", ""), MASTERS],
            Unauthorized,
        ),
        (
            "underscores",
            Some(&proxy),
            &[("X_Remote_User", "alice")],
            Unauthorized,
        ),
        (
            "underscores beside it",
            Some(&proxy),
            &[
                ("X-Remote-User", "bob"),
                ("X_Remote_User", "alice"),
                ("X_Remote_Group", "system:masters"),
            ],
            Forbidden("bob"),
        ),
        (
            "a second user",
            Some(&proxy),
            &[("X-Remote-User", "bob"), ALICE],
            Forbidden("bob"),
        ),
        (
            "a second user in other letters",
            Some(&proxy),
            &[("X-Remote-User", "bob"), ("x-REMOTE-user", "alice")],
            Forbidden("bob"),
        ),
        (
            "a list of users",
            Some(&proxy),
            &[("X-Remote-User", "bob,alice")],
            Forbidden("bob,alice"),
        ),
        (
            "an unlisted header",
            Some(&proxy),
            &[
                ("X-Remote-User", "bob"),
                ("X-Remote-Groups", "system:masters"),
            ],
            Forbidden("bob"),
        ),
        (
            "a group that is almost one",
            Some(&proxy),
            &[("X-Remote-User", "bob"), ("X-Remote-Group", "")],
            Forbidden("bob"),
        ),
        (
            "impersonation's user",
            Some(&stranger),
            &[("Impersonate-User", "alice")],
            Unauthorized,
        ),
        (
            "a user's certificate and masters",
            Some(&bob),
            &[MASTERS],
            Forbidden("bob"),
        ),
        (
            "a user's certificate and another user",
            Some(&bob),
            &forged,
            Forbidden("bob"),
        ),
        ("an expired user", Some(&expired_alice), &[], Unauthorized),
        (
            "a user's certificate for servers only",
            Some(&server_alice),
            &[],
            Unauthorized,
        ),
        ("masters without a name", Some(&nobody), &[], Unauthorized),
        (
            "basic credentials",
            None,
            &[("Authorization", "Basic YWxpY2U6eA==")],
            anonymous(),
        ),
        (
            "a bearer without a token",
            None,
            &[("Authorization", "Bearer ")],
            anonymous(),
        ),
        // And who is right.
        (
            "the front proxy for alice",
            Some(&proxy),
            &[ALICE],
            Served("alice", &["system:authenticated"]),
        ),
        (
            "in other letters",
            Some(&proxy),
            &[("x-rEMOTE-uSER", "alice"), ("X-REMOTE-GROUP", "dev")],
            Served("alice", &["dev", "system:authenticated"]),
        ),
        (
            "groups in several headers",
            Some(&proxy),
            &[ALICE, ("X-Remote-Group", "dev"), ("X-Remote-Group", "ops")],
            Served("alice", &["dev", "ops", "system:authenticated"]),
        ),
        (
            "the front proxy for masters",
            Some(&proxy),
            &[("X-Remote-User", "kube"), MASTERS],
            Exempt,
        ),
        (
            "the front proxy for nobody",
            Some(&proxy),
            &[
                ("X-Remote-User", "system:anonymous"),
                ("X-Remote-Group", "system:unauthenticated"),
            ],
            anonymous(),
        ),
        (
            "a user of the cluster, forging",
            Some(&alice),
            &[("X-Remote-User", "kube"), MASTERS],
            Served("alice", &["dev", "system:authenticated"]),
        ),
    ];
    for (case, identity, headers, expected) in &plain {
        world.expect(case, *identity, headers, expected).await;
    }

    // Not even a valid identity may be guessed from bytes that are no text.
    let bytes = [
        b"GET ",
        PODS.as_bytes(),
        b" HTTP/1.1\r\nHost: adapter\r\nConnection: close\r\nX-Remote-User: alice\xff\r\n\r\n",
    ]
    .concat();
    assert_eq!(world.raw(Some(&proxy), &bytes).await.0, 401);
    // Nor from a header in two lines, as HTTP once had it.
    let folded = head(&[("X-Remote-User", "bob\r\n alice")]);
    assert_eq!(world.raw(Some(&proxy), folded.as_bytes()).await.0, 400);
}
