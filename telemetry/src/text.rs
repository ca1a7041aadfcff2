//! A registry as Prometheus text: format 0.0.4, or OpenMetrics 1.0 with exemplars.
//!
//! `prometheus-client` writes OpenMetrics text, in which every counter sample has the suffix
//! `_total`. Law: **a metric is called on the wire exactly what it was called when it was
//! registered**, in both formats. A counter registered as `errors_total` comes out as
//! `errors_total`, one registered as `ops` as `ops`.
//!
//! OpenMetrics allows no counter without the suffix: there such a metric is of type `unknown`, as
//! Prometheus' own Go library writes it. 0.0.4 has no exemplars, so they are left out there.
//! Not supported: line breaks in help texts.

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

/// How a registry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type` that belongs to the text.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What an `Accept` header asks for: OpenMetrics only where it is named, and is preferred to
    /// plain text, as Prometheus does.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let weight = |kind: &str| {
            let ranges = header.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                parts
                    .next()
                    .filter(|name| name.eq_ignore_ascii_case(kind))?;
                let weight = parts.find_map(|part| {
                    let (name, weight) = part.split_once('=')?;
                    name.eq_ignore_ascii_case("q").then_some(weight)
                });
                let weight = weight.map_or(Ok(1.0), str::parse::<f32>).ok()?;
                // RFC 9110 has no others.
                (0.0..=1.0).contains(&weight).then_some(weight)
            });
            ranges.fold(0.0, f32::max)
        };
        let open_metrics = weight("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= weight("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

/// The whole registry in text format 0.0.4, names as registered.
#[must_use]
pub fn encode(registry: &Registry) -> String {
    encode_as(registry, Format::Text)
}

/// The whole registry in the given format, names as registered.
#[must_use]
pub fn encode_as(registry: &Registry, format: Format) -> String {
    let mut written = String::new();
    // Writing to a `String` cannot fail; what can is a metric type that has no text form (a
    // native-only histogram). What was written before it is still whole lines' worth of metrics.
    if encode_registry(&mut written, registry).is_err() {
        tracing::error!("a registered metric has no text form; it and those after it are left out");
        written.truncate(written.rfind('\n').map_or(0, |end| end + 1));
    }
    convert(&written, format)
}

/// How the samples of the family being read must be renamed.
#[derive(Clone, Copy)]
enum Family<'a> {
    Counter(&'a str),
    Other,
}

/// OpenMetrics text, as `prometheus-client` writes it, to text with the registered names. Line by
/// line: label values are escaped by the encoder, so a line is always one sample or one comment.
fn convert(written: &str, format: Format) -> String {
    let mut text = String::with_capacity(written.len());
    let mut family = Family::Other;
    let mut help = None;
    for line in written.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // Held back until the type is known, with which a family's name changes.
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            family = if kind == "counter" {
                Family::Counter(name)
            } else {
                Family::Other
            };
            let (name, suffix, kind) = head(name, kind, format);
            if let Some((_, help)) = help.take() {
                text.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            let line = match format {
                Format::Text => without_exemplar(line),
                Format::OpenMetrics => line,
            };
            let counter = match family {
                Family::Counter(name) => line.strip_prefix(name).map(|rest| (name, rest)),
                Family::Other => None,
            };
            match counter {
                Some((name, rest)) => {
                    text.extend([name, rest.strip_prefix("_total").unwrap_or(rest), "\n"]);
                }
                None => text.extend([line, "\n"]),
            }
        }
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

/// A family's name, what follows it, and its type.
fn head<'a>(name: &'a str, kind: &'a str, format: Format) -> (&'a str, &'static str, &'a str) {
    match (format, kind) {
        // 0.0.4 knows neither `info` (a gauge by convention) nor the word `unknown`.
        (Format::Text, "info") => (name, "_info", "gauge"),
        (Format::Text, "unknown") => (name, "", "untyped"),
        (Format::OpenMetrics, "counter") => match name.strip_suffix("_total") {
            Some(stem) => (stem, "", kind),
            None => (name, "", "unknown"),
        },
        _ => (name, "", kind),
    }
}

/// The sample up to its value. An exemplar stands behind ` # `, which label values may contain too.
fn without_exemplar(sample: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (index, byte) in sample.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return sample[..index].trim_end(),
            _ => {}
        }
    }
    sample
}

#[cfg(test)]
mod tests;
