//! What there is to be measured on: namespaces, pods, metrics, values and questions. Law: pure, and
//! the same in every run; the objects, the exporter, the load and the check are made of it.

use std::{fmt, time::Duration};

use jiff::Timestamp;

/// Where all choices begin.
pub(crate) const SEED: u64 = 6;
/// Pods that a HorizontalPodAutoscaler selects.
const PODS_PER_APP: usize = 5;
/// Metrics that a HorizontalPodAutoscaler scales on.
const METRICS_PER_APP: usize = 2;
/// Series in one scrape, about.
pub(crate) const SERIES_PER_PART: usize = 20_000;
/// What every metric's name begins with.
pub(crate) const PREFIX: &str = "app_requests_rate_";

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 5 namespaces × 20 pods × 10 metrics
    Small,
    /// 50 namespaces × 40 pods × 40 metrics
    Medium,
    /// 100 namespaces × 100 pods × 20 metrics
    Large,
}

impl Size {
    /// What this size means.
    pub(crate) const fn shape(self) -> Shape {
        let (namespaces, pods, metrics) = match self {
            Self::Small => (5, 20, 10),
            Self::Medium => (50, 40, 40),
            Self::Large => (100, 100, 20),
        };
        Shape {
            namespaces,
            pods,
            metrics,
        }
    }

    /// The most that an idle adapter is to take, in MiB of resident memory.
    pub(crate) const fn idle_bound(self) -> f64 {
        match self {
            Self::Small => 20.0,
            Self::Medium => 40.0,
            Self::Large => 120.0,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        })
    }
}

/// Numbers of things; pods are per namespace, and every pod has every metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) namespaces: usize,
    pub(crate) pods: usize,
    pub(crate) metrics: usize,
}

/// One question of the HPA controller: a metric of the pods of one app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) namespace: usize,
    pub(crate) app: usize,
    pub(crate) metric: usize,
}

impl Shape {
    pub(crate) const fn series(self) -> usize {
        self.namespaces * self.pods * self.metrics
    }

    /// How often everything is scraped: more rarely what is in several parts.
    pub(crate) const fn scrape_interval(self) -> Duration {
        Duration::from_secs(if self.series() > SERIES_PER_PART {
            15
        } else {
            5
        })
    }

    /// Apps of a namespace.
    pub(crate) const fn apps(self) -> usize {
        self.pods / PODS_PER_APP
    }

    /// The pods of an app, by their numbers in the namespace.
    pub(crate) const fn members(self, app: usize) -> std::ops::Range<usize> {
        app * PODS_PER_APP..(app + 1) * PODS_PER_APP
    }

    /// The questions of one HPA for every app, the metrics of one HPA one after the other: HPA number
    /// `n` asks `METRICS_PER_APP` of them from `n * METRICS_PER_APP` on.
    pub(crate) fn questions(self) -> Vec<Question> {
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut questions = Vec::new();
        for namespace in 0..self.namespaces {
            for app in 0..self.apps() {
                let first = random.usize(0..self.metrics);
                for step in 0..METRICS_PER_APP {
                    questions.push(Question {
                        namespace,
                        app,
                        metric: (first + step * (self.metrics / METRICS_PER_APP)) % self.metrics,
                    });
                }
            }
        }
        questions
    }

    /// All HPAs: the questions of each.
    pub(crate) fn autoscalers(self) -> Vec<Vec<Question>> {
        let questions = self.questions();
        questions
            .chunks(METRICS_PER_APP)
            .map(<[Question]>::to_vec)
            .collect()
    }
}

pub(crate) fn namespace(number: usize) -> String {
    format!("team-{number:03}")
}

pub(crate) fn app(number: usize) -> String {
    format!("app-{number:02}")
}

pub(crate) fn metric(number: usize) -> String {
    format!("{PREFIX}{number:03}")
}

