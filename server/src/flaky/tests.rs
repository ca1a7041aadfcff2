use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// What requests do.
#[derive(Clone, Copy, Debug)]
enum Step {
    Toggle,
    Set(Code),
    Ask,
    /// The delay of an earlier answer is over.
    Renew,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Toggle),
        select(&Code::ALL[..]).prop_map(Step::Set),
        Just(Step::Ask),
        Just(Step::Renew),
    ];
    vec(step, 0..60)
}

/// Takes the steps; returns the answers.
fn walk(seed: u64, steps: &[Step]) -> Vec<Answer> {
    let mut state = State::new(seed);
    let mut answers = Vec::new();
    for step in steps {
        match *step {
            Step::Toggle => drop(state.toggle()),
            Step::Set(code) => drop(state.set(code)),
            Step::Ask => answers.push(state.ask()),
            Step::Renew => state.renew(),
        }
    }
    answers
}

proptest! {
    #[test]
    fn every_step_keeps_the_laws(seed: u64, steps in steps()) {
        let mut state = State::new(seed);
        // The model: what is stored, and whether it is flaky.
        let (mut code, mut flaky) = (200, false);
        for step in steps {
            match step {
                Step::Toggle => {
                    flaky = !flaky;
                    prop_assert_eq!(state.toggle(), flaky);
                }
                Step::Set(new) => {
                    prop_assert_eq!(state.set(new), new.number() != code);
                    code = new.number();
                }
                Step::Ask => {
                    let answer = state.ask();
                    prop_assert_eq!(answer.code.number(), code);
                    prop_assert_eq!(answer.delay.is_some(), flaky);
                    prop_assert!(answer.delay.is_none_or(|delay| delay < Duration::from_millis(500)));
                }
                Step::Renew => {
                    state.renew();
                    let stored = state.code;
                    prop_assert!(Code::ALL.contains(&stored));
                    prop_assert!(flaky || stored.number() == code);
                    code = stored.number();
                }
            }
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_answers(seed: u64, steps in steps()) {
        prop_assert_eq!(walk(seed, &steps), walk(seed, &steps));
    }
}

#[test]
fn seeds_differ() {
    let steps = [
        Step::Toggle,
        Step::Ask,
        Step::Renew,
        Step::Ask,
        Step::Renew,
        Step::Ask,
    ];
    assert_ne!(walk(1, &steps), walk(2, &steps));
}

#[test]
fn every_code_and_the_whole_range_of_delays_come() {
    let mut state = State::new(1);
    state.toggle();
    let mut seen = Vec::new();
    let mut delays = Vec::new();
    // A code is missing after this many draws once in 10^65 seeds; this is one seed.
    for _ in 0..10_000 {
        state.renew();
        let answer = state.ask();
        seen.push(answer.code.number());
        delays.extend(answer.delay);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 61);
    assert_eq!(delays.iter().min(), Some(&Duration::ZERO));
    assert_eq!(delays.iter().max(), Some(&Duration::from_millis(499)));
}

#[test]
fn of_ten_thousand_toggles_at_once_none_is_lost() {
    let flaky = Flaky::new(1);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let flaky = flaky.clone();
            thread::spawn(move || (0..1_250).filter(|_| flaky.toggle()).count())
        })
        .collect();
    let on: usize = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    // Two that read the same state would both switch it on, or both off.
    assert_eq!(on, 5_000);
    assert!(flaky.toggle(), "an even number of them leaves it steady");
}

#[tokio::test(start_paused = true)]
async fn the_old_code_is_answered_and_a_new_one_is_left() {
    let flaky = Flaky::new(1);
    assert!(flaky.toggle());
    assert_eq!(flaky.answer().await, Code::OK);
    let left = flaky.state().code;
    assert_eq!(flaky.answer().await, left);
    assert!(!flaky.toggle());
    let last = flaky.state().code;
    for _ in 0..3 {
        assert_eq!(
            flaky.answer().await,
            last,
            "steady again, with the last code"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn chance_has_precedence_until_it_is_switched_off() {
    let flaky = Flaky::new(1);
    let teapot = Code::parse("418").unwrap();
    assert!(flaky.toggle());
    let mut asking = std::pin::pin!(flaky.answer());
    assert!(futures::poll!(asking.as_mut()).is_pending());
    assert!(flaky.set(teapot));
    assert_eq!(asking.await, Code::OK);
    assert_ne!(
        flaky.state().code,
        teapot,
        "what was set gave way to chance"
    );

    let before = flaky.state().code;
    let mut asking = std::pin::pin!(flaky.answer());
    assert!(futures::poll!(asking.as_mut()).is_pending());
    assert!(!flaky.toggle());
    assert!(flaky.set(teapot));
    assert_eq!(asking.await, before);
    assert_eq!(
        flaky.state().code,
        teapot,
        "what was set after the end of chance stays"
    );
}
