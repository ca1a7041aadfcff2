//! The HPA controller before the gate, for minutes of a paused clock.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use tower::ServiceExt as _;

use super::*;
use crate::serving::PeerCertificates;

const PERIOD: Duration = Duration::from_secs(15);
const CONTROLLER: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";

struct Gate {
    layer: AuthLayer<FakeReviewer>,
    reviewer: Arc<FakeReviewer>,
    front_proxy: Ca,
    proxy: PeerCertificates,
    publish: watch::Sender<Option<Arc<Trust>>>,
}

impl Gate {
    fn new() -> Self {
        let front_proxy = Ca::new("front proxy");
        let trust = Trust::parse(&mk_data(&front_proxy, &Ca::new("cluster"))).unwrap();
        let (publish, trust) = watch::channel(Some(Arc::new(trust)));
        let reviewer = Arc::new(FakeReviewer::default());
        let allowed = [CONTROLLER, "robot"].map(str::to_owned);
        reviewer.allowed.lock().unwrap().extend(allowed);
        let robot = UserInfo {
            name: "robot".to_owned(),
            ..UserInfo::default()
        };
        let token = ("good".to_owned(), robot);
        reviewer.tokens.lock().unwrap().extend([token]);
        let options = Options::default();
        let proxy = front_proxy.issue("front-proxy-client", &[]);
        Self {
            layer: AuthLayer::new(trust, reviewer.clone(), &options, Metrics::default()),
            reviewer,
            front_proxy,
            proxy: PeerCertificates(proxy.chain.into()),
            publish,
        }
    }

    fn publish(&self, data: &BTreeMap<String, String>) {
        let trust = Trust::parse(data).unwrap();
        self.publish.send_replace(Some(Arc::new(trust)));
    }

    /// By the front proxy, for `user`.
    async fn get(&self, path: &str, user: &str) -> StatusCode {
        let mut request = Request::get(path).header("x-remote-user", user);
        let extensions = request.extensions_mut().unwrap();
        extensions.insert(self.proxy.clone());
        self.send(request.body(()).unwrap()).await
    }

    async fn get_by_token(&self, path: &str) -> StatusCode {
        let request = Request::get(path).header("authorization", "Bearer good");
        self.send(request.body(()).unwrap()).await
    }

    async fn send(&self, request: Request<()>) -> StatusCode {
        let behind = tower::service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Bytes::new()))
        });
        let answer = self.layer.layer(behind).oneshot(request).await;
        answer.unwrap().status()
    }

    async fn with_warmth<T>(&self, callers: impl Future<Output = T>) -> T {
        tokio::select! {
            () = self.layer.keep_warm() => unreachable!("it does not end"),
            result = callers => result,
        }
    }

    fn take(&self) -> Vec<(String, AccessAttributes, Cause)> {
        std::mem::take(&mut self.reviewer.asked.lock().unwrap())
    }
}

fn path(namespace: u32, metric: u32, hpa: u32) -> String {
    format!(
        "/apis/custom.metrics.k8s.io/v1beta2/namespaces/ns-{namespace}/pods/%2A/metric-{metric}\
         ?labelSelector=app%3Dapp-{hpa}"
    )
}

