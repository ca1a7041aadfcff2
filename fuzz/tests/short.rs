//! Every target on its seeds and on damaged ones: the same bytes at every run, in a few seconds.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use fuzz::{TARGETS, Target, find};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Longer ones only cost time; depth and size have seeds of their own.
const LONGEST: usize = 4096;

#[derive(Clone, Debug)]
enum Damage {
    Insert(Index, Vec<u8>),
    Overwrite(Index, Vec<u8>),
    Remove(Index, usize),
    Double(Index, usize),
    Flip(Index, u8),
    /// Goes on as another seed does from there.
    Splice(Index, Index),
}

fn damage(words: &'static [&'static str]) -> impl Strategy<Value = Damage> {
    let word = || {
        prop_oneof![
            3 => select(words).prop_map(|word| word.as_bytes().to_vec()),
            1 => vec(any::<u8>(), 1..4),
        ]
    };
    prop_oneof![
        4 => (any::<Index>(), word()).prop_map(|(at, piece)| Damage::Insert(at, piece)),
        2 => (any::<Index>(), word()).prop_map(|(at, piece)| Damage::Overwrite(at, piece)),
        2 => (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        1 => (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Damage::Double(at, length)),
        1 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(at, seed)| Damage::Splice(at, seed)),
    ]
}

fn apply(mut bytes: Vec<u8>, damage: &Damage, seeds: &[Vec<u8>]) -> Vec<u8> {
    let at = |index: &Index| index.index(bytes.len() + 1);
    let range = |start: usize, length: usize| start..(start + length).min(bytes.len());
    match damage {
        Damage::Insert(index, piece) => {
            let at = at(index);
            bytes.splice(at..at, piece.iter().copied());
        }
        Damage::Overwrite(index, piece) => {
            let range = range(at(index), piece.len());
            bytes.splice(range, piece.iter().copied());
        }
        Damage::Remove(index, length) => {
            let range = range(at(index), *length);
            bytes.drain(range);
        }
        Damage::Double(index, length) => {
            let at = at(index);
            let doubled = bytes[range(at, *length)].to_vec();
            bytes.splice(at..at, doubled);
        }
        Damage::Flip(index, bit) => {
            let at = at(index);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        Damage::Splice(index, seed) => {
            let other = seed.get(seeds);
            let at = at(index);
            bytes.truncate(at);
            bytes.extend(other.iter().skip(at));
        }
    }
    bytes
}

/// Says what the input was; `fuzz TARGET FILE` runs it again.
fn run(target: &Target, input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let shown = &input[..input.len().min(LONGEST)];
    assert!(
        outcome.is_ok(),
        "{} breaks on b\"{}\"",
        target.name,
        shown.escape_ascii()
    );
}

fn short(name: &str) {
    let target = find(name).unwrap();
    let inputs = target.inputs();
    for input in &inputs {
        run(target, input);
    }
    let seeds: Vec<Vec<u8>> = inputs
        .into_iter()
        .filter(|input| input.len() <= LONGEST)
        .collect();
    let damaged = (any::<Index>(), vec(damage(target.words), 1..6));
    // A fixed seed: what is red here is red everywhere.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for _ in 0..target.cases {
        let (seed, damages) = damaged.new_tree(&mut runner).unwrap().current();
        let first = seed.get(&seeds).clone();
        let input = damages
            .iter()
            .fold(first, |bytes, damage| apply(bytes, damage, &seeds));
        run(target, &input);
    }
}

/// One test per target, so that they share the machine's processors.
macro_rules! targets {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { short($name); })*
        const TESTED: &[&str] = &[$($name),*];
    };
}

targets! {
    accept: "accept",
    access: "access",
    answer: "answer",
    autoscaler: "autoscaler",
    caller: "caller",
    command_line: "command-line",
    duration: "duration",
    encoding: "encoding",
    flaky: "flaky",
    kubeconfig: "kubeconfig",
    load: "load",
    pool: "pool",
    probe: "probe",
    quantity: "quantity",
    rules_file: "rules-file",
    selector: "selector",
    template: "template",
}

#[test]
fn no_target_is_left_out() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
}
