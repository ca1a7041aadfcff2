//! What a scraper accepts: OpenMetrics only for who names it, by the rules of `Accept` (RFC 9110).

use telemetry::text::Format;

use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "accept",
    run,
    seeds,
    words: &[
        OPEN_METRICS,
        "text/plain",
        "*/*",
        "text/*",
        ";version=1.0.0",
        ";version=0.0.4",
        ";escaping=allow-utf-8",
        ";q=",
        ";Q=",
        "; q=0",
        ";q=0.5",
        ";q=1.000",
        ";q=2",
        ";q=-1",
        ";q=inf",
        ";q=nan",
        ";q=1e-9",
        ",",
        ";",
        " ",
        "\t",
        "\"",
    ],
    cases: 6000,
};

const OPEN_METRICS: &str = "application/openmetrics-text";

fn seeds() -> Vec<Vec<u8>> {
    seed::all(&[
        // Prometheus 3's.
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "application/openmetrics-text",
        "text/plain;q=0.5, application/openmetrics-text;q=0.4",
        "application/openmetrics-text;q=0",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "*/*",
        "",
    ])
}

fn run(input: &[u8]) {
    let Ok(header) = str::from_utf8(input) else {
        return;
    };
    let lower = header.to_ascii_lowercase();
    let accepted = Format::accepted(header);
    if accepted == Format::OpenMetrics {
        assert!(lower.contains(OPEN_METRICS), "{header:?}");
    }
    // Neither case nor order says anything.
    for same in [lower, header.to_ascii_uppercase(), reversed(header)] {
        assert_eq!(Format::accepted(&same), accepted, "{header:?} and {same:?}");
    }
    // Nothing is preferred to a weight of 1, and what weighs nothing is as if not said.
    let first = format!("{header},{OPEN_METRICS}");
    assert_eq!(Format::accepted(&first), Format::OpenMetrics, "{first:?}");
    for none in [OPEN_METRICS, "text/plain"] {
        let none = format!("{header},{none};q=0");
        assert_eq!(Format::accepted(&none), accepted, "{none:?}");
    }
}

/// The same ranges, the last one first.
fn reversed(header: &str) -> String {
    let ranges: Vec<&str> = header.rsplit(',').collect();
    ranges.join(",")
}
