//! The rules file and the list of metrics.

use std::path::PathBuf;
use std::time::Duration;

use super::super::value;
use crate::discovery::Listing;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Metrics")]
pub(in super::super) struct RulesFlags {
    /// The rules file, in prometheus-adapter's format; required. Read again when it changes.
    #[arg(long, value_name = "FILE")]
    pub(in super::super) config: PathBuf,

    /// How often to ask Prometheus which series there are; 1s or more.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = value::duration)]
    pub(in super::super) metrics_relist_interval: Duration,

    /// List series that had samples within this time; 0 for the relist interval.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = value::duration)]
    pub(in super::super) metrics_max_age: Duration,

    /// How old an answer of Prometheus may be when a value is made of it; 0 asks at every request.
    /// A rule's maxStaleness goes first.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = value::duration)]
    pub(in super::super) metrics_max_staleness: Duration,

    /// What discovery names: full for every metric, compact for the same one entry per API
    /// whatever the number of metrics. Values are served all the same.
    #[arg(long, value_name = "FORM", default_value = "full", value_parser = value::listing)]
    pub(in super::super) discovery: Listing,
}
