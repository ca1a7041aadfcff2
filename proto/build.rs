//! Generates the gRPC code from `proto/` with a compiler written in Rust, so that nothing needs
//! to be installed.

use std::error::Error;
use std::path::PathBuf;

use prost::Message as _;

const ROOT: &str = "proto";
const FILE: &str = "proto/travelaudience/gserver/v1/operations.proto";

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile([FILE], [ROOT])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    std::fs::write(out.join("operations.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    // Cargo would watch the whole package otherwise.
    let watch = [ROOT, "build.rs"].map(|path| format!("cargo::rerun-if-changed={path}"));
    std::io::Write::write_all(&mut std::io::stdout(), (watch.join("\n") + "\n").as_bytes())?;
    Ok(())
}
