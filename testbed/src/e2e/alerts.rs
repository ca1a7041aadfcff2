//! The adapter's alerts: Prometheus evaluates all of them, and none has fired while nothing was broken.

use serde_json::Value;

use super::{
    Failure, Outcome, ensure,
    world::{World, text},
};
use crate::stack::{HPA, NAMESPACE};

/// Seconds in which an alert has ended that was right before there was an adapter: two evaluations.
const END: f64 = 30.0;

/// The scenario, which stands after the calm ones and before the first that breaks something.
pub(super) fn run(world: &World) -> Outcome {
    let answer = world.prometheus()?.get("/api/v1/rules?type=alert")?;
    let answer = answer.expect(200)?;
    let groups = answer["data"]["groups"].as_array().into_iter().flatten();
    let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
    let ours: Vec<&Value> = rules.filter(|rule| is_ours(&rule["name"])).collect();
    ensure!(!ours.is_empty(), "Prometheus has no alerts of the adapter");
    let broken: Vec<&&Value> = ours.iter().filter(|rule| rule["health"] != "ok").collect();
    ensure!(broken.is_empty(), "{broken:?}");
    let scraped = r#"min(min_over_time(timestamp(up{app="metrics-adapter"} == 1)[3h:15s]))"#;
    let scraped = world.query(&format!("time() - {scraped}"))? - END;
    let seconds = scraped.min(begun(world)?);
    ensure!(seconds > END, "the adapter is too new: {seconds} s");
    let firing = r#"ALERTS{alertname=~"MetricsAdapter.+",alertstate="firing"}"#;
    let fired = world.samples(&format!("max_over_time({firing}[{seconds:.0}s])"))?;
    ensure!(fired.is_empty(), "{fired:?}");
    Ok(vec![format!(
        "none of {} alerts fired in {seconds:.0} s",
        ours.len()
    )])
}

/// Seconds since this run began, with a new HPA: the cluster may have had another one.
fn begun(world: &World) -> Result<f64, Failure> {
    let path =
        format!("/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{HPA}");
    let created = text(&world.get(&path)?["metadata"]["creationTimestamp"]);
    let created: jiff::Timestamp = created
        .parse()
        .map_err(|error| Failure::new(format!("creationTimestamp {created}: {error}")))?;
    world.query(&format!("vector(time() - {})", created.as_second()))
}

fn is_ours(name: &Value) -> bool {
    name.as_str()
        .is_some_and(|name| name.starts_with("MetricsAdapter"))
}
