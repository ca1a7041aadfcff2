//! The objects in the documentation, accepted by the real kube-apiserver.

use std::fs;

use super::{Failure, Outcome, ensure, world::World};

/// Guides whose YAML is for people to copy.
const GUIDES: [&str; 2] = ["docs/migration.md", "docs/access.md"];

/// Kinds of other projects, shown for comparison only.
const OTHERS: [&str; 2] = ["keda.sh/", "cert-manager.io/"];

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    let mut remarks = Vec::new();
    for guide in GUIDES {
        let path = world.cluster.layout().workspace().join(guide);
        let text = fs::read_to_string(&path)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        let objects: Vec<String> = blocks(&text).into_iter().filter(|it| is_ours(it)).collect();
        ensure!(!objects.is_empty(), "no objects in {guide}");
        for object in &objects {
            accepted(world, object)?;
        }
        remarks.push(format!("{guide}: {} objects accepted", objects.len()));
    }
    Ok(remarks)
}

/// A server-side dry run of one object: nothing is made.
fn accepted(world: &World, object: &str) -> Result<(), Failure> {
    let file = world.cluster.layout().state().join("e2e/guide.yaml");
    let written = fs::create_dir_all(world.cluster.layout().state().join("e2e"))
        .and_then(|()| fs::write(&file, object));
    written.map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    let file = file.display().to_string();
    let done = world.cluster.kubectl([
        "create",
        "--dry-run=server",
        "--validate=strict",
        "--filename",
        &file,
    ])?;
    let warned = done.stderr.lines().any(|line| line.starts_with("Warning:"));
    ensure!(done.success && !warned, "{}\n{object}", done.stderr);
    Ok(())
}

/// The documents of a guide's YAML blocks.
fn blocks(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "```yaml" {
            continue;
        }
        let block: Vec<&str> = lines
            .by_ref()
            .take_while(|line| line.trim() != "```")
            .collect();
        let block = block.join("\n");
        found.extend(
            block
                .split("\n---\n")
                .map(|document| format!("{document}\n")),
        );
    }
    found
}

/// Whether a document is an object that this cluster must accept.
fn is_ours(document: &str) -> bool {
    let version = document
        .lines()
        .find_map(|line| line.strip_prefix("apiVersion: "));
    version.is_some_and(|version| !OTHERS.iter().any(|other| version.starts_with(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_among_the_blocks() {
        let text = "a\n```yaml\napiVersion: v1\nkind: A\n---\nrules: []\n```\n\
                    ```sh\napiVersion: v1\n```\n```yaml\napiVersion: keda.sh/v1\n```\n";
        let all = blocks(text);
        assert_eq!(all.len(), 3, "{all:?}");
        let ours: Vec<&String> = all.iter().filter(|it| is_ours(it)).collect();
        assert_eq!(ours, ["apiVersion: v1\nkind: A\n"]);
    }
}
