//! How an event becomes a line, as text or as JSON.

use std::fmt::{self, Debug};

use serde::ser::{SerializeMap, Serializer as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
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
    // Those that come by the `log` crate bring their own metadata, in fields.
    let normalized = event.normalized_metadata();
    let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
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
        if self.result.is_ok() && !field.name().starts_with("log.") {
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::Layer as _;
    use tracing_subscriber::fmt::{MakeWriter, layer};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Where lines are collected.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// What `work` logs, as text and as JSON.
    fn logged(work: impl FnOnce()) -> [String; 2] {
        let lines = [Lines::default(), Lines::default()];
        let [text, json] = lines.clone();
        let text = layer().with_writer(text).with_ansi(false);
        let json = layer().with_writer(json).event_format(Json);
        let layers = [text.fmt_fields(Text).boxed(), json.boxed()];
        let subscriber = tracing_subscriber::registry().with(Vec::from(layers));
        tracing::subscriber::with_default(subscriber, work);
        lines.map(|lines| String::from_utf8(lines.0.lock().unwrap().clone()).unwrap())
    }

    #[test]
    fn an_event_is_one_object_with_its_own_types() {
        let [_, line] = logged(|| {
            tracing::warn!(
                target: "there",
                count = 3,
                negative = -1,
                share = 0.5,
                empty = f64::NAN,
                good = true,
                text = "a \"b\"\n",
                shown = %"c",
                "told {}",
                "so"
            );
        });
        assert!(line.ends_with("}\n") && line.lines().count() == 1, "{line}");
        assert!(line.starts_with("{\"timestamp\":\"2"), "{line}");
        let mut object: Value = serde_json::from_str(&line).unwrap();
        object.as_object_mut().unwrap().remove("timestamp");
        let expected = json!({
            "severity": "WARN", "logger": "there", "message": "told so", "count": 3,
            "negative": -1, "share": 0.5, "empty": null, "good": true, "text": "a \"b\"\n",
            "shown": "c",
        });
        assert_eq!(object, expected);
    }

    #[cfg(feature = "otel")]
    #[test]
    fn a_line_names_its_trace_in_both_shapes() {
        use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState};
        let (trace, span) = (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128, 0xb7ad_u64);
        let (flags, state) = (TraceFlags::SAMPLED, TraceState::NONE);
        let span = SpanContext::new(trace.into(), span.into(), flags, false, state);
        let context = opentelemetry::Context::new().with_remote_span_context(span);
        let [text, json] = logged(|| {
            tracing::info!("before");
            let _current = context.attach();
            tracing::info!(count = 3, "told");
        });
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "000000000000b7ad");
        let expected = format!(": told count=3 traceID={trace} spanID={span}\n");
        assert!(text.ends_with(&expected), "{text}");
        let lines: Vec<Value> = json
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["traceID"], Value::Null);
        assert_eq!(
            (&lines[1]["traceID"], &lines[1]["spanID"]),
            (&trace.into(), &span.into())
        );
    }
}
