//! Brings a real one-node Kubernetes up and down on this machine. See the library's documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    testbed::app::main()
}
