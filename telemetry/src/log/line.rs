//! How an event becomes a line, as text or as JSON.

use std::fmt::{self, Debug};

use serde::ser::{SerializeMap, Serializer as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The fields of an event as text, and the trace that it belongs to.
#[derive(Debug)]
pub(super) struct Text;

/// The whole event as one JSON object.
#[derive(Debug)]
pub(super) struct Json;

/// The ids of a trace and a span in it.
struct Ids {
    trace: String,
    span: String,
}

/// Writes an event's fields into an object; what cannot be written fails the whole.
struct Fields<M: SerializeMap> {
    map: M,
    result: Result<(), M::Error>,
}

impl<'writer> FormatFields<'writer> for Text {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        DefaultFields::new().format_fields(writer.by_ref(), fields)?;
        match ids() {
            Some(Ids { trace, span }) => write!(writer, " traceID={trace} spanID={span}"),
            None => Ok(()),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let line = object(&time, event).map_err(|_| fmt::Error)?;
        writer.write_str(&line)?;
        writer.write_char('\n')
    }
}

/// The event as a JSON object, without a line break.
fn object(time: &str, event: &Event<'_>) -> serde_json::Result<String> {
    let mut line = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut line);
    let mut map = serializer.serialize_map(None)?;
    let metadata = event.metadata();
    map.serialize_entry("timestamp", time)?;
    map.serialize_entry("severity", metadata.level().as_str())?;
    map.serialize_entry("logger", metadata.target())?;
    let result = Ok(());
    let mut fields = Fields { map, result };
    event.record(&mut fields);
    fields.result?;
    let mut map = fields.map;
    if let Some(Ids { trace, span }) = ids() {
        map.serialize_entry("traceID", &trace)?;
        map.serialize_entry("spanID", &span)?;
    }
    map.end()?;
    // JSON is UTF-8.
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// The trace that this thread works for at the moment.
#[cfg(feature = "otel")]
fn ids() -> Option<Ids> {
    let span = crate::trace::current()?;
    Some(Ids {
        trace: span.trace_id().to_string(),
        span: span.span_id().to_string(),
    })
}

#[cfg(not(feature = "otel"))]
fn ids() -> Option<Ids> {
    None
}

impl<M: SerializeMap> Fields<M> {
    fn write(&mut self, field: &Field, value: &(impl serde::Serialize + ?Sized)) {
        if self.result.is_ok() {
            self.result = self.map.serialize_entry(field.name(), value);
        }
    }
}

impl<M: SerializeMap> Visit for Fields<M> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, &value);
    }
}
