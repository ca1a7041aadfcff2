//! Every branch of every chart, accepted by the real kube-apiserver.

use std::{fs, path::PathBuf};

use super::{Failure, Outcome, ensure, world::World};
use crate::command::Output;

/// A namespace of their own: dry runs need one that exists, and must not meet the stack's objects.
const NAMESPACE: &str = "charts-dry-run";

/// API groups that the cluster lacks, because they belong to other projects.
const ABSENT: [&str; 2] = ["cert-manager.io/", "monitoring.coreos.com/"];

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    let namespace = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE },
    });
    let path = format!("/api/v1/namespaces/{NAMESPACE}");
    if world.admin().get(&path)?.status == 404 {
        world.create("/api/v1/namespaces", &namespace)?;
    }
    let outcome = every_branch(world);
    world.delete(&path)?;
    outcome
}

fn every_branch(world: &World) -> Outcome {
    let mut left_out = Vec::new();
    // A pod is refused while its account is not there, and a dry run creates none.
    let mut accounts = String::new();
    let (mut branches, mut objects) = (0, 0);
    let directory = world.cluster.layout().state().join("e2e/charts");
    let file_error =
        |error: std::io::Error| Failure::new(format!("{}: {error}", directory.display()));
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(file_error)?;
    }
    fs::create_dir_all(&directory).map_err(file_error)?;
    for (chart, values) in all(world)? {
        let branch = branch_name(&chart, values.as_ref());
        let rendered = render(world, &chart, values.as_ref())?;
        let mut kept = String::new();
        for document in rendered.split("\n---") {
            let document = document.trim().trim_start_matches("---");
            let field = |name: &str| {
                let prefix = format!("{name}: ");
                let value = document.lines().find_map(|line| line.strip_prefix(&prefix));
                value.unwrap_or_default().trim().to_owned()
            };
            let (version, kind) = (field("apiVersion"), field("kind"));
            if kind.is_empty() {
                continue;
            }
            if ABSENT.iter().any(|group| version.starts_with(group)) {
                let name = field("  name");
                left_out.push(format!("{kind} {name} ({version}) of {branch}"));
            } else {
                objects += 1;
                let text = format!("---\n{document}\n");
                kept.push_str(&text);
                if kind == "ServiceAccount" {
                    accounts.push_str(&text);
                }
            }
        }
        branches += 1;
        let file = directory.join(format!("{branch}.yaml"));
        fs::write(file, kept).map_err(file_error)?;
    }
    let file = directory.with_extension("accounts.yaml");
    fs::write(&file, accounts).map_err(file_error)?;
    let file = file.display().to_string();
    world.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file])?;
    // One process for all: an error names the file, which is the branch.
    let directory = directory.display().to_string();
    let done = world.cluster.kubectl([
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "--server-side",
        "--force-conflicts",
        "--filename",
        &directory,
    ])?;
    let warned = done.stderr.lines().any(|line| line.starts_with("Warning:"));
    ensure!(done.success && !warned, "{}", done.stderr);
    let accepted = done.stdout.lines().count();
    ensure!(
        accepted == objects,
        "{accepted} of {objects}:\n{}",
        done.stdout
    );
    let mut remarks = vec![format!(
        "{branches} branches with {objects} objects accepted"
    )];
    remarks.push(format!(
        "left out, the cluster has no such kinds: {}",
        left_out.join("; ")
    ));
    Ok(remarks)
}

/// Every chart with its default values, with every file in its ci/, and with every values-*.yaml.
fn all(world: &World) -> Result<Vec<(String, Option<PathBuf>)>, Failure> {
    let helm = world.cluster.layout().workspace().join("helm");
    let list = |directory: PathBuf| -> Result<Vec<PathBuf>, Failure> {
        let entries = fs::read_dir(&directory)
            .map_err(|error| Failure::new(format!("{}: {error}", directory.display())))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        Ok(paths)
    };
    let name = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let mut found = Vec::new();
    for chart in list(helm)?
        .into_iter()
        .filter(|path| path.join("Chart.yaml").is_file())
    {
        found.push((name(&chart), None));
        let branches: Vec<PathBuf> = list(chart.join("ci"))?
            .into_iter()
            .filter(|path| name(path).ends_with("-values.yaml"))
            .collect();
        ensure!(
            !branches.is_empty(),
            "{} has no branch in ci/",
            chart.display()
        );
        let more = list(chart.clone())?
            .into_iter()
            .filter(|path| name(path).starts_with("values-") && name(path).ends_with(".yaml"));
        for path in branches.into_iter().chain(more) {
            found.push((name(&chart), Some(path)));
        }
    }
    ensure!(!found.is_empty(), "no chart in helm/");
    Ok(found)
}

fn branch_name(chart: &str, values: Option<&PathBuf>) -> String {
    let values = values.and_then(|path| path.file_stem());
    let values = values.map_or_else(|| "values".into(), |stem| stem.to_string_lossy());
    format!("{chart} {values}")
}

fn render(world: &World, chart: &str, values: Option<&PathBuf>) -> Result<String, Failure> {
    let path = world.cluster.layout().workspace().join("helm").join(chart);
    let mut args = vec![
        "template".to_owned(),
        chart.to_owned(),
        path.display().to_string(),
        "--namespace".to_owned(),
        NAMESPACE.to_owned(),
    ];
    if let Some(values) = values {
        args.extend(["--values".to_owned(), values.display().to_string()]);
    }
    Ok(world.cluster.helm(args).and_then(Output::checked)?.stdout)
}
