//! A registry as Prometheus text, format 0.0.4.
//!
//! `prometheus-client` writes OpenMetrics text, which differs: every counter sample gets the
//! suffix `_total` (its `TYPE` line does not), and the document ends in `# EOF`. A scraper that
//! is told 0.0.4 would see an untyped `x_total` and a counter `x` without samples.
//!
//! Law: **a metric is called on the wire exactly what it was called when it was registered.** A
//! counter registered as `errors_total` comes out as `errors_total`, one registered as `ops` as
//! `ops`, in the `TYPE` line and in the samples alike.
//!
//! Not supported: exemplars (0.0.4 has none) and line breaks in help texts.

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

/// The `Content-Type` that belongs to [`encode`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The whole registry in text format 0.0.4, names as registered.
#[must_use]
pub fn encode(registry: &Registry) -> String {
    let mut open_metrics = String::new();
    // Writing to a `String` cannot fail; what can is a metric type that has no text form (a
    // native-only histogram). What was written before it is still whole lines' worth of metrics.
    if encode_registry(&mut open_metrics, registry).is_err() {
        tracing::error!("a registered metric has no text form; it and those after it are left out");
        open_metrics.truncate(open_metrics.rfind('\n').map_or(0, |end| end + 1));
    }
    convert(&open_metrics)
}

/// How the samples of the family being read must be renamed.
#[derive(Clone, Copy)]
enum Family<'a> {
    Counter(&'a str),
    Other,
}

/// OpenMetrics text, as `prometheus-client` writes it, to text 0.0.4. Line by line: label values
/// are escaped by the encoder, so a line is always one sample or one comment.
fn convert(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut family = Family::Other;
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // Held back until the type is known: an info metric's name changes.
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            family = if kind == "counter" {
                Family::Counter(name)
            } else {
                Family::Other
            };
            // 0.0.4 knows neither `info` (a gauge by convention) nor the word `unknown`.
            let (suffix, kind) = match kind {
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take() {
                text.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            match family {
                Family::Counter(name) => match line.strip_prefix(name) {
                    Some(rest) => {
                        text.extend([name, rest.strip_prefix("_total").unwrap_or(rest), "\n"]);
                    }
                    None => text.extend([line, "\n"]),
                },
                Family::Other => text.extend([line, "\n"]),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
