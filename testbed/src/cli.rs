//! What the user typed. The only reader of arguments and of the environment.

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum, builder::PossibleValuesParser};

use crate::{
    bench::{Part, Size},
    e2e, images,
};

/// A real one-node Kubernetes on this machine, without a Docker engine.
#[derive(Debug, Parser)]
#[command(name = "testbed", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Install the Debian packages that are missing, or say which they are
    Setup,
    /// Build Kubernetes, etcd, CoreDNS and Helm from their Go modules
    Build,
    /// Bring the cluster up; when it is up with other feature gates, restart what is given them
    Up {
        /// Given to every Kubernetes component, as KEY=true,…; none without the flag
        #[arg(long, value_name = "GATES")]
        feature_gates: Option<String>,
    },
    /// Take the cluster down and check that nothing is left
    Down,
    /// Show components, node and pods
    Status,
    /// Build images and import those that changed into the running cluster
    Images {
        /// All when none is given
        #[arg(value_name = "IMAGE", value_parser = PossibleValuesParser::new(images::KNOWN))]
        names: Vec<String>,
    },
    /// Run the end-to-end tests on the cluster, bringing it up and installing the stack first
    E2e {
        /// Only scenarios with this in their name; all when none is given
        #[arg(value_name = "FILTER", value_parser = scenario_filter)]
        filters: Vec<String>,
        /// Say which scenarios there are, and run none
        #[arg(long)]
        list: bool,
    },
    /// Run the demo: set up what is missing, raise the load in steps, watch, and report; ends with
    /// 0 when the goal was held and 3 when not
    Demo {
        /// Where report.html, summary.json and demo.svg go [default: target/demo]
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
        /// Clients of each step; each makes 10 requests/s
        #[arg(
            long,
            value_name = "COUNT,…",
            value_delimiter = ',',
            default_value = "1,6,10,17"
        )]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=30))]
        clients: Vec<u32>,
        /// What was done already, as NAME=SECONDS; the demo passes it to itself
        #[arg(long, value_name = "PHASE", hide = true)]
        phase: Vec<String>,
    },
    /// Run the demo of the instance pool: a fake Exoscale, real Prometheus and Alertmanager, no
    /// cluster; ends with 0 when the pool grew and shrank as it should and 3 when not
    DemoExoscale {
        /// Where report.txt, summary.json and demo.svg go [default: target/demo-exoscale]
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
    /// Run the demo of target tracking: Auto Scaling's arithmetic on real servers' CPU, time
    /// compressed, no cluster and no account; ends with 0 when the group grew and shrank as it
    /// should and 3 when not
    DemoAws {
        /// Where report.txt, summary.json and demo.svg go [default: target/demo-aws]
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
    /// Measure the adapter, beside what its TLS can do at best; `make bench` builds what it needs
    Bench {
        /// How much there is to be measured on; all for one after the other
        #[arg(long, value_enum, default_value = "small")]
        size: BenchSize,
        /// Callers at the same time
        #[arg(
            long,
            value_name = "COUNT,…",
            value_delimiter = ',',
            default_value = "5,64"
        )]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=512))]
        callers: Vec<u16>,
        /// Connections that the callers share; kube-aggregator has one
        #[arg(long, value_name = "COUNT", default_value = "1")]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=512))]
        connections: u16,
        /// Length of one window of load, in seconds
        #[arg(long, value_name = "SECONDS", default_value = "3")]
        #[arg(value_parser = clap::value_parser!(u64).range(1..=60))]
        window: u64,
        /// Windows of each kind
        #[arg(long, value_name = "COUNT", default_value = "5")]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
        rounds: u32,
        /// What to measure; everything by default
        #[arg(long, value_enum, value_name = "PART,…", value_delimiter = ',')]
        #[arg(default_value = "limit,aggregated,controller,start,relist")]
        parts: Vec<Part>,
        /// HPAs of the simulated controller, at most: all that there are at this size
        #[arg(long, value_name = "COUNT", default_value = "2000")]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=2000))]
        hpas: u16,
        /// Periods of 15 s of it that are measured, after three that are not
        #[arg(long, value_name = "COUNT", default_value = "3")]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=40))]
        periods: u32,
        /// Ask for protobuf, as the HPA controller can; JSON otherwise
        #[arg(long)]
        protobuf: bool,
        /// Another adapter than the one built beside this program
        #[arg(long, value_name = "FILE")]
        adapter: Option<PathBuf>,
        /// Where report.json goes [default: target/bench]
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
    /// Draw report.html and demo.svg again from a demo's summary.json
    Report {
        /// The summary; the others are written beside it
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
    },
    /// Run a command inside the cluster's network, with kubectl and helm ready for use
    Exec {
        /// The command and its arguments
        #[arg(required = true, last = true)]
        command: Vec<OsString>,
    },
    /// Open a shell inside the cluster's network, with kubectl and helm ready for use
    Shell,
}

/// A size, or all of them.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BenchSize {
    Small,
    Medium,
    Large,
    All,
}

impl BenchSize {
    /// The sizes that it stands for.
    pub(crate) fn sizes(self) -> Vec<Size> {
        match self {
            Self::Small => vec![Size::Small],
            Self::Medium => vec![Size::Medium],
            Self::Large => vec![Size::Large],
            Self::All => vec![Size::Small, Size::Medium, Size::Large],
        }
    }
}

fn scenario_filter(text: &str) -> Result<String, String> {
    if e2e::matches_any(text) {
        Ok(text.to_owned())
    } else {
        Err("no scenario has this in its name; --list says which there are".to_owned())
    }
}

/// A variable of the environment.
#[allow(
    clippy::disallowed_methods,
    reason = "the environment is read here and nowhere else"
)]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_line_is_passed_on_unread() {
        let cli = Cli::try_parse_from(["testbed", "exec", "--", "kubectl", "get", "-h"]);
        let Action::Exec { command } = cli.expect("parses").command else {
            panic!("not exec");
        };
        assert_eq!(command, ["kubectl", "get", "-h"]);
    }
}
