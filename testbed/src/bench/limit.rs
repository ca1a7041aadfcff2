//! The adapter beside what its TLS can do at best: windows of load on the one and the other, turn
//! about, so that whatever else happens on the machine happens to both.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Options,
    check::MAX_STALENESS,
    connection::Endpoint,
    error::Result,
    load::{Load, Prepared, Target},
    plan::Question,
    stage::{Places, Programs, front_proxy_headers},
    statistic::{Spread, ratio},
    window::{Processes, Window, measure},
};
use crate::{child::Child, progress::say};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    /// The adapter, asked as kube-aggregator asks it.
    Adapter,
    /// The same TLS and the same bytes, by a minimal server of axum.
    StaticLimit,
    /// Likewise, on the adapter's own listener: what that costs.
    StaticListener,
}

impl Who {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Adapter => "adapter",
            Self::StaticLimit => "static limit",
            Self::StaticListener => "static, our listener",
        }
    }
}

/// All windows of one number of callers.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) callers: usize,
    pub(crate) windows: BTreeMap<Who, Vec<Window>>,
    pub(crate) ratio: Ratios,
}

/// The adapter compared with the static limit's next window.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Ratios {
    /// Requests per second, as a part of the limit's.
    pub(crate) rate: Spread,
    /// p99 beyond the limit's, in milliseconds.
    pub(crate) p99_beyond_ms: Spread,
    /// CPU per request, as a multiple of the limit's.
    pub(crate) cpu: Spread,
    /// Requests per second of the server's CPU, as a part of the limit's: what the rates would be if
    /// nothing else, the generator above all, wanted the same cores.
    pub(crate) rate_of_cpu: Spread,
    /// Requests per second, as a part of the fixed answer's on the adapter's own listener.
    pub(crate) rate_of_listener: Spread,
}

/// The three, running and ready to be asked.
pub(crate) struct Contest {
    targets: BTreeMap<Who, Target>,
    /// Whose time is taken in every window, whoever is asked: what an adapter does besides costs
    /// the others' windows too.
    processes: Processes,
    /// End with the contest.
    _limits: [Child; 2],
}

impl Contest {
    /// Starts the two that answer fixed bytes: those of one of the adapter's own answers.
    pub(crate) async fn start(
        places: &Places,
        programs: &Programs,
        adapter: Target,
        mut processes: Processes,
        questions: &[Question],
        media_type: &'static str,
    ) -> Result<Self> {
        let body = adapter.sample().await?;
        let file = places.dir.join("answer");
        std::fs::write(&file, &body).map_err(crate::Error::file("write", file))?;
        let listener = places.start_limit(programs, media_type, false).await?;
        let bare = places.start_limit(programs, media_type, true).await?;
        let fixed = |address| -> Result<Target> {
            let endpoint: Endpoint = adapter.endpoint.at(address);
            Ok(Target {
                questions: Prepared::fixed(&endpoint, questions, body.len())?,
                endpoint,
                headers: front_proxy_headers(media_type),
            })
        };
        let targets = BTreeMap::from([
            (Who::StaticLimit, fixed(places.bare)?),
            (Who::StaticListener, fixed(places.limit)?),
            (Who::Adapter, adapter),
        ]);
        processes.push((Who::StaticLimit.name(), bare.id()));
        processes.push((Who::StaticListener.name(), listener.id()));
        Ok(Self {
            targets,
            processes,
            _limits: [listener, bare],
        })
    }

    /// Windows in turn, several rounds, each of which begins with another one.
    pub(crate) async fn compare(&self, options: &Options, callers: usize) -> Result<Comparison> {
        let load = Load {
            callers,
            connections: options.connections,
            duration: options.window,
        };
        let mut windows: BTreeMap<Who, Vec<Window>> = BTreeMap::new();
        for round in 1..=options.rounds {
            let mut line = format!("  {callers:>3} callers, round {round}:");
            for (who, target) in turns(&self.targets, round) {
                if who == Who::Adapter {
                    // Its answers have become too old while the others were asked: what is compared
                    // is an adapter that is asked all the time.
                    let lead = Load {
                        duration: MAX_STALENESS,
                        ..load
                    };
                    target.load(lead).await?;
                }
                let window = measure(target, load, &self.processes).await?;
                line.push_str(&format!(
                    "  {} {:.0}/s",
                    who.name(),
                    window.requests_per_second
                ));
                windows.entry(who).or_default().push(window);
            }
            say(&line);
        }
        let ratio = Ratios::of(&windows);
        Ok(Comparison {
            callers,
            windows,
            ratio,
        })
    }
}

