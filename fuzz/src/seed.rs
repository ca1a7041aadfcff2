//! Where inputs come from: the golden vectors, and the files of `corpus/`.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a long run found once, sorted by name.
pub(crate) fn found(target: &str) -> Vec<Vec<u8>> {
    let Ok(directory) = std::fs::read_dir(here().join("corpus").join(target)) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = directory.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &PathBuf| std::fs::read(file).unwrap();
    files.iter().map(read).collect()
}

/// Every `step`th case of a file of golden vectors: its text at `place` (an index or a name).
pub(crate) fn golden(name: &str, place: &str, step: usize) -> Vec<Vec<u8>> {
    let directory = here().join("../metrics-adapter/tests/golden");
    let file = std::fs::read(directory.join(format!("{name}.json"))).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let text = |case: &Value| {
        let pointer = format!("/{place}");
        Some(case.pointer(&pointer)?.as_str()?.as_bytes().to_vec())
    };
    let cases = file["cases"].as_array().unwrap().iter().step_by(step);
    cases.filter_map(text).collect()
}

pub(crate) fn all(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