/// A pod's name, as long as a Deployment's pods have it.
pub(crate) fn pod(namespace: usize, number: usize) -> String {
    // Kubernetes' alphabet of generated names.
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let app = number / PODS_PER_APP;
    let draw = |seed: usize, length: usize| -> String {
        let mut random = fastrand::Rng::with_seed(SEED ^ (seed as u64) << 8);
        let mut letter = || char::from(ALPHABET[random.usize(0..ALPHABET.len())]);
        (0..length).map(|_| letter()).collect()
    };
    let set = draw(1 + namespace * 1000 + app, 10);
    let own = draw(1_000_001 + namespace * 1000 + number, 5);
    format!("{}-{set}-{own}", self::app(app))
}

/// The whole part of a pod's value of a metric, which stays.
pub(crate) const fn whole_value(namespace: usize, pod: usize, metric: usize) -> usize {
    1 + (namespace * 31 + pod * 17 + metric * 7) % 999
}

/// The seconds after which fractions repeat.
const CYCLE: i64 = 800;

/// The fraction of every value, in thousandths, which tells when it was scraped. It has three
/// digits at any time, so that the length of an answer does not change with it.
pub(crate) fn fraction(at: Timestamp) -> i64 {
    100 + at.as_second().rem_euclid(CYCLE)
}

/// How long ago a value was scraped that has this fraction, in seconds less than the cycle.
pub(crate) fn age(fraction: i64, now: Timestamp) -> i64 {
    (now.as_second() - (fraction - 100)).rem_euclid(CYCLE)
}

/// A value as the API writes it, in thousandths: a Quantity in its canonical form.
pub(crate) fn milli(quantity: &str) -> Option<i64> {
    match quantity.strip_suffix('m') {
        Some(milli) => milli.parse().ok(),
        None => quantity.parse::<i64>().ok()?.checked_mul(1000),
    }
}

impl Question {
    /// The HPA controller's path and query.
    pub(crate) fn path(&self) -> String {
        format!(
            "/apis/custom.metrics.k8s.io/v1beta1/namespaces/{}/pods/%2A/{}?labelSelector=app%3D{}",
            namespace(self.namespace),
            metric(self.metric),
            app(self.app),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn sizes_are_those_promised() {
        assert_eq!(Size::Small.shape().series(), 5 * 20 * 10);
        assert_eq!(Size::Medium.shape().series(), 50 * 40 * 40);
        assert_eq!(Size::Large.shape().series(), 200_000);
        assert_eq!(Size::Large.shape().autoscalers().len(), 2000);
    }

    #[test]
    fn every_pod_belongs_to_one_app() {
        for size in [Size::Small, Size::Medium, Size::Large] {
            let shape = size.shape();
            let pods: Vec<usize> = (0..shape.apps())
                .flat_map(|app| shape.members(app))
                .collect();
            assert_eq!(pods, (0..shape.pods).collect::<Vec<usize>>(), "{size}");
        }
    }

    #[test]
    fn names_differ_and_stay() {
        let names: BTreeSet<String> = (0..100)
            .flat_map(|space| (0..100).map(move |number| pod(space, number)))
            .collect();
        assert_eq!(names.len(), 10_000);
        assert_eq!(pod(3, 17), pod(3, 17));
        assert!(pod(3, 17).starts_with("app-03-"), "{}", pod(3, 17));
    }

    #[test]
    fn questions_are_the_same_in_every_run_and_an_hpas_metrics_differ() {
        let shape = Size::Large.shape();
        assert_eq!(shape.questions(), shape.questions());
        for asked in shape.autoscalers() {
            assert_eq!(asked.len(), METRICS_PER_APP);
            assert_ne!(asked[0].metric, asked[1].metric);
            assert_eq!(asked[0].app, asked[1].app);
        }
    }

    #[test]
    fn quantities_are_read() {
        assert_eq!(milli("0"), Some(0));
        assert_eq!(milli("1500m"), Some(1500));
        assert_eq!(milli("2"), Some(2000));
        assert_eq!(milli("2k"), None);
    }

    #[test]
    fn a_fraction_tells_its_age() {
        for second in [0, 799, 800, 1_767_225_600] {
            let at = Timestamp::from_second(second).expect("a time");
            let later = Timestamp::from_second(second + 7).expect("a time");
            assert!((100..1000).contains(&fraction(at)), "{second}");
            assert_eq!(age(fraction(at), later), 7, "{second}");
        }
    }
}
