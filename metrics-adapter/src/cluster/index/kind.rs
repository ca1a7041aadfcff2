//! The watch of one kind.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::StreamExt as _;
use http::Request;
use kube::api::DynamicObject;
use kube::client::Body;
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::watcher;
use kube::runtime::watcher::Event;
use kube::{Api, Client};
use telemetry::backoff::Backoff;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Coverage;
use super::objects::{Interner, Objects};
use crate::cluster::client::WATCH_TIMEOUT_SECONDS;
use crate::cluster::{FIRST_PAUSE, Metrics, failure};
use crate::model::{IndexedObject, ObjectSourceError, ResourceType, Selector};

/// Longest pause after a failure that may pass at any time. With the time to connect it is less
/// than the five seconds in which a watch is to work again.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause after a refusal (403, 404), which takes a person to mend.
const MAX_PAUSE_REFUSED: Duration = Duration::from_secs(30);
/// A failing watch that is silent for so long works again: it would have failed meanwhile, and
/// quiet objects give no other sign.
const SILENCE: Duration = Duration::from_secs(WATCH_TIMEOUT_SECONDS as u64 + 20);

/// Objects of one kind, and how their watch is doing. Its task writes, requests read.
pub(super) struct Kind {
    pub(super) resource: ResourceType,
    coverage: Coverage,
    pub(super) stop: CancellationToken,
    follower: Option<Follower>,
    state: RwLock<State>,
}

/// Who wants to know that something has changed, an object or whether changes are seen at all, and
/// nothing else: the objects are not kept.
#[derive(Clone)]
pub(super) struct Follower {
    pub(super) changed: Arc<Notify>,
    /// Objects of one page of a list.
    pub(super) page: u32,
}

#[derive(Default)]
struct State {
    objects: Objects,
    /// Whether a complete list was received once.
    synced: bool,
    /// Whether kube-apiserver has begun to answer since the last failure.
    begun: bool,
    /// What is wrong with the watch at the moment.
    problem: Option<String>,
    /// Whether the problem is a refusal.
    refused: bool,
}

impl Kind {
    /// The objects that match a field selector, or all of them.
    pub(super) fn new(
        resource: ResourceType,
        fields: Option<&'static str>,
        follower: Option<Follower>,
    ) -> Self {
        Self {
            coverage: Coverage {
                resource: resource.id.clone(),
                fields,
            },
            resource,
            stop: CancellationToken::new(),
            follower,
            state: RwLock::default(),
        }
    }

    pub(super) fn is_synced(&self) -> bool {
        self.read(|state| state.synced)
    }

    /// Whether every change is seen.
    pub(super) fn is_followed(&self) -> bool {
        self.read(|state| state.synced && state.problem.is_none())
    }

    /// Whether kube-apiserver refuses the watch.
    pub(super) fn is_refused(&self) -> bool {
        self.read(|state| state.refused && state.problem.is_some())
    }

