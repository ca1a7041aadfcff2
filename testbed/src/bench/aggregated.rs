//! The adapter through kube-apiserver's aggregation layer, as every client but this bench asks it.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    Options,
    error::{Error, Result},
    load::{Load, Target},
    window::{Processes, Window, measure as window},
};
use crate::progress::say;

/// kube-apiserver looks whether an API is available every 30 s at the latest.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(200);
/// Callers that ask everything once before the first window.
const WARM_UP_CALLERS: usize = 4;

/// The windows of one number of callers.
#[derive(Debug, Serialize)]
pub(crate) struct Aggregated {
    pub(crate) callers: usize,
    pub(crate) windows: Vec<Window>,
}

/// What a client sends itself: kube-apiserver adds who it is.
pub(crate) fn headers(media_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(media_type))])
}

/// Waits until kube-apiserver serves the API, and measures.
pub(crate) async fn measure(
    target: &Target,
    processes: &Processes,
    options: &Options,
) -> Result<Vec<Aggregated>> {
    let begun = Instant::now();
    while let Err(error) = target.sample().await {
        if begun.elapsed() > PATIENCE {
            return Err(Error::failed("the API through kube-apiserver", error));
        }
        sleep(PAUSE).await;
    }
    target.ask_all(WARM_UP_CALLERS).await?;
    let mut measured = Vec::new();
    for callers in &options.callers {
        let load = Load {
            callers: *callers,
            connections: options.connections,
            duration: options.window,
        };
        let mut windows = Vec::new();
        for _ in 0..options.rounds {
            windows.push(window(target, load, processes).await?);
        }
        let rates = windows.iter().map(|one| one.requests_per_second);
        let rates: Vec<String> = rates.map(|rate| format!("{rate:.0}/s")).collect();
        say(&format!("  {callers:>3} callers: {}", rates.join(" ")));
        measured.push(Aggregated {
            callers: *callers,
            windows,
        });
    }
    Ok(measured)
}
