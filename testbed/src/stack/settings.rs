//! What may differ between two installations of the stack. Law: `Default` is the charts' own
//! values, but for clients: none make load unless it is asked for.

use std::time::Duration;

use super::Release;

/// How the stack is installed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Number of clients; each makes 10 requests/s with the chart's `waitTimeBetweenRequests`.
    pub clients: u32,
    /// Makes every client end (and be restarted by the kubelet) after so long. Bounds the load of
    /// one process only; `None` is without a bound.
    pub client_duration: Option<Duration>,
    /// Target requests/s per pod. `None`: the chart's.
    pub requests_per_second: Option<u32>,
    /// Target mean latency, in whole milliseconds. `None`: the chart's.
    pub mean_latency: Option<Duration>,
    /// Most pods. `None`: the chart's.
    pub max_replicas: Option<u32>,
    /// How long the HPA remembers a larger wish before it removes pods. `None`: the chart's.
    pub scale_down_stabilisation: Option<Duration>,
    /// Values files, by their paths in the workspace.
    pub values: Vec<(Release, &'static str)>,
    /// More `key=value` pairs as of `helm --set`, which win.
    pub set: Vec<(Release, String)>,
}

impl Settings {
    /// `helm --set` pairs of one release.
    pub(super) fn pairs(&self, release: Release) -> Vec<String> {
        let mut pairs = match release {
            Release::Client => self.client(),
            Release::Server => self.server(),
            Release::Monitoring | Release::MetricsAdapter => Vec::new(),
        };
        let more = self.set.iter().filter(|(of, _)| *of == release);
        pairs.extend(more.map(|(_, pair)| pair.clone()));
        pairs
    }

    fn client(&self) -> Vec<String> {
        let mut pairs = vec![format!("replicaCount={}", self.clients)];
        if let Some(duration) = self.client_duration {
            pairs.push("envvar.duration.name=DURATION".to_owned());
            pairs.push(format!("envvar.duration.value={}s", duration.as_secs()));
        }
        pairs
    }

    fn server(&self) -> Vec<String> {
        let autoscaling = |(key, value)| format!("autoscaling.{key}={value}");
        [
            self.requests_per_second
                .map(|it| ("requestsPerSecond.averageValue", it.to_string())),
            self.mean_latency
                .map(|it| ("meanLatency.averageValue", format!("{}m", it.as_millis()))),
            self.max_replicas.map(|it| ("maxReplicas", it.to_string())),
            self.scale_down_stabilisation.map(|it| {
                let key = "behavior.scaleDown.stabilizationWindowSeconds";
                (key, it.as_secs().to_string())
            }),
        ]
        .into_iter()
        .flatten()
        .map(autoscaling)
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_leaves_the_charts_as_they_are_without_load() {
        let settings = Settings::default();
        assert_eq!(settings.pairs(Release::Client), ["replicaCount=0"]);
        assert_eq!(settings.pairs(Release::Server), [""; 0]);
    }

    #[test]
    fn every_setting_is_passed_on_and_the_given_pairs_win() {
        let settings = Settings {
            clients: 2,
            client_duration: Some(Duration::from_secs(900)),
            requests_per_second: Some(35),
            mean_latency: Some(Duration::from_millis(80)),
            max_replicas: Some(8),
            scale_down_stabilisation: Some(Duration::from_secs(20)),
            values: Vec::new(),
            set: vec![
                (Release::Server, "replicaCount=2".into()),
                (Release::Client, "replicaCount=9".into()),
            ],
        };
        assert_eq!(
            settings.pairs(Release::Server),
            [
                "autoscaling.requestsPerSecond.averageValue=35",
                "autoscaling.meanLatency.averageValue=80m",
                "autoscaling.maxReplicas=8",
                "autoscaling.behavior.scaleDown.stabilizationWindowSeconds=20",
                "replicaCount=2",
            ]
        );
        assert_eq!(
            settings.pairs(Release::Client),
            [
                "replicaCount=2",
                "envvar.duration.name=DURATION",
                "envvar.duration.value=900s",
                "replicaCount=9",
            ]
        );
    }
}