    pub(super) fn select(
        &self,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<str>>, ObjectSourceError> {
        self.look(namespace, |objects, namespace| {
            objects.select(namespace, selector)
        })
    }

    pub(super) fn list(
        &self,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<IndexedObject>, ObjectSourceError> {
        self.look(namespace, |objects, namespace| {
            objects.list(namespace, selector)
        })
    }

    /// Looks at the objects, once they are complete.
    fn look<T>(
        &self,
        namespace: Option<&str>,
        look: impl FnOnce(&Objects, Option<&str>) -> T,
    ) -> Result<T, ObjectSourceError> {
        self.read(|state| {
            if state.synced {
                // Kinds without namespaces are the same in all of them.
                let namespace = if self.resource.namespaced {
                    namespace
                } else {
                    Some("")
                };
                return Ok(look(&state.objects, namespace));
            }
            let resource = self.resource.id.clone();
            match &state.problem {
                Some(reason) if state.refused => Err(ObjectSourceError::Unwatchable {
                    resource,
                    reason: reason.clone(),
                }),
                _ => Err(ObjectSourceError::NotSynced(resource)),
            }
        })
    }

    /// Watches until told to stop.
    pub(super) async fn run(self: Arc<Self>, client: Client, metrics: &Metrics) {
        let client = listened_to(client, &self, metrics);
        let api: Api<PartialObjectMeta<DynamicObject>> =
            Api::all_with(client, &api_resource(&self.resource));
        let mut config = watcher::Config::default().timeout(WATCH_TIMEOUT_SECONDS);
        if let Some(fields) = self.coverage.fields {
            config = config.fields(fields);
        }
        if let Some(follower) = &self.follower {
            config = config.page_size(follower.page);
        }
        let mut events = std::pin::pin!(watcher(api, config));
        let mut backoff = Backoff::new(FIRST_PAUSE);
        let mut interner = Interner::default();
        let mut staged = Objects::default();
        let mut failing = false;
        metrics.announce(&self.coverage);
        loop {
            let next = async {
                if failing {
                    tokio::time::timeout(SILENCE, events.next()).await
                } else {
                    Ok(events.next().await)
                }
            };
            let Some(next) = self.stop.run_until_cancelled(next).await else {
                return;
            };
            let event = match next {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(_silence) => {
                    failing = false;
                    self.recovered(metrics);
                    continue;
                }
            };
            match event {
                // Made up by the watcher before it asks anything: no sign of health.
                Ok(Event::Init) => {
                    staged = Objects::default();
                    continue;
                }
                // That they change is all that counts.
                Ok(Event::InitApply(_)) if self.follower.is_some() => {}
                Ok(Event::Apply(_) | Event::Delete(_)) if self.follower.is_some() => self.tell(),
                Ok(Event::InitApply(object)) => staged.insert(&object.metadata, &mut interner),
                Ok(Event::InitDone) => self.replace(std::mem::take(&mut staged)),
                Ok(Event::Apply(object)) => {
                    self.write(|state| state.objects.insert(&object.metadata, &mut interner));
                }
                Ok(Event::Delete(object)) => {
                    self.write(|state| state.objects.remove(&object.metadata));
                }
                Err(error) => {
                    failing = true;
                    let refused = matches!(failure::watch_status(&error), Some(403 | 404));
                    self.failed(&failure::describe_watch(&error), refused, metrics);
                    let limit = if refused {
                        MAX_PAUSE_REFUSED
                    } else {
                        MAX_PAUSE
                    };
                    let pause = tokio::time::sleep(backoff.pause(limit));
                    if self.stop.run_until_cancelled(pause).await.is_none() {
                        return;
                    }
                    continue;
                }
            }
            backoff.reset();
            metrics.heard(&self.coverage);
            if std::mem::take(&mut failing) {
                self.recovered(metrics);
            }
            interner.sweep();
            metrics.set_objects(&self.coverage, self.read(|state| state.objects.len()));
        }
    }

    fn replace(&self, objects: Objects) {
        let (number, first, old) = self.write(|state| {
            let first = !std::mem::replace(&mut state.synced, true);
            let number = objects.len();
            (
                number,
                first,
                std::mem::replace(&mut state.objects, objects),
            )
        });
        // Outside the lock: it may be large.
        drop(old);
        if first && self.follower.is_none() {
            tracing::info!(resource = %self.coverage, objects = number, "index is complete");
        }
        self.tell();
    }

    fn failed(&self, problem: &str, refused: bool, metrics: &Metrics) {
        metrics.watch_failed(&self.coverage);
        metrics.set_failing(&self.coverage, true);
        let (news, synced) = self.write(|state| {
            // One complaint per trouble: the words of a lost connection vary.
            let news = state.problem.is_none() || state.refused != refused;
            state.refused = refused;
            state.begun = false;
            state.problem = Some(problem.to_owned());
            (news, state.synced)
        });
        if news {
            let resource = &self.coverage;
            tracing::warn!(%resource, problem, synced, "watch fails, trying again");
            self.tell();
        }
    }

    fn recovered(&self, metrics: &Metrics) {
        metrics.heard(&self.coverage);
        metrics.set_failing(&self.coverage, false);
        if self.write(|state| state.problem.take()).is_some() {
            tracing::info!(resource = %self.coverage, "watch works again");
            self.tell();
        }
    }

    fn tell(&self) {
        if let Some(follower) = &self.follower {
            follower.changed.notify_one();
        }
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A client of which a kind's watch is told when kube-apiserver begins to answer: the watcher keeps
/// bookmarks to itself, and quiet objects give no other sign. It counts if what was answered before was
/// no failure in the end: the first answer after one may be anything.
fn listened_to(client: Client, kind: &Arc<Kind>, metrics: &Metrics) -> Client {
    let (kind, metrics) = (Arc::clone(kind), metrics.clone());
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, kind, metrics) = (client.clone(), Arc::clone(&kind), metrics.clone());
        async move {
            let response = client.send(request).await?;
            if response.status().is_success()
                && kind.write(|state| std::mem::replace(&mut state.begun, true) && state.synced)
            {
                metrics.heard(&kind.coverage);
            }
            Ok::<_, kube::Error>(response)
        }
    });
    Client::new(service, namespace)
}

fn api_resource(resource: &ResourceType) -> ApiResource {
    ApiResource {
        group: resource.id.group.to_string(),
        version: resource.version.to_string(),
        api_version: resource.api_version().to_string(),
        kind: resource.kind.to_string(),
        plural: resource.id.resource.to_string(),
    }
}
