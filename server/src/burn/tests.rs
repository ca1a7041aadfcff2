use super::*;

fn mk_burner(threads: u16, burns: u32) -> Burner {
    Burner::start(Limits {
        threads: NonZeroU16::new(threads).unwrap(),
        burns,
    })
    .unwrap()
}

/// Waits until that many threads burn.
fn await_busy(burner: &Burner, threads: u32) {
    let start = Instant::now();
    while burner.busy() != threads {
        assert!(start.elapsed() < Duration::from_secs(20), "{burner:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_plan_lasts_as_long_as_its_longest_burn() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut plan = Plan::default();
    assert!(!plan.is_burning(start));
    assert_eq!(plan.add(start, Duration::from_secs(10)), at(10));
    assert_eq!(plan.add(at(4), Duration::from_secs(10)), at(14));
    // A shorter one has its own end and does not shorten the others.
    assert_eq!(plan.add(at(5), Duration::from_secs(1)), at(6));
    assert!(plan.is_burning(at(13)));
    assert!(!plan.is_burning(at(14)));
    plan.add(at(20), Duration::from_secs(1));
    assert!(plan.is_burning(at(20)));
}

#[tokio::test]
async fn burns_share_the_threads_and_are_bounded() {
    let burner = mk_burner(2, 3);
    await_busy(&burner, 0);
    let hour = Duration::from_secs(3600);
    let burns: Vec<Burn> = (0..3).map(|_| burner.burn(hour).unwrap()).collect();
    assert_eq!(burner.burn(hour).unwrap_err(), Full { burns: 3 });
    assert_eq!(burner.burns(), 3);
    await_busy(&burner, 2);
    drop(burns);
    assert_eq!(burner.burns(), 0);
    // Nobody waits any more, and the CPU burns on.
    assert_eq!(burner.busy(), 2);
    // The test ends here only if the threads do.
}

#[tokio::test]
async fn threads_rest_after_the_burn_and_start_again() {
    let burner = mk_burner(1, 1);
    for _ in 0..2 {
        let start = Instant::now();
        let time = Duration::from_millis(20);
        burner.burn(time).unwrap().ended().await;
        assert!(start.elapsed() >= time);
        await_busy(&burner, 0);
    }
}
