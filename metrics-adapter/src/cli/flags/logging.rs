//! What is logged, and how.

use telemetry::log;

use super::super::value::{self, ModuleLevels};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logging")]
pub(in super::super) struct LoggingFlags {
    /// Verbosity, klog's numbers: up to 4 is info, up to 7 debug, above it trace.
    #[arg(short, long, value_name = "LEVEL", default_value = "0", value_parser = value::level)]
    pub(in super::super) v: i32,

    /// Verbosity of single modules, such as auth=6,serving=9; * and ? may stand for letters.
    #[arg(long, value_name = "PATTERN=LEVEL,...", default_value = "")]
    #[arg(value_parser = value::module_levels)]
    pub(in super::super) vmodule: ModuleLevels,

    /// Shape of the log lines: text or json.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(in super::super) log_format: log::Format,
}
