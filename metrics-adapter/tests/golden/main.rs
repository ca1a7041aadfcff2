//! Our results against those of the Go libraries that prometheus-adapter is built on.
//!
//! `generate/` writes the vectors (`make golden`); each file has corner cases by hand and
//! thousands of random ones. Either both accept and the results are equal, or both refuse, or
//! the case is one of the table in [`difference`].

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod adapter;
mod config;
mod difference;
mod hpa;
mod mutation;
mod pattern;
mod template;
mod value;
mod wire;

use std::path::Path;

use serde_json::Value;

/// Reads a file of vectors: its header and its cases.
fn read(name: &str) -> (Value, Vec<Value>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error} (make golden)", path.display()));
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(cases) = file["cases"].take() else {
        panic!("{}: no cases", path.display());
    };
    assert!(cases.len() > 100, "{}: too few cases", path.display());
    (file["header"].take(), cases)
}

/// The text at a place of a case.
fn text(case: &Value, index: usize) -> &str {
    case[index]
        .as_str()
        .unwrap_or_else(|| panic!("no text at {index} of {case}"))
}