/// The order of a round.
fn turns<K: Copy, V>(all: &BTreeMap<K, V>, round: u32) -> impl Iterator<Item = (K, &V)> {
    let first = round as usize % all.len().max(1);
    let turns = all.iter().cycle().skip(first).take(all.len());
    turns.map(|(who, target)| (*who, target))
}

impl Ratios {
    fn of(windows: &BTreeMap<Who, Vec<Window>>) -> Self {
        let all = |who: Who, value: &dyn Fn(Who, &Window) -> f64| -> Vec<f64> {
            windows
                .get(&who)
                .map(|windows| windows.iter().map(|one| value(who, one)).collect())
                .unwrap_or_default()
        };
        let compare = |with: Who, value: &dyn Fn(Who, &Window) -> f64, how: fn(f64, f64) -> f64| {
            Spread::paired(&all(Who::Adapter, value), &all(with, value), how)
        };
        let rate = |_: Who, window: &Window| window.requests_per_second;
        let p99 = |_: Who, window: &Window| window.p99_ms;
        // Of the server that was asked in this window.
        let cpu = |who: Who, window: &Window| {
            let cpu = window.cpu_per_1000.get(who.name());
            cpu.copied().unwrap_or_default()
        };
        Self {
            rate: compare(Who::StaticLimit, &rate, ratio),
            p99_beyond_ms: compare(Who::StaticLimit, &p99, |ours, theirs| ours - theirs),
            cpu: compare(Who::StaticLimit, &cpu, ratio),
            rate_of_cpu: compare(Who::StaticLimit, &cpu, |ours, theirs| ratio(theirs, ours)),
            rate_of_listener: compare(Who::StaticListener, &rate, ratio),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(name: &'static str, rate: f64, p99: f64, cpu: f64) -> Window {
        Window {
            requests: 1000,
            requests_per_second: rate,
            p50_ms: 0.5,
            p99_ms: p99,
            cpu_per_1000: BTreeMap::from([("adapter", 9.0), ("prometheus", 7.0), (name, cpu)]),
            generator_cores: 0.5,
        }
    }

    #[test]
    fn the_adapter_is_compared_with_its_neighbour() {
        let of = |who: Who, rate, p99, cpu| (who, vec![window(who.name(), rate, p99, cpu)]);
        let windows = BTreeMap::from([
            of(Who::Adapter, 800.0, 3.0, 0.06),
            of(Who::StaticLimit, 1000.0, 2.0, 0.04),
            of(Who::StaticListener, 900.0, 2.0, 0.05),
        ]);
        let ratio = Ratios::of(&windows);
        assert!((ratio.rate.median - 0.8).abs() < 1e-9);
        assert!((ratio.p99_beyond_ms.median - 1.0).abs() < 1e-9);
        assert!((ratio.cpu.median - 1.5).abs() < 1e-9);
        assert!((ratio.rate_of_cpu.median - 1.0 / 1.5).abs() < 1e-9);
        assert!((ratio.rate_of_listener.median - 800.0 / 900.0).abs() < 1e-9);
    }

    #[test]
    fn every_round_begins_with_another_one() {
        let all = BTreeMap::from([(1, ()), (2, ()), (3, ())]);
        let order = |round| turns(&all, round).map(|(who, ())| who).collect::<Vec<_>>();
        let rounds = [order(1), order(2), order(3), order(4)];
        assert_eq!(rounds, [[2, 3, 1], [3, 1, 2], [1, 2, 3], [2, 3, 1]]);
    }
}
