//! Writes docs/flags.md to standard output; `make docs` calls it.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout()
        .lock()
        .write_all(metrics_adapter::cli::markdown().as_bytes())
}
