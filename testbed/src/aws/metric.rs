//! From counters of CPU time to CloudWatch's data points: of each instance the usage between two
//! looks, of the group the average over the instances that are warm.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::plan::WARMUP;

/// CPU time so far, in seconds of the instance.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Time {
    /// Of which nothing was done.
    pub(super) idle: f64,
    pub(super) total: f64,
}

/// What the instances had at the last data point, by address.
#[derive(Debug, Default)]
pub(super) struct Usage(BTreeMap<String, (Instant, Time)>);

/// A data point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Average CPU usage, 0 to 1.
    pub(super) cpu: f64,
    /// Over how many instances.
    pub(super) warm: u32,
}

impl Usage {
    /// The data point that ends now, with everybody's counters; none if nobody is warm.
    pub(super) fn point(&mut self, now: Instant, times: &BTreeMap<String, Time>) -> Option<Point> {
        let mut shares = Vec::new();
        self.0.retain(|instance, _| times.contains_key(instance));
        for (instance, time) in times {
            let (since, before) = self.0.entry(instance.clone()).or_insert((now, *time));
            let passed = time.total - before.total;
            if now - *since >= WARMUP && passed > 0.0 {
                shares.push(1.0 - (time.idle - before.idle) / passed);
            }
            *before = *time;
        }
        let warm = u32::try_from(shares.len()).ok()?;
        let cpu = shares.iter().sum::<f64>() / f64::from(warm);
        (warm > 0).then_some(Point { cpu, warm })
    }
}

/// The counters in a node exporter's text.
pub(super) fn parse(text: &str) -> Time {
    let mut time = Time::default();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("node_cpu_seconds_total{") else {
            continue;
        };
        let seconds: f64 = rest
            .rsplit(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or_default();
        time.total += seconds;
        if rest.contains("mode=\"idle\"") {
            time.idle += seconds;
        }
    }
    time
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn mk_times(times: &[(&str, f64, f64)]) -> BTreeMap<String, Time> {
        let time = |(name, idle, total): &(&str, f64, f64)| {
            let time = Time {
                idle: *idle,
                total: *total,
            };
            ((*name).to_owned(), time)
        };
        times.iter().map(time).collect()
    }

    #[test]
    fn only_the_warm_count_and_the_gone_are_forgotten() {
        let mut usage = Usage::default();
        let begun = Instant::now();
        assert_eq!(usage.point(begun, &mk_times(&[("a", 0.0, 0.0)])), None);
        let point = |usage: &mut Usage, after: Duration, times: &[(&str, f64, f64)]| {
            usage
                .point(begun + after, &mk_times(times))
                .map(|it| ((it.cpu * 100.0).round(), it.warm))
        };
        let (one, two) = (WARMUP, WARMUP + Duration::from_secs(1));
        assert_eq!(
            point(&mut usage, one, &[("a", 1.0, 4.0), ("b", 0.0, 0.0)]),
            Some((75.0, 1))
        );
        assert_eq!(
            point(&mut usage, two, &[("a", 3.0, 8.0), ("b", 4.0, 4.0)]),
            Some((50.0, 1)),
            "b is still warming up"
        );
        assert_eq!(
            point(
                &mut usage,
                two + WARMUP,
                &[("a", 5.0, 12.0), ("b", 8.0, 8.0)]
            ),
            Some((25.0, 2))
        );
        assert_eq!(
            point(&mut usage, two + WARMUP * 2, &[("b", 12.0, 12.0)]),
            Some((0.0, 1))
        );
        assert_eq!(point(&mut usage, two + WARMUP * 3, &[]), None);
    }

    #[test]
    fn counters_are_told_apart_by_mode() {
        let text = "# TYPE node_cpu_seconds_total counter\n\
                    node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 5.5\n\
                    node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"} 0.5\n\
                    node_cpu_seconds_total{cpu=\"0\",mode=\"system\"} 1\n\
                    node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 2\n";
        let expected = Time {
            idle: 5.5,
            total: 9.0,
        };
        assert_eq!(parse(text), expected);
        assert_eq!(parse("up 1\n"), Time::default());
    }
}
