use proptest::prelude::*;

use super::*;

fn mk_scaler() -> Scaler {
    Scaler::new(Bounds::new(1, 3).unwrap())
}

fn running(size: u32) -> View {
    View { size, busy: false }
}

fn busy(size: u32) -> View {
    View { size, busy: true }
}

fn step(direction: Direction, from: u32, to: u32) -> Step {
    Step {
        direction,
        from,
        to,
    }
}

const UP: Step = Step {
    direction: Direction::Up,
    from: 1,
    to: 2,
};

#[test]
fn several_requests_are_one_step() {
    let mut scaler = mk_scaler();
    for _ in 0..5 {
        scaler.request(Direction::Up);
    }
    assert_eq!(scaler.decide(running(1)), Decision::Scale(UP));
    scaler.answered(Answer::Accepted);
    assert_eq!(scaler.decide(running(2)), Decision::Idle);
}

#[test]
fn up_wins_whatever_the_order() {
    for order in [
        [Direction::Up, Direction::Down],
        [Direction::Down, Direction::Up],
    ] {
        let mut scaler = mk_scaler();
        order.into_iter().for_each(|it| scaler.request(it));
        assert_eq!(scaler.decide(running(1)), Decision::Scale(UP));
    }
}

#[test]
fn both_bounds_are_inclusive() {
    for (direction, size, expected) in [
        (Direction::Up, 2, Decision::Scale(step(Direction::Up, 2, 3))),
        (Direction::Up, 3, Decision::AtBound(Direction::Up)),
        (Direction::Up, 9, Decision::AtBound(Direction::Up)),
        (
            Direction::Down,
            2,
            Decision::Scale(step(Direction::Down, 2, 1)),
        ),
        (Direction::Down, 1, Decision::AtBound(Direction::Down)),
        (Direction::Down, 0, Decision::AtBound(Direction::Down)),
        // Back towards the bounds is always allowed.
        (
            Direction::Down,
            9,
            Decision::Scale(step(Direction::Down, 9, 8)),
        ),
        (Direction::Up, 0, Decision::Scale(step(Direction::Up, 0, 1))),
    ] {
        let mut scaler = mk_scaler();
        scaler.request(direction);
        assert_eq!(scaler.decide(running(size)), expected);
        scaler.answered(Answer::Accepted);
        assert!(!scaler.is_waiting(), "answered");
    }
}

#[test]
fn a_request_waits_for_a_busy_pool() {
    let mut scaler = mk_scaler();
    scaler.request(Direction::Up);
    for _ in 0..10 {
        assert_eq!(scaler.decide(busy(1)), Decision::Busy);
    }
    assert_eq!(scaler.decide(running(1)), Decision::Scale(UP));
    scaler.answered(Answer::Postponed);
    assert_eq!(scaler.decide(busy(1)), Decision::Busy);
    assert_eq!(scaler.decide(running(1)), Decision::Scale(UP));
}

#[test]
fn a_lost_answer_is_found_in_the_pool() {
    let mut scaler = mk_scaler();
    scaler.request(Direction::Up);
    scaler.decide(running(1));
    scaler.answered(Answer::Unknown);
    assert_eq!(scaler.decide(busy(2)), Decision::Confirmed(UP));
    assert_eq!(scaler.decide(running(2)), Decision::Idle, "no second step");
}

#[test]
fn a_lost_request_is_sent_again_with_the_same_size() {
    let mut scaler = mk_scaler();
    scaler.request(Direction::Up);
    scaler.decide(running(1));
    scaler.answered(Answer::Unknown);
    // The alert goes on meanwhile; that is the same decision.
    scaler.request(Direction::Up);
    assert_eq!(scaler.decide(running(1)), Decision::Scale(UP));
    scaler.answered(Answer::Accepted);
    assert_eq!(scaler.decide(running(2)), Decision::Idle);
}

