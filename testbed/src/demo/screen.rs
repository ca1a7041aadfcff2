//! What is shown while the demo runs: a table that is drawn over itself on a terminal, a line every
//! few seconds otherwise. Law: what is shown is pure text from a [`View`]; only [`Screen`] writes.

use std::io::{IsTerminal, Write};

use super::plan::{GOAL, HOLD, TARGET};
use crate::{
    cli,
    report::{Event, Sample},
};

/// Between two lines when nobody watches a terminal, in seconds.
const LINE_EVERY: f64 = 5.0;
/// How many seconds a sparkline shows, and in how many characters.
const SPARK_SECONDS: f64 = 120.0;
const SPARK_WIDTH: u32 = 30;
/// How many events the table shows.
const EVENTS: usize = 4;

/// What there is to show.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// What is going on.
    pub(super) stage: String,
    /// How long the goal is held already, in seconds.
    pub(super) held: Option<f64>,
    pub(super) samples: &'a [Sample],
    pub(super) events: &'a [Event],
}

/// Where it is shown.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: bool,
    colour: bool,
    /// Lines of the table that stand there already.
    drawn: usize,
    /// When the last plain line was written, and how many events were told.
    last: f64,
    told: usize,
}

impl Screen {
    pub(super) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            terminal,
            colour: terminal && cli::variable("NO_COLOR").is_none_or(|it| it.is_empty()),
            drawn: 0,
            last: f64::NEG_INFINITY,
            told: 0,
        }
    }

    /// Shows a view.
    pub(super) fn show(&mut self, view: &View<'_>) {
        if self.terminal {
            self.draw(view);
        } else {
            self.tell(view);
        }
    }

    /// A line that stays.
    pub(super) fn say(&mut self, line: &str) {
        self.drawn = 0;
        write(&format!("{line}\n"));
    }

    fn draw(&mut self, view: &View<'_>) {
        let width = rustix::termios::tcgetwinsize(std::io::stderr())
            .map_or(80, |size| usize::from(size.ws_col).max(40));
        let lines = table(view, self.colour);
        let mut text = String::new();
        if self.drawn > 0 {
            text += &format!("\x1b[{}A", self.drawn);
        }
        for line in &lines {
            text += &format!("\r{}\x1b[K\n", cut(line, width));
        }
        text += "\x1b[J";
        self.drawn = lines.len();
        write(&text);
    }

    fn tell(&mut self, view: &View<'_>) {
        for event in view.events.iter().skip(self.told) {
            write(&format!("        {}\n", event_line(event)));
        }
        self.told = view.events.len();
        let Some(sample) = view.samples.last() else {
            return;
        };
        if sample.t - self.last >= LINE_EVERY {
            self.last = sample.t;
            write(&format!("{}\n", plain(view, sample)));
        }
    }
}

/// A closed standard error must not end the demo while the load runs.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// Minutes and seconds.
fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).floor();
    let minutes = (whole / 60.0).floor();
    format!("{minutes}:{:02}", whole - minutes * 60.0)
}

