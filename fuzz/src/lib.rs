//! What strangers send, made worse: a target takes any bytes and panics when a law is broken.
//!
//! `cargo test` runs every target on its seeds and on some hundred damaged ones, always the same
//! (`tests/short.rs`); `make fuzz` runs them for as long as one likes, guided by coverage. What a
//! long run finds becomes a file in `corpus/<target>/`, which every run begins with.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a target fails by panicking"
)]

mod accept;
mod access;
mod answer;
mod autoscaler;
mod caller;
mod command_line;
mod duration;
mod encoding;
mod flaky;
mod kubeconfig;
mod load;
mod pool;
mod probe;
mod quantity;
mod rules_file;
mod seed;
mod selector;
mod stage;
mod template;

/// Something that reads what others write.
#[derive(Debug)]
pub struct Target {
    /// What it is called in `make fuzz TARGET=` and in `corpus/`.
    pub name: &'static str,
    /// Panics when the input breaks a law.
    pub run: fn(&[u8]),
    /// Inputs to begin with: such as people write, and the golden vectors.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Pieces that mean something to the target.
    pub words: &'static [&'static str],
    /// Damaged inputs in the short run: as many as take about a second in a debug build.
    pub cases: usize,
}

/// All of them.
pub const TARGETS: [&Target; 17] = [
    &accept::TARGET,
    &access::TARGET,
    &answer::TARGET,
    &autoscaler::TARGET,
    &caller::TARGET,
    &command_line::TARGET,
    &duration::TARGET,
    &encoding::TARGET,
    &flaky::TARGET,
    &kubeconfig::TARGET,
    &load::TARGET,
    &pool::TARGET,
    &probe::TARGET,
    &quantity::TARGET,
    &rules_file::TARGET,
    &selector::TARGET,
    &template::TARGET,
];

/// The target of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

impl Target {
    /// Seeds, and everything that was ever found.
    #[must_use]
    pub fn inputs(&self) -> Vec<Vec<u8>> {
        let mut inputs = seed::found(self.name);
        inputs.extend((self.seeds)());
        inputs
    }
}