#[test]
fn a_request_after_a_step_that_happened_is_a_step_of_its_own() {
    let mut scaler = mk_scaler();
    scaler.request(Direction::Up);
    scaler.decide(running(1));
    scaler.answered(Answer::Unknown);
    scaler.request(Direction::Up);
    assert_eq!(scaler.decide(running(2)), Decision::Confirmed(UP));
    let second = step(Direction::Up, 2, 3);
    assert_eq!(scaler.decide(running(2)), Decision::Scale(second));
}

#[test]
fn a_size_that_somebody_else_chose_is_left_alone() {
    let mut scaler = mk_scaler();
    scaler.request(Direction::Up);
    scaler.decide(running(1));
    scaler.answered(Answer::Unknown);
    assert_eq!(scaler.decide(running(3)), Decision::Overtaken(UP));
    assert_eq!(scaler.decide(running(3)), Decision::Idle);
}

#[test]
fn a_refusal_is_an_answer() {
    let mut scaler = mk_scaler();
    scaler.request(Direction::Up);
    scaler.decide(running(1));
    scaler.answered(Answer::Refused);
    assert_eq!(scaler.decide(running(1)), Decision::Idle);
}

/// What may happen to the autoscaler.
#[derive(Clone, Copy, Debug)]
enum Event {
    Request(Direction),
    /// A tick, on which a step meets this fate.
    Tick(Fate),
    /// A tick on which the pool cannot be read.
    Blind,
    /// A tick while the pool is busy.
    Busy,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Accepted,
    Postponed,
    LostAnswer,
    LostRequest,
}

fn event() -> impl Strategy<Value = Event> {
    use Event::{Blind, Busy, Request, Tick};
    prop_oneof![
        Just(Request(Direction::Up)),
        Just(Request(Direction::Down)),
        Just(Tick(Fate::Accepted)),
        Just(Tick(Fate::Postponed)),
        Just(Tick(Fate::LostAnswer)),
        Just(Tick(Fate::LostRequest)),
        Just(Blind),
        Just(Busy),
    ]
}

proptest! {
    /// A pool that nobody else touches moves by single steps within its bounds, never more often
    /// than was asked for, and never without having been asked for that way.
    #[test]
    fn no_step_is_invented_or_doubled(events in prop::collection::vec(event(), 0..80)) {
        let mut scaler = mk_scaler();
        let mut size = 2;
        // What was asked for since the last step that way which happened.
        let mut asked = [0u32, 0];
        for event in events {
            let busy = matches!(event, Event::Busy);
            let fate = match event {
                Event::Request(direction) => {
                    asked[direction as usize] += 1;
                    scaler.request(direction);
                    continue;
                }
                Event::Blind => continue,
                Event::Busy => Fate::Accepted,
                Event::Tick(fate) => fate,
            };
            let Decision::Scale(step) = scaler.decide(View { size, busy }) else {
                continue;
            };
            prop_assert!(!busy, "a busy pool gets no orders");
            prop_assert_eq!(step.from, size);
            prop_assert_eq!(step.to.abs_diff(size), 1);
            prop_assert!((1..=3).contains(&step.to));
            let (happens, answer) = match fate {
                Fate::Accepted => (true, Answer::Accepted),
                Fate::Postponed => (false, Answer::Postponed),
                Fate::LostAnswer => (true, Answer::Unknown),
                Fate::LostRequest => (false, Answer::Unknown),
            };
            scaler.answered(answer);
            if happens {
                let asked = &mut asked[step.direction as usize];
                prop_assert!(*asked > 0, "nobody asked for {:?}", step);
                *asked -= 1;
                size = step.to;
            }
        }
        // Nothing is lost either: what is still open gets its step, or is at its bound.
        scaler.decide(running(size));
        scaler.answered(Answer::Accepted);
        for _ in 0..3 {
            if let Decision::Scale(step) = scaler.decide(running(size)) {
                scaler.answered(Answer::Accepted);
                size = step.to;
            }
        }
        prop_assert!(!scaler.is_waiting());
    }
}