#[tokio::test(start_paused = true)]
async fn hpas_of_a_metric_and_namespace_share_a_decision_for_which_none_waits() {
    let gate = Gate::new();
    // Three namespaces, two metrics, ten HPAs each, all of them within three seconds.
    let polls = async |rounds: u32| {
        for _ in 0..rounds {
            let next = Instant::now() + PERIOD;
            for hpa in 0..10 {
                for (namespace, metric) in (0..3).flat_map(|n| [(n, 0), (n, 1)]) {
                    let path = path(namespace, metric, hpa);
                    assert_eq!(gate.get(&path, CONTROLLER).await, StatusCode::OK);
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            tokio::time::sleep_until(next).await;
        }
    };
    gate.with_warmth(polls(1)).await;
    let asked = gate.take();
    assert_eq!(asked.len(), 6, "{asked:?}");
    let questions: BTreeSet<_> = asked.into_iter().map(|(_, what, _)| what).collect();
    let of = |namespace: u32, metric: u32| AccessAttributes::Resource {
        verb: "get".to_owned(),
        group: "custom.metrics.k8s.io".to_owned(),
        version: "v1beta2".to_owned(),
        namespace: format!("ns-{namespace}"),
        resource: "pods".to_owned(),
        subresource: format!("metric-{metric}"),
        name: "*".to_owned(),
    };
    let expected = (0..3).flat_map(|n| [of(n, 0), of(n, 1)]).collect();
    assert_eq!(questions, expected);

    gate.with_warmth(polls(1)).await;
    gate.take();
    // One review per question and period, and nobody waits for one.
    gate.with_warmth(polls(20)).await;
    let asked = gate.take();
    assert!(asked.iter().all(|(_, _, cause)| *cause == Cause::Refresh));
    assert!((6 * 20..=6 * 21).contains(&asked.len()), "{}", asked.len());

    // And none when nobody polls any more.
    gate.with_warmth(tokio::time::sleep(PERIOD * 3)).await;
    gate.take();
    gate.with_warmth(tokio::time::sleep(PERIOD * 20)).await;
    assert_eq!(gate.take(), []);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_kept_warm_too() {
    let gate = Gate::new();
    let polls = async |rounds: u32| {
        for _ in 0..rounds {
            assert_eq!(gate.get_by_token(&path(1, 1, 1)).await, StatusCode::OK);
            tokio::time::sleep(PERIOD).await;
        }
    };
    gate.with_warmth(polls(22)).await;
    let reviews = gate.reviewer.token_reviews.load(Ordering::SeqCst);
    assert!((22..=23).contains(&reviews), "{reviews}");
    let cold = gate.take();
    let cold = cold.iter().filter(|(_, _, cause)| *cause == Cause::Cold);
    assert_eq!(cold.count(), 2);
    // A token that was revoked is good for no longer than what was said of it last.
    gate.reviewer.tokens.lock().unwrap().clear();
    gate.with_warmth(tokio::time::sleep(Options::default().token_ttl))
        .await;
    let status = gate.with_warmth(gate.get_by_token(&path(1, 1, 1))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_all_of_its_headers() {
    let gate = Gate::new();
    let send = async |headers: &[(&str, &str)]| {
        let request = Request::get(path(1, 1, 1));
        let mut request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let extensions = request.extensions_mut().unwrap();
        extensions.insert(gate.proxy.clone());
        gate.send(request.body(()).unwrap()).await
    };
    let user = ("x-remote-user", CONTROLLER);
    // Twice: a caller who is remembered is the same as one who is not.
    for round in [1, 0] {
        for headers in [
            &[user][..],
            &[user, ("x-remote-group", "a")],
            &[user, ("x-remote-group", "a"), ("x-remote-group", "b")],
            &[user, ("x-remote-group", "ab")],
            &[user, ("x-remote-uid", "a")],
            &[user, ("x-remote-extra-a", "b")],
            &[user, ("x-remote-extra-b", "a")],
        ] {
            assert_eq!(send(headers).await, StatusCode::OK, "{headers:?}");
            assert_eq!(gate.take().len(), round, "{headers:?}");
        }
    }
    // What names nobody is not part of it, and nobody is no caller.
    assert_eq!(
        send(&[("accept", "x"), user, ("b", "c")]).await,
        StatusCode::OK
    );
    assert_eq!(gate.take().len(), 0);
    for headers in [
        &[][..],
        &[("x-remote-group", "a")],
        &[("x-remote-user", "")],
    ] {
        assert_eq!(send(headers).await, StatusCode::UNAUTHORIZED, "{headers:?}");
    }

    // Nobody is remembered from one trust to the next.
    let trusted = mk_data(&gate.front_proxy, &Ca::new("cluster"));
    let mut renamed = trusted.clone();
    let names = r#"["X-Other-User"]"#.to_owned();
    renamed.insert("requestheader-username-headers".to_owned(), names);
    let stranger = mk_data(&Ca::new("front proxy"), &Ca::new("cluster"));
    for (case, data, status) in [
        ("another authority", &stranger, StatusCode::UNAUTHORIZED),
        ("the same again", &trusted, StatusCode::OK),
        ("other headers", &renamed, StatusCode::UNAUTHORIZED),
    ] {
        gate.publish(data);
        assert_eq!(send(&[user]).await, status, "{case}");
    }
    assert_eq!(send(&[("x-other-user", CONTROLLER)]).await, StatusCode::OK);
}
