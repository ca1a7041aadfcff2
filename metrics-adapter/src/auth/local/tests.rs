#![allow(clippy::disallowed_methods)] // The tests' runtimes end with the tests.

use super::*;
use crate::serving::tests::support::{Ca, eventually};

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("client", &Ca::new("local clients").pem());
        files.write("proxy", &Ca::new("local proxies").pem());
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn client(&self) -> LocalTrust {
        LocalTrust {
            client_ca_file: Some(self.path("client")),
            ..LocalTrust::default()
        }
    }

    fn both(&self) -> LocalTrust {
        LocalTrust {
            request_header: Some(LocalRequestHeader {
                ca_file: self.path("proxy"),
                allowed_names: vec!["front".to_owned()],
                username_headers: vec![HeaderName::from_static("x-user")],
                group_headers: Vec::new(),
                extra_prefixes: Vec::new(),
            }),
            ..self.client()
        }
    }
}

fn mk_cluster() -> Trust {
    let ca = Ca::new("the cluster").pem();
    let data = [
        ("client-ca-file", ca.as_str()),
        ("requestheader-client-ca-file", &ca),
        ("requestheader-username-headers", "[\"X-Remote-User\"]"),
    ];
    let data = data.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Trust::parse(&data.into()).unwrap()
}

async fn load(
    local: LocalTrust,
    cluster: TrustReceiver,
) -> Result<(TrustMerge, TrustReceiver), LocalTrustError> {
    TrustMerge::load(local, cluster, &Metrics::default()).await
}

#[tokio::test]
async fn the_cluster_is_waited_for_unless_flags_tell_all() {
    let files = Files::new();
    let lookup = |lookup| LocalTrust {
        lookup,
        ..LocalTrust::default()
    };
    let tolerated = LocalTrust {
        lookup: Lookup::Tolerated,
        ..files.client()
    };
    for (local, known, empty) in [
        (LocalTrust::default(), false, false),
        (files.client(), false, false),
        (files.both(), true, false),
        // Not empty: strangers' certificates are refused, and their owners not anonymous.
        (tolerated, true, false),
        (lookup(Lookup::Tolerated), true, true),
        (lookup(Lookup::Skipped), true, true),
    ] {
        let (_publish, cluster) = watch::channel(None);
        let (_merge, merged) = load(local.clone(), cluster).await.unwrap();
        let merged = merged.borrow().clone();
        assert_eq!(merged.is_some(), known, "{local:?}");
        assert_eq!(
            merged.is_some_and(|trust| trust.is_empty()),
            empty,
            "{local:?}"
        );
    }
}

#[tokio::test]
async fn each_half_is_replaced_on_its_own_and_files_are_read_again() {
    let files = Files::new();
    let (publish, cluster) = watch::channel(None);
    let (mut merge, merged) = load(files.client(), cluster).await.unwrap();
    let local = Arc::clone(&merge.client.as_ref().unwrap().parsed);
    // A broken file changes nothing.
    files.write("client", "no PEM");
    merge.refresh().await;
    assert!(merge.sources[0].problem().is_some());
    let token = CancellationToken::new();
    let _stop = token.clone().drop_guard();
    tokio::spawn(merge.run(Duration::from_millis(5), token));

    let known = Arc::new(mk_cluster());
    publish.send_replace(Some(Arc::clone(&known)));
    eventually(|| merged.borrow().is_some()).await;
    let trust = merged.borrow().clone().unwrap();
    assert!(Arc::ptr_eq(trust.client.as_ref().unwrap(), &local));
    let proxy = trust.request_header.as_ref().unwrap();
    assert!(Arc::ptr_eq(proxy, known.request_header.as_ref().unwrap()));

    // A good one is taken.
    let client = || merged.borrow().clone().unwrap().client.clone().unwrap();
    files.write("client", &Ca::new("other clients").pem());
    eventually(|| !Arc::ptr_eq(&client(), &local)).await;
}

/// How the problems of the two files begin.
fn told(merge: &TrustMerge, expected: [Option<&str>; 2]) {
    for (source, expected) in merge.sources.iter().zip(expected) {
        let problem = source.problem();
        assert_eq!(problem.is_some(), expected.is_some(), "{problem:?}");
        let (problem, expected) = (problem.unwrap_or_default(), expected.unwrap_or_default());
        assert!(problem.starts_with(expected), "{problem}");
    }
}

/// The authority that is gone must not stay trusted because the other file is broken.
#[tokio::test]
async fn a_broken_file_does_not_hold_back_the_other() {
    let files = Files::new();
    let (_publish, cluster) = watch::channel(None);
    let (mut merge, merged) = load(files.both(), cluster).await.unwrap();
    let halves = || {
        let trust = merged.borrow().clone().unwrap();
        (
            trust.client.clone().unwrap(),
            trust.request_header.clone().unwrap(),
        )
    };
    let old = halves();

    files.write("proxy", "no PEM");
    files.write("client", &Ca::new("new clients").pem());
    merge.refresh().await;
    told(&merge, [None, Some("--requestheader-client-ca-file /")]);
    let client = halves().0;
    assert!(!Arc::ptr_eq(&client, &old.0));
    assert!(Arc::ptr_eq(&halves().1, &old.1));

    files.write("client", "no PEM");
    files.write("proxy", &Ca::new("new proxies").pem());
    merge.refresh().await;
    told(&merge, [Some("--client-ca-file /"), None]);
    assert!(Arc::ptr_eq(&halves().0, &client));
    assert!(!Arc::ptr_eq(&halves().1, &old.1));

    // Both at once are both told.
    files.write("proxy", "no PEM");
    merge.refresh().await;
    let both = ["--client-ca-file /", "--requestheader-client-ca-file /"];
    told(&merge, both.map(Some));
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_with_their_flag() {
    use std::error::Error as _;
    let files = Files::new();
    let refused = async |local| {
        let (_publish, cluster) = watch::channel(None);
        let error = load(local, cluster).await.err().unwrap();
        // The text has it already, and would have it twice.
        assert!(error.source().is_none(), "{error}");
        error.to_string()
    };
    files.write("proxy", "no PEM");
    let error = refused(files.both()).await;
    assert!(
        error.starts_with("--requestheader-client-ca-file /"),
        "{error}"
    );
    std::fs::remove_file(files.path("client")).unwrap();
    let error = refused(files.client()).await;
    assert!(error.starts_with("--client-ca-file /"), "{error}");
    assert!(error.contains("No such file"), "{error}");
}