fn value(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn pods(value: Option<u32>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn event_line(event: &Event) -> String {
    // The metrics' common prefix would push what matters off the line.
    let message = event
        .message
        .replace("travelaudience_gserver_operations_", "…");
    format!("{:>5}  {}: {message}", clock(event.t), event.reason)
}

/// One moment in one line.
fn plain(view: &View<'_>, sample: &Sample) -> String {
    format!(
        "{:>5}  {:<34} {:>6} requests/s  {:>4} ms  metric {:>5} of {}  pods {} wanted, {} current, {} ready  missed {}",
        clock(sample.t),
        view.stage,
        value(sample.rps, 1),
        value(sample.mean.map(|mean| mean * 1e3), 0),
        value(sample.metric, 1),
        TARGET.rps_per_pod,
        pods(sample.desired),
        pods(sample.current),
        pods(sample.ready),
        value(sample.missed, 0),
    )
}

/// The table.
fn table(view: &View<'_>, colour: bool) -> Vec<String> {
    let now = view.samples.last().copied().unwrap_or_default();
    let paint = |code: &str, text: &str| {
        if colour && !code.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let judged = |good: Option<bool>| match good {
        Some(true) => "32",
        Some(false) => "33",
        None => "2",
    };
    let row = |name: &str, code: &str, text: String, spark: String, note: String| {
        format!(
            "  {name:<18}{} {} {}",
            paint(code, &format!("{text:>9}")),
            paint("36", &spark),
            paint("2", &note)
        )
    };
    let spark = |of: fn(&Sample) -> Option<f64>| sparkline(view.samples, now.t, of);
    let mean = now.mean.map(|mean| mean * 1e3);
    let held = view.held.map_or_else(
        || "goal not held".to_owned(),
        |it| format!("goal held for {it:.0} of {} s", HOLD.as_secs()),
    );
    let mut lines = vec![
        String::new(),
        format!(
            "  {}  {}   {}",
            paint("1", &clock(now.t)),
            paint("1", &view.stage),
            paint(judged(Some(view.held.is_some())), &held)
        ),
        String::new(),
        row(
            "requests/s",
            judged(now.rps.map(|it| it >= 0.95 * now.offered)),
            value(now.rps, 1),
            spark(|it| it.rps),
            format!("offered {}, goal at least {}", now.offered, GOAL.min_rps),
        ),
        row(
            "mean latency",
            judged(mean.map(|it| it < GOAL.max_mean_ms)),
            format!("{} ms", value(mean, 0)),
            spark(|it| it.mean),
            format!("goal below {} ms", GOAL.max_mean_ms),
        ),
        row(
            "metric per pod",
            judged(now.metric.map(|it| it <= TARGET.rps_per_pod * 1.1)),
            value(now.metric, 1),
            spark(|it| it.metric),
            format!(
                "target {}, the HPA has read {}",
                TARGET.rps_per_pod,
                value(now.seen, 1)
            ),
        ),
        row(
            "pods ready",
            judged(now.ready.map(|_| now.ready == now.desired)),
            pods(now.ready),
            spark(|it| it.ready.map(f64::from)),
            format!(
                "{} wanted, {} current",
                pods(now.desired),
                pods(now.current)
            ),
        ),
        row(
            "clients",
            "",
            pods(now.clients),
            spark(|it| it.clients.map(f64::from)),
            format!(
                "{} slots missed, {} requests failed",
                value(now.missed, 0),
                value(now.failed, 0)
            ),
        ),
        String::new(),
    ];
    let first = view.events.len().saturating_sub(EVENTS);
    for event in &view.events[first..] {
        let code = if event.warning { "33" } else { "35" };
        lines.push(format!("  {}", paint(code, &event_line(event))));
    }
    lines
}

/// The last minutes of a value in small bars, the newest to the right.
fn sparkline(samples: &[Sample], now: f64, of: fn(&Sample) -> Option<f64>) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let width = SPARK_SECONDS / f64::from(SPARK_WIDTH);
    let cells: Vec<Option<f64>> = (0..SPARK_WIDTH)
        .map(|cell| {
            let end = now - f64::from(SPARK_WIDTH - 1 - cell) * width;
            let within = samples
                .iter()
                .filter(|it| it.t > end - width && it.t <= end);
            within
                .filter_map(of)
                .filter(|it| it.is_finite())
                .reduce(f64::max)
        })
        .collect();
    let most = cells.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |value: f64| {
        let level = BARS
            .iter()
            .zip(1u32..)
            .find(|(_, level)| value * 8.0 <= most * f64::from(*level));
        level.map_or(BARS[0], |(bar, _)| *bar)
    };
    cells
        .into_iter()
        .map(|cell| cell.map_or(' ', bar))
        .collect()
}

/// The first characters of a line, not counting the colours between them.
fn cut(line: &str, width: usize) -> String {
    let mut shown = 0;
    let mut escape = false;
    let mut cut = String::new();
    for character in line.chars() {
        match character {
            '\x1b' => escape = true,
            'm' if escape => escape = false,
            _ if escape => {}
            _ => {
                shown += 1;
                if shown > width {
                    continue;
                }
            }
        }
        if shown <= width || escape || character == 'm' {
            cut.push(character);
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_samples() -> Vec<Sample> {
        (0..=120u32)
            .map(|second| Sample {
                t: f64::from(second),
                offered: 110.0,
                rps: Some(f64::from(second)),
                mean: Some(0.052),
                metric: Some(40.0),
                seen: None,
                desired: Some(4),
                current: Some(3),
                ready: Some(3),
                clients: Some(11),
                failed: Some(0.0),
                missed: Some(7.0),
            })
            .collect()
    }

    fn mk_event() -> Event {
        Event {
            t: 65.0,
            reason: "SuccessfulRescale".into(),
            message: "New size: 4".into(),
            warning: false,
        }
    }

    #[test]
    fn the_table_shows_every_value_beside_what_it_should_be() {
        let (samples, events) = (mk_samples(), [mk_event()]);
        let view = View {
            stage: "step 3 of 4: 110/s".into(),
            held: None,
            samples: &samples,
            events: &events,
        };
        let lines = table(&view, false);
        let text = lines.join("\n");
        for part in [
            "2:00  step 3 of 4: 110/s   goal not held",
            "offered 110, goal at least 150",
            "    52 ms",
            "target 35, the HPA has read -",
            "4 wanted, 3 current",
            "7 slots missed, 0 requests failed",
            " 1:05  SuccessfulRescale: New size: 4",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains('\x1b'), "no colours were asked for");
        assert!(table(&view, true).join("").contains("\x1b[33m"));
    }

    #[test]
    fn before_the_first_sample_there_is_a_table_too() {
        let view = View {
            stage: "start".into(),
            held: None,
            samples: &[],
            events: &[],
        };
        assert!(table(&view, false).join("").contains('-'));
    }

    #[test]
    fn a_sparkline_grows_with_its_values() {
        let line = sparkline(&mk_samples(), 120.0, |it| it.rps);
        assert_eq!(line.chars().count(), 30);
        assert!(line.starts_with('▁') && line.ends_with('█'), "{line}");
        assert_eq!(sparkline(&[], 0.0, |it| it.rps).trim(), "");
        let flat = sparkline(&mk_samples(), 120.0, |_| Some(0.0));
        assert_eq!(flat.trim_matches('▁'), "", "zero is the lowest bar");
    }

    #[test]
    fn a_long_line_is_cut_between_colours() {
        assert_eq!(cut("\x1b[1mabc\x1b[0mdef", 4), "\x1b[1mabc\x1b[0md");
        assert_eq!(cut("\x1b[1mabcdef\x1b[0m", 2), "\x1b[1mab\x1b[0m");
        assert_eq!(cut("mam", 9), "mam");
    }

    #[test]
    fn a_moment_fits_in_a_line() {
        let samples = mk_samples();
        let view = View {
            stage: "110/s".into(),
            held: None,
            samples: &samples,
            events: &[],
        };
        let line = plain(&view, samples.last().unwrap());
        assert!(line.starts_with(" 2:00  110/s "), "{line}");
        assert!(
            line.ends_with("pods 4 wanted, 3 current, 3 ready  missed 7"),
            "{line}"
        );
    }
}
