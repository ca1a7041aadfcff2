//! Holds the code against ARCHITECTURE.md: its module table is read, not repeated.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Longer files have more than one subject.
const MAX_LINES: usize = 600;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Module name to what it must never import.
fn table() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("| module |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, _, barred] = cells[..] else {
            panic!("not three cells: {row}")
        };
        let barred = barred
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect();
        (name.trim_matches('`').to_owned(), barred)
    })
    .collect()
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Source directories of every package in the workspace.
fn source_directories() -> Vec<PathBuf> {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let members = manifest
        .lines()
        .find(|line| line.starts_with("members"))
        .unwrap();
    members
        .split('"')
        .skip(1)
        .step_by(2)
        .map(|name| workspace().join(name).join("src"))
        .collect()
}

/// Code without comments and without everything from the first test module on.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_test_file(file: &Path) -> bool {
    file.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The first path segments that code refers to: crates as they are, own modules as `crate::x`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("::") {
        let head = &code[..at];
        let start = head.rfind(|c| !is_word(c)).map_or(0, |i| i + 1);
        // `a::b::c`: only `a` names a crate.
        if head[..start].ends_with("::") {
            continue;
        }
        let word = &head[start..];
        let rest = &code[at + 2..];
        match (word, rest.strip_prefix('{')) {
            ("crate", Some(group)) => found.extend(group_heads(group)),
            ("crate", None) => {
                found.insert(format!("crate::{}", first_word(rest)));
            }
            _ => {
                found.insert(word.to_owned());
            }
        }
    }
    found
}

/// The modules of `use crate::{a, b::{c, d}};`, without the opening brace.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                heads.push(format!("crate::{}", first_word(group[start..at].trim())));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    heads
}

fn first_word(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

#[test]
fn modules_keep_to_the_table() {
    let table = table();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for file in rust_files(&source)
        .into_iter()
        .filter(|file| !is_test_file(file))
    {
        let relative = file.strip_prefix(&source).unwrap();
        let first = relative.iter().next().unwrap().to_string_lossy();
        let module = first.trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let Some(barred) = table.get(module) else {
            broken.push(format!("{module}: not in ARCHITECTURE.md"));
            continue;
        };
        let imports = imports(&code(&file));
        for name in barred {
            let own = table.contains_key(name);
            let name = if own {
                format!("crate::{name}")
            } else {
                name.clone()
            };
            if imports.contains(&name) {
                broken.push(format!("{}: imports {name}", relative.display()));
            }
        }
        if imports.contains("anyhow") && module != "app" {
            broken.push(format!("{}: imports anyhow", relative.display()));
        }
    }
    for module in table.keys() {
        if !source.join(format!("{module}.rs")).exists() {
            broken.push(format!(
                "{module}: in ARCHITECTURE.md, but there is no such module"
            ));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_file_is_compiled() {
    let mut orphans = Vec::new();
    for source in source_directories() {
        for file in rust_files(&source) {
            let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
            let directory = file.parent().unwrap();
            let root = directory == source && matches!(stem.as_str(), "lib" | "main");
            if root || directory.ends_with("src/bin") {
                continue;
            }
            // `foo/bar.rs` is declared in `foo.rs`; a file in `src` in `lib.rs` or `main.rs`.
            let parents = if directory == source {
                vec![source.join("lib.rs"), source.join("main.rs")]
            } else {
                vec![directory.with_extension("rs")]
            };
            let declared = parents
                .iter()
                .filter_map(|parent| fs::read_to_string(parent).ok())
                .any(|text| declares(&text, &stem));
            if !declared {
                orphans.push(file);
            }
        }
    }
    assert!(orphans.is_empty(), "reached by no `mod`: {orphans:#?}");
}

fn declares(text: &str, module: &str) -> bool {
    let declaration = format!("mod {module};");
    text.lines().any(|line| {
        let line = line.trim();
        line == declaration
            || ["pub", "pub(crate)", "pub(super)"]
                .iter()
                .any(|visibility| {
                    line.strip_prefix(visibility)
                        .is_some_and(|rest| rest.trim() == declaration)
                })
    })
}

#[test]
fn no_file_outgrows_its_subject() {
    let long: Vec<String> = source_directories()
        .iter()
        .flat_map(|source| rust_files(source))
        .filter_map(|file| {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            (lines > MAX_LINES).then(|| format!("{}: {lines}", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    let code = "use crate::{auth, model::{A, B}, rules};\nfn f() { kube::x(); a::b::c() }";
    let found = imports(code);
    // Whether a bare word is a crate, the table decides: `model` is none.
    let expected = [
        "a",
        "crate::auth",
        "crate::model",
        "crate::rules",
        "kube",
        "model",
    ];
    assert_eq!(
        found.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
    assert!(imports("use prometheus_client::registry;").contains("prometheus_client"));
    assert!(!imports("use prometheus_client::registry;").contains("prometheus"));
}
