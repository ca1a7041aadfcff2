//! Limits that prometheus-adapter does not have.

use std::time::Duration;

use super::super::value;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(in super::super) struct LimitFlags {
    /// Deadline of one query; the HPA waits for at most 10 s.
    #[arg(long, value_name = "DURATION", default_value = "8s", value_parser = value::duration)]
    pub(in super::super) prometheus_timeout: Duration,

    /// How many queries may run at once.
    #[arg(long, value_name = "N", default_value = "20", value_parser = value::count)]
    pub(in super::super) prometheus_max_concurrency: u16,

    /// Longest query, in bytes; a longer one is refused instead of sent. 0 for no limit, which is
    /// Prometheus' own; some backends refuse 16384 bytes.
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = value::limit)]
    pub(in super::super) prometheus_max_query_length: u32,
}
