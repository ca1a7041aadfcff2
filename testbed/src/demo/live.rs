//! The demo while it runs: looks, decides, acts, shows. Law: whoever leaves it, leaves no load
//! behind; [`Load`] sees to that.

use std::time::Duration;

use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    api::{Api, prometheus_url},
    course::{Action, Course, Stage},
    look,
    measure::Made,
    plan::{GOAL, HOLD, offered},
    screen::{Screen, View},
};
use crate::{
    error::Result,
    report::{Event, Sample, Verdict},
    stack::{CLIENT, NAMESPACE, Stack},
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// How often stopping the load is tried.
const ATTEMPTS: u32 = 3;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) started: jiff::Timestamp,
    pub(super) samples: Vec<Sample>,
    pub(super) events: Vec<Event>,
    pub(super) made: Vec<Made>,
    pub(super) verdict: Option<Verdict>,
    /// When it was asked for.
    pub(super) judged: Option<f64>,
}

/// Stops the load when it is dropped, whatever happened.
#[derive(Debug)]
pub(super) struct Load<'a>(pub(super) &'a Stack);

impl Drop for Load<'_> {
    fn drop(&mut self) {
        // A second Ctrl-C ends kubectl, which is in the terminal's foreground too.
        let mut result = self.0.stop_load();
        for _ in 1..ATTEMPTS {
            if result.is_err() {
                result = self.0.stop_load();
            }
        }
        if let Err(error) = result {
            crate::progress::say(&format!("the load may still run: {error}"));
        }
    }
}

/// Watches from the first step, whose clients run already, to the end.
pub(super) async fn watch(api: &Api, stack: &Stack, clients: &[u32]) -> Result<Seen> {
    let mut screen = Screen::new();
    let mut course = Course::new(clients.to_vec());
    let begun = Instant::now();
    let mut seen = Seen {
        started: jiff::Timestamp::now(),
        made: vec![mk_made(course.clients(), 0.0)],
        ..Seen::default()
    };
    let mut names = Vec::new();
    let mut judgement: Option<JoinHandle<std::result::Result<Verdict, String>>> = None;
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let t = begun.elapsed().as_secs_f64();
        let answers = api.look().await;
        let sample = look::sample(t, offered(course.clients()), &answers);
        seen.samples.push(sample);
        for (name, event) in look::events(&answers, seen.started) {
            if event.t >= -1.0 && !names.contains(&name) {
                names.push(name);
                seen.events.push(event);
            }
        }
        let mut action = course.observe(&sample);
        if judgement.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(judgement) = judgement.take()
        {
            let verdict = judgement.await.map_err(|error| error.to_string());
            match verdict.flatten() {
                Ok(verdict) => {
                    action = course.judged(verdict.held, sample.t);
                    seen.verdict = Some(verdict);
                }
                Err(error) => {
                    action = course.judged(false, sample.t);
                    screen.say(&format!("no verdict yet: {error}"));
                }
            }
        }
        match action {
            Action::Judge if judgement.is_none() => {
                let stack = stack.clone();
                seen.judged = Some(sample.t);
                judgement = Some(tokio::task::spawn_blocking(move || judge(&stack)));
            }
            Action::Judge | Action::Wait => {}
            Action::Clients(clients) => {
                api.scale_clients(clients).await?;
                if let Some(last) = seen.samples.last_mut() {
                    last.offered = offered(clients);
                }
                seen.made.push(mk_made(clients, sample.t));
            }
            Action::End => break,
        }
        screen.show(&View {
            stage: title(&course, clients.len(), sample.t),
            held: course.held(sample.t),
            samples: &seen.samples,
            events: &seen.events,
        });
    }
    for (made, settled) in seen.made.iter_mut().zip(course.settled()) {
        made.settled = *settled;
    }
    screen.say("");
    Ok(seen)
}

fn mk_made(clients: u32, start: f64) -> Made {
    Made {
        clients,
        start,
        settled: None,
    }
}

fn title(course: &Course, steps: usize, now: f64) -> String {
    let offered = offered(course.clients());
    let what = match course.stage() {
        Stage::Load(step) => format!("step {} of {steps}: {offered} requests/s", step + 1),
        Stage::Hold => format!("holding {offered} requests/s"),
        Stage::Stopped => "load stopped".to_owned(),
    };
    format!("{what}, {:.0} s", now - course.since())
}

/// Asks the image's own program, in a pod of the cluster, and takes its word.
fn judge(stack: &Stack) -> std::result::Result<Verdict, String> {
    let deployment = format!("deployment/{CLIENT}");
    let (url, window) = (prometheus_url(), format!("{}s", HOLD.as_secs()));
    let (rps, mean) = (GOAL.min_rps.to_string(), GOAL.max_mean_ms.to_string());
    let mut args = vec![
        "exec",
        "-n",
        NAMESPACE,
        &deployment,
        "--",
        "/loadclient",
        "verify",
    ];
    args.extend(["--prometheus-url", &url, "--window", &window]);
    args.extend([
        "--min-rps",
        &rps,
        "--max-mean-ms",
        &mean,
        "--output",
        "json",
    ]);
    let output = stack.cluster().kubectl(args).map_err(|it| it.to_string())?;
    // A negative verdict is a failure of the program, but it is a verdict.
    serde_json::from_str(&output.stdout).map_err(|_| {
        let said = output.checked().err();
        said.map_or("no JSON".to_owned(), |error| error.to_string())
    })
}

/// Waits for a request to stop.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = async |kind: SignalKind| match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}
