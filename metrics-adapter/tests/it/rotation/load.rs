//! Callers who never stop asking, each with credentials that are replaced under way.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::authority::Identity;
use crate::tls::{Client, Dial, Failure, Protocol};

/// The value that everybody asks for, all the time.
pub(crate) const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/rps";

/// Between two questions of one caller.
const PACE: Duration = Duration::from_millis(20);

/// Somebody who asks.
pub(crate) struct Caller {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Who may vouch for the adapter.
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    pub(crate) headers: Vec<(&'static str, String)>,
    current: Mutex<Arc<Credential>>,
}

/// A certificate, if any, and a connection that was made with it.
struct Credential {
    identity: Option<Identity>,
    client: tokio::sync::Mutex<Option<Client>>,
}

impl Credential {
    fn new(identity: Option<Identity>) -> Arc<Self> {
        Arc::new(Self {
            identity,
            client: tokio::sync::Mutex::default(),
        })
    }
}

impl Caller {
    pub(crate) fn new(
        name: &'static str,
        address: SocketAddr,
        authorities: &[CertificateDer<'static>],
        identity: Option<Identity>,
        headers: &[(&'static str, &str)],
    ) -> Arc<Self> {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Arc::new(Self {
            name,
            address,
            authorities: authorities.to_vec(),
            headers: headers.collect(),
            current: Mutex::new(Credential::new(identity)),
        })
    }

    /// Uses another certificate from now on; returns the old one when it is in use no more.
    pub(crate) async fn replace(&self, identity: Identity) -> Identity {
        let next = Credential::new(Some(identity));
        let mut old = std::mem::replace(&mut *self.current.lock().unwrap(), next);
        loop {
            match Arc::try_unwrap(old) {
                Ok(old) => return old.identity.unwrap(),
                Err(used) => old = used,
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The status for a certificate, on a connection of its own; also the adapter's certificate.
    pub(crate) async fn try_with(
        &self,
        identity: Option<&Identity>,
    ) -> Result<(u16, CertificateDer<'static>), Failure> {
        let (mut client, served) = self.dial(identity).client_and_certificate().await?;
        Ok((self.send(&mut client).await?.0, served))
    }

    /// One question in three comes on a new connection.
    async fn ask(&self, number: u64) -> Result<(u16, String), Failure> {
        let credential = Arc::clone(&self.current.lock().unwrap());
        let dial = self.dial(credential.identity.as_ref());
        if number.is_multiple_of(3) {
            return self.send(&mut dial.client().await?).await;
        }
        let mut client = credential.client.lock().await;
        if client.is_none() {
            *client = Some(dial.client().await?);
        }
        // It was made above.
        self.send(client.as_mut().unwrap()).await
    }

    async fn send(&self, client: &mut Client) -> Result<(u16, String), Failure> {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let answer = client.send(PODS, &headers.collect::<Vec<_>>()).await?;
        Ok((answer.status.as_u16(), answer.body))
    }

    fn dial<'a>(&'a self, identity: Option<&'a Identity>) -> Dial<'a> {
        Dial {
            address: self.address,
            protocol: Protocol::Http2,
            identity,
            authorities: &self.authorities,
        }
    }
}

/// The load of some callers; ends with the value.
pub(crate) struct Load {
    asked: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
    _callers: JoinSet<()>,
}

impl Load {
    pub(crate) fn start(callers: &[Arc<Caller>]) -> Self {
        let (asked, failures) = (
            Arc::new(AtomicU64::new(0)),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let mut tasks = JoinSet::new();
        for caller in callers {
            let (caller, asked) = (Arc::clone(caller), Arc::clone(&asked));
            let failures = Arc::clone(&failures);
            tasks.spawn(async move {
                for number in 0_u64.. {
                    let answer = caller.ask(number).await;
                    if !answer.as_ref().is_ok_and(is_right) {
                        let told = format!("{} {number}: {answer:?}", caller.name);
                        failures.lock().unwrap().push(told);
                    }
                    asked.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(PACE).await;
                }
            });
        }
        Self {
            asked,
            failures,
            _callers: tasks,
        }
    }

    /// How many answers there were.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Fails if any answer was not the value.
    pub(crate) fn judge(&self) {
        let failures = self.failures.lock().unwrap();
        let asked = self.asked();
        assert!(
            failures.is_empty(),
            "{} of {asked}: {failures:#?}",
            failures.len()
        );
    }
}

fn is_right((status, body): &(u16, String)) -> bool {
    let value = serde_json::from_str(body).map(|body: Value| body["items"][0]["value"].clone());
    *status == 200 && value.is_ok_and(|value| value == json!("10"))
}
