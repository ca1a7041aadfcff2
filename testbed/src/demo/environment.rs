//! What the demo ran with: versions as the programs tell them, and the machine.

use serde_json::Value;

use super::api::Api;
use crate::{report::Fact, stack::Release};

/// Asks everybody; what does not answer is left out.
pub(super) async fn facts(api: &Api) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| Fact {
            name: name.to_owned(),
            value,
        }));
    };
    let version = api.kubernetes("/version").await;
    add("Kubernetes", text(&version["gitVersion"]));
    let node = api.kubernetes("/api/v1/nodes").await;
    let info = &node["items"][0]["status"]["nodeInfo"];
    add("container runtime", text(&info["containerRuntimeVersion"]));
    let build = api.prometheus("status/buildinfo", &[]).await;
    add("Prometheus", text(&build["data"]["version"]));
    for release in [Release::MetricsAdapter, Release::Server, Release::Client] {
        add(
            &format!("image of {}", release.name()),
            image(api, release).await,
        );
    }
    add("machine", Some(machine(info)));
    facts
}

async fn image(api: &Api, release: Release) -> Option<String> {
    let (namespace, name) = (release.namespace(), release.deployment());
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let deployment = api.kubernetes(&path).await;
    text(&deployment["spec"]["template"]["spec"]["containers"][0]["image"])
}

fn machine(info: &Value) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| gigabytes(&text))
        .map_or_else(String::new, |memory| format!(", {memory} GB of memory"));
    format!(
        "{cores} cores{memory}, {} {}, {}",
        info["operatingSystem"].as_str().unwrap_or("Linux"),
        info["kernelVersion"].as_str().unwrap_or_default(),
        info["osImage"].as_str().unwrap_or_default(),
    )
}

/// The machine's memory, from `/proc/meminfo`, whose `kB` are 1024 bytes.
fn gigabytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kilobytes * 1024).div_ceil(1_000_000_000))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_the_kernels_unit() {
        let text = "MemTotal:       24593236 kB\nMemFree: 1 kB\n";
        assert_eq!(gigabytes(text), Some(26));
        assert_eq!(gigabytes("MemFree: 1 kB\n"), None);
    }
}
