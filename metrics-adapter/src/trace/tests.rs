//! A recorder of spans, for other modules' tests too.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, NoSubscriber, set_default};
use tracing::{Dispatch, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::*;

/// A span as it was made.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) parent: Option<u64>,
    /// The spans that it follows from.
    pub(crate) links: Vec<u64>,
    pub(crate) attributes: BTreeMap<&'static str, String>,
}

impl field::Visit for Recorded {
    fn record_debug(&mut self, field: &field::Field, value: &dyn Debug) {
        let text = format!("{value:?}").trim_matches('"').to_owned();
        self.attributes.insert(field.name(), text);
    }
}

/// While there is but one subscriber, tracing decides about a call site on the thread that reaches it
/// first: one where nobody listens turns it off for all. With a second one all are asked.
static SECOND: OnceLock<Dispatch> = OnceLock::new();

/// Writes down the spans of one thread, if it is interested.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    is_deaf: bool,
    spans: Arc<Mutex<Vec<Recorded>>>,
}

impl Recorder {
    /// Records what this thread does, as long as the guard lives.
    pub(crate) fn listen(&self) -> DefaultGuard {
        SECOND.get_or_init(|| Dispatch::new(NoSubscriber::default()));
        set_default(tracing_subscriber::registry().with(self.clone()))
    }

    /// What there was so far.
    pub(crate) fn spans(&self) -> Vec<Recorded> {
        self.spans.lock().unwrap().clone()
    }

    fn with(&self, id: &Id, change: impl FnOnce(&mut Recorded)) {
        let mut spans = self.spans.lock().unwrap();
        let span = spans.iter_mut().find(|span| span.id == id.into_u64());
        change(span.unwrap());
    }
}

impl<S: Subscriber> Layer<S> for Recorder {
    fn enabled(&self, _: &Metadata<'_>, _: Context<'_, S>) -> bool {
        !self.is_deaf
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let current = context.current_span().id().cloned();
        let current = current.filter(|_| attributes.is_contextual());
        let parent = attributes.parent().cloned().or(current);
        let mut span = Recorded {
            id: id.into_u64(),
            name: attributes.metadata().name(),
            parent: parent.map(|id| id.into_u64()),
            links: Vec::new(),
            attributes: BTreeMap::new(),
        };
        attributes.record(&mut span);
        self.spans.lock().unwrap().push(span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.with(id, |span| values.record(span));
    }

    fn on_follows_from(&self, id: &Id, other: &Id, _: Context<'_, S>) {
        self.with(id, |span| span.links.push(other.into_u64()));
    }
}

fn recorded(work: impl FnOnce()) -> BTreeMap<&'static str, String> {
    let recorder = Recorder::default();
    let listening = recorder.listen();
    work();
    drop(listening);
    recorder.spans().remove(0).attributes
}

#[test]
fn what_callers_wrote_is_cut() {
    let long = "ä".repeat(1000);
    let found = recorded(|| {
        evaluation(Some(&long), Some(&long), Some(&long));
    });
    assert_eq!(found.len(), 3, "{found:?}");
    for (name, text) in found {
        assert_eq!(text.len(), NAME_LIMIT, "{name}");
    }
}

#[test]
fn a_call_tells_neither_user_nor_parameters() {
    let url = "https://me:s3cr3t@prometheus:9090/prefix/?token=s3cr3t";
    let url = url.parse().unwrap();
    let found = recorded(|| {
        failed(&call("POST", &url, "query"), "timeout");
    });
    assert!(!format!("{found:?}").contains("s3cr3t"), "{found:?}");
    for (name, value) in [
        ("otel.name", "POST /api/v1/query"),
        ("url.full", "https://prometheus:9090/prefix/api/v1/query"),
        ("server.address", "prometheus"),
        ("server.port", "9090"),
        ("error.type", "timeout"),
    ] {
        assert_eq!(found[name], value, "{found:?}");
    }
}

#[test]
fn nothing_is_made_for_nobody() {
    struct Never;
    impl Display for Never {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("nobody asked")
        }
    }
    let deaf = Recorder {
        is_deaf: true,
        ..Recorder::default()
    };
    let _listening = deaf.listen();
    assert!(evaluation(None, None, Some(&Never)).is_disabled());
    assert!(query(&Never).is_disabled() && query_ahead(&Never).is_disabled());
    note(RULE, field::display(Never));
    assert!(deaf.spans().is_empty());
}
