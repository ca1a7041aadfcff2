//! What one wants to see when a scenario has failed: the whole in a file, the best of it at once.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::Failure;
use crate::cluster::{Cluster, Component};

/// Every command whose output goes into the file.
const QUESTIONS: [&[&str]; 9] = [
    &["get", "pods", "-A", "-o", "wide"],
    &["get", "hpa", "-A"],
    &["get", "apiservices"],
    &["describe", "hpa", "-n", "default"],
    &["describe", "pods", "-n", "metrics-adapter"],
    &["describe", "pods", "-n", "monitoring"],
    &["describe", "pods", "-n", "default"],
    &["get", "events", "-A", "--sort-by=.lastTimestamp"],
    &[
        "get",
        "apiservice",
        "v1beta2.custom.metrics.k8s.io",
        "-o",
        "yaml",
    ],
];

/// Asks everything now; gives a few lines to show, the last of which names the file.
pub(super) fn collect(cluster: &Cluster, scenario: &str, failure: &Failure) -> String {
    let mut whole = format!("{scenario} failed: {failure}\n");
    let mut excerpt = String::new();
    let mut add = |title: &str, text: &str, shown: usize| {
        whole.push_str(&format!("\n===== {title}\n{text}\n"));
        if shown > 0 {
            excerpt.push_str(&format!("--- {title}\n{}\n", tail(text, shown)));
        }
    };
    for args in QUESTIONS {
        let text = match cluster.kubectl(args.iter().copied()) {
            Ok(output) => output.stdout + &output.stderr,
            Err(error) => error.to_string(),
        };
        let shown = match args[1] {
            "pods" if args[0] == "get" => 20,
            "hpa" if args[0] == "get" => 5,
            "events" => 12,
            _ => 0,
        };
        add(&format!("kubectl {}", args.join(" ")), &text, shown);
    }
    let log = |namespace: &str, selector: &str| {
        let args = [
            "logs",
            "-n",
            namespace,
            "-l",
            selector,
            "--prefix",
            "--tail=200",
        ];
        cluster.kubectl(args).map_or_else(
            |error| error.to_string(),
            |output| output.stdout + &output.stderr,
        )
    };
    let adapter = log("metrics-adapter", "app=metrics-adapter");
    add("log of metrics-adapter", &adapter, 15);
    add("log of server", &log("default", "app=server"), 0);
    add("log of client", &log("default", "app=client"), 0);
    add("log of prometheus", &log("monitoring", "app=prometheus"), 0);
    for component in [Component::Apiserver, Component::ControllerManager] {
        add(component.name(), &cluster.component_log(component, 60), 0);
    }
    let file = file(cluster, scenario);
    let written = fs::create_dir_all(file.parent().unwrap_or(Path::new("/")))
        .and_then(|()| fs::write(&file, whole));
    match written {
        Ok(()) => excerpt + &format!("more in {}", file.display()),
        Err(error) => excerpt + &format!("cannot write {}: {error}", file.display()),
    }
}

/// Removes a scenario's evidence of an earlier run.
pub(super) fn forget(cluster: &Cluster, scenario: &str) {
    // What cannot be removed was not there, or will be written over.
    let _ = fs::remove_file(file(cluster, scenario));
}

fn file(cluster: &Cluster, scenario: &str) -> PathBuf {
    let directory = cluster.layout().state().join("e2e");
    directory.join(format!("{scenario}.failed.txt"))
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
