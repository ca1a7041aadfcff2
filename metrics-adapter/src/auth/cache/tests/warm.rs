//! Pollers, and what kube-apiserver sees of them.

use super::*;

const PERIOD: Duration = Duration::from_secs(15);

/// What comes of `pollers` while the cache is kept warm.
async fn with_warmth<T>(cache: &Cache<Slow>, pollers: impl Future<Output = T>) -> T {
    tokio::select! {
        () = cache.keep_warm() => unreachable!("it does not end"),
        result = pollers => result,
    }
}

/// Asks for `key` at these times from now on; no answer may be older than `ttl`. How many waited for
/// a review, and in which of the polls last.
async fn poll(
    cache: &Cache<Slow>,
    key: Key,
    ttl: Duration,
    times: impl Iterator<Item = Duration>,
) -> (usize, usize) {
    let start = Instant::now();
    let (mut waited, mut last) = (0, 0);
    for (number, time) in times.enumerate() {
        tokio::time::sleep_until(start + time).await;
        let came = Instant::now();
        let (verdict, origin) = ask(cache, key).await;
        let verdict = verdict.unwrap();
        if origin == Origin::Review {
            (waited, last) = (waited + 1, number);
        } else {
            let age = came.duration_since(verdict.asked);
            assert!(age < ttl, "{age:?} old after {time:?}");
        }
    }
    (waited, last)
}

#[tokio::test(start_paused = true)]
async fn whoever_keeps_coming_never_waits_again() {
    for (ttl, period, reviews) in [
        // Seconds: of an answer, from poll to poll; reviews in ten minutes at most.
        (10, 15, 41),
        (10, 30, 21),
        (10, 60, 11),
        (14, 15, 41),
        (5, 15, 41),
        (2, 15, 41),
        // More polls than answers are good for.
        (10, 5, 76),
        (10, 1, 76),
        (30, 15, 26),
        (300, 15, 4),
    ] {
        let case = format!("{ttl} s, every {period} s");
        let terms = Terms {
            granted: Duration::from_secs(ttl),
            refused: Duration::from_secs(ttl),
        };
        let (cache, slow) = mk_cache(8, terms);
        slow.set(|state| state.takes = Duration::from_millis(20));
        let polls = (0..600 / period).map(|number| {
            // Some come late.
            Duration::from_secs(number * period) + Duration::from_millis(number * 37 % 100)
        });
        let (cold, last) = with_warmth(&cache, poll(&cache, 1, terms.granted, polls)).await;
        assert!(cold <= 2 && last <= 1, "{case}: {cold} waited, {last} last");
        let asked = slow.take();
        assert_eq!(asked.0, cold, "{case}");
        assert!(asked.0 + asked.1 <= reviews, "{case}: {asked:?}");

        // Nobody comes any more.
        with_warmth(&cache, tokio::time::sleep(Duration::from_secs(ttl + 600))).await;
        let idle = slow.take();
        // Two periods, or 45 s, are four fifths of so many answers.
        let most = (period * 2).max(45) * 5 / (ttl * 4) + 1;
        assert!(idle.1 <= usize::try_from(most).unwrap(), "{case}: {idle:?}");
        with_warmth(&cache, tokio::time::sleep(Duration::from_secs(600))).await;
        assert_eq!(slow.take(), (0, 0), "{case}");
        assert_eq!(cache.shelf.lock().sizes(), [0; 4], "{case}");
    }
}

/// Moments within a period, anywhere in it, of a fixed seed.
fn moments() -> impl FnMut() -> Duration {
    let mut random = 1_u64;
    move || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Duration::from_millis((random >> 33) % 15_000)
    }
}

/// So many polls by pollers who come once in each period, at these moments of it. In which one each
/// of them waited last for a review.
async fn poll_at(cache: &Cache<Slow>, moments: &[Duration], polls: u32) -> Vec<usize> {
    let pollers = moments.iter().map(|moment| {
        let times = (0..polls).map(|number| *moment + PERIOD * number);
        poll(cache, 1, TTL, times)
    });
    let waited = with_warmth(cache, futures::future::join_all(pollers)).await;
    waited.into_iter().map(|(_, last)| last).collect()
}

/// Reviews for these polls, if each is made as late as the first poll lets it be.
fn needed(moments: &[Duration], polls: u32) -> usize {
    let mut served = None;
    let mut reviews = 0;
    for moment in (0..polls).flat_map(|number| moments.iter().map(move |at| *at + PERIOD * number))
    {
        if served.is_none_or(|served| moment > served) {
            reviews += 1;
            served = Some(moment + TTL * 4 / 5);
        }
    }
    reviews
}

/// HPAs that share a metric and a namespace share a question.
#[tokio::test(start_paused = true)]
async fn pollers_of_one_question_cost_as_few_reviews_as_answers_can_serve() {
    let mut moment = moments();
    for pollers in [1, 2, 3, 4, 5, 20, 100] {
        for _ in 0..10 {
            let (cache, slow) = mk_cache(8, TERMS);
            slow.set(|state| state.takes = Duration::from_millis(20));
            let mut moments: Vec<_> = (0..pollers).map(|_| moment()).collect();
            moments.sort();
            for last in poll_at(&cache, &moments, 40).await {
                assert!(last <= 2, "{moments:?}: waited in round {last}");
            }
            let (cold, ahead) = slow.take();
            // Many are not told apart: ten minutes are 75 times 8 s.
            let most = match pollers {
                ..=5 => needed(&moments, 40) * 9 / 8,
                _ => 75,
            };
            assert!(
                cold <= 3 && ahead <= most,
                "{moments:?}: {cold}, {ahead}, {most}"
            );
        }
    }
}

/// As after a new start of the controller.
#[tokio::test(start_paused = true)]
async fn pollers_who_come_elsewhere_in_the_period_wait_only_in_the_next_ones() {
    let mut moment = moments();
    for pollers in 1..=6 {
        for _ in 0..20 {
            let (cache, slow) = mk_cache(8, TERMS);
            slow.set(|state| state.takes = Duration::from_millis(20));
            let before: Vec<_> = (0..pollers).map(|_| moment()).collect();
            let after: Vec<_> = (0..pollers).map(|_| moment() / 5).collect();
            let start = Instant::now();
            poll_at(&cache, &before, 8).await;
            for period in [9, 12] {
                let next = tokio::time::sleep_until(start + PERIOD * period);
                with_warmth(&cache, next).await;
                slow.take();
                poll_at(&cache, &after, 3).await;
            }
            let (cold, ahead) = slow.take();
            assert!(
                cold == 0 && (2..=4).contains(&ahead),
                "{before:?}, {after:?}: {cold}, {ahead}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_seen_within_the_time_of_an_answer() {
    for revoked in 60..90 {
        let (cache, slow) = mk_cache(8, TERMS);
        slow.set(|state| state.takes = Duration::ZERO);
        let start = Instant::now();
        let revoked = start + Duration::from_secs(revoked);
        let polls = async {
            for number in 0..40 {
                tokio::time::sleep_until(start + PERIOD * number).await;
                if Instant::now() >= revoked {
                    slow.set(|state| state.refused.insert(1));
                }
                let verdict = ask(&cache, 1).await.0.unwrap();
                let is_late = Instant::now() >= revoked + TTL;
                assert!(
                    !(verdict.granted && is_late),
                    "granted {:?} late",
                    revoked.elapsed()
                );
            }
        };
        let revocation = async {
            tokio::time::sleep_until(revoked).await;
            slow.set(|state| state.refused.insert(1));
        };
        with_warmth(&cache, async { tokio::join!(polls, revocation) }).await;
        // Whoever is refused is asked about when it asks: 40 polls, each with one review at most.
        let (cold, ahead) = slow.take();
        assert!(cold + ahead <= 41, "{cold}, {ahead}");
        assert!(cold >= 30, "{cold}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_no_answer_early_and_none_late() {
    let (cache, slow) = mk_cache(1000, TERMS);
    slow.set(|state| state.takes = Duration::from_millis(20));
    // 500 pollers, 20 ms apart.
    let polls = async |rounds: u32| {
        let start = Instant::now();
        let pollers = (0..500).map(|key| {
            let (cache, first) = (&cache, start + Duration::from_millis(20) * u32::from(key));
            async move {
                for number in 0..rounds {
                    tokio::time::sleep_until(first + PERIOD * number).await;
                    let came = Instant::now();
                    let verdict = ask(cache, key).await.0.unwrap();
                    assert!(came.saturating_duration_since(verdict.asked) < TTL);
                }
            }
        });
        futures::future::join_all(pollers).await;
        tokio::time::sleep_until(start + PERIOD * rounds).await;
    };
    with_warmth(&cache, polls(4)).await;
    assert_eq!(slow.take().0, 1000, "two rounds");

    slow.set(|state| state.is_down = true);
    let down = Instant::now();
    let mut answered = 0;
    with_warmth(&cache, async {
        while down.elapsed() < TTL * 3 {
            for key in 0..500 {
                // Who waits goes away, so that all reviews that end are those ahead; who came to one
                // of them that ends now hears of its failure.
                let asked = tokio::time::timeout(Duration::ZERO, ask(&cache, key));
                if let Ok((Ok(verdict), _)) = asked.await {
                    assert!(verdict.asked.elapsed() < TTL);
                    answered += 1;
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await;
    assert!(answered >= 500, "{answered} answers from memory");
    let (_, ahead) = slow.take();
    assert!(
        (1..=16 + 6).contains(&ahead),
        "{ahead} ahead while kube-apiserver is away"
    );

    // All is as before after some rounds, without a storm.
    slow.set(|state| (state.is_down, state.peak) = (false, 0));
    with_warmth(&cache, polls(8)).await;
    slow.take();
    with_warmth(&cache, polls(3)).await;
    let (cold, ahead) = slow.take();
    assert_eq!(cold, 0);
    assert!((1490..=1510).contains(&ahead), "{ahead}");
    let peak = slow.set(|state| state.peak);
    // Of those who wait, one begins when another ends.
    assert!(peak <= 16 + 2, "{peak} at once");
}

#[tokio::test(start_paused = true)]
async fn strangers_cause_no_review_but_their_own() {
    let (cache, slow) = mk_cache(100, TERMS);
    slow.set(|state| {
        state.takes = Duration::ZERO;
        state.refused.extend(1..Key::MAX);
    });
    let friend = poll(&cache, 0, TTL, (0..20).map(|number| PERIOD * number));
    let strangers = async {
        for number in 0..20_u16 {
            let end = Instant::now() + PERIOD;
            // Some come again and again, most are new.
            for key in (1..50).chain(1000 * number + 100..1000 * number + 1100) {
                assert!(!ask(&cache, key).await.0.unwrap().granted);
            }
            tokio::time::sleep_until(end).await;
        }
    };
    let both = async { tokio::join!(friend, strangers).0 };
    assert_eq!(with_warmth(&cache, both).await, (2, 1));
    let asked = slow.set(|state| std::mem::take(&mut state.asked));
    let ahead = asked
        .iter()
        .filter(|(_, cause, _)| *cause == Cause::Refresh);
    assert!(ahead.clone().all(|(key, ..)| *key == 0));
    assert!(ahead.count() <= 20);
    let [granted, refused, agenda, flights] = cache.shelf.lock().sizes();
    assert_eq!((granted, refused, agenda, flights), (1, 100, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn reviews_ahead_are_few_at_once_and_spaced() {
    let (cache, slow) = mk_cache(1000, TERMS);
    let round = async |cache: &Cache<Slow>| {
        futures::future::join_all((0..1000).map(|key| ask(cache, key))).await;
    };
    slow.set(|state| state.takes = Duration::ZERO);
    round(&cache).await;
    tokio::time::sleep(PERIOD).await;
    round(&cache).await;
    slow.set(|state| {
        state.takes = Duration::from_millis(5);
        state.asked.clear();
        state.peak = 0;
    });
    with_warmth(&cache, tokio::time::sleep(PERIOD)).await;
    let asked = slow.set(|state| std::mem::take(&mut state.asked));
    assert_eq!(asked.len(), 1000);
    // Two in a millisecond, of five milliseconds each.
    let peak = slow.set(|state| state.peak);
    assert!((8..=15).contains(&peak), "{peak} at once");
    slow.set(|state| state.takes = Duration::from_secs(1));
    with_warmth(&cache, async {
        round(&cache).await;
        tokio::time::sleep(PERIOD).await;
    })
    .await;
    assert_eq!(slow.set(|state| state.peak), 16);
}

#[tokio::test(start_paused = true)]
async fn a_poll_joins_the_review_ahead_of_it() {
    let (cache, slow) = mk_cache(8, TERMS);
    slow.set(|state| state.takes = Duration::ZERO);
    assert_eq!(
        poll(&cache, 1, TTL, [Duration::ZERO, PERIOD].into_iter()).await,
        (2, 1)
    );
    slow.take();
    // The answer comes after the poll.
    slow.set(|state| state.takes = Duration::from_secs(8));
    let late = poll(&cache, 1, TTL, std::iter::once(PERIOD));
    assert_eq!(with_warmth(&cache, late).await, (1, 0));
    assert_eq!(slow.take(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn very_long_questions_are_not_kept() {
    let (cache, slow) = mk_cache(8, TERMS);
    slow.set(|state| state.takes = Duration::ZERO);
    let times = (0..10).map(|number| PERIOD * number);
    let polls = poll(&cache, Key::MAX, TTL, times);
    assert_eq!(with_warmth(&cache, polls).await, (10, 9));
    assert_eq!(slow.take(), (10, 0));
}

/// Who may read whatever it can name, names without end: documents, and metrics of its own.
#[tokio::test(start_paused = true)]
async fn strangers_who_are_granted_take_their_share_and_no_more() {
    let slow = Slow::new();
    slow.set(|state| state.takes = Duration::from_millis(20));
    let limits = Limits {
        expected: 100,
        share: 50,
        others: NonZeroUsize::new(100).unwrap(),
    };
    let cache = Cache::new(slow.clone(), limits, TERMS);
    let strangers = async {
        for round in 0..20 {
            let end = Instant::now() + PERIOD;
            let names = |first: Key| (first + 200 * round..).take(500);
            let both = || names(10_000).chain(names(20_000));
            futures::future::join_all(both().map(|key| ask(&cache, key))).await;
            tokio::time::sleep_until(end).await;
        }
    };
    // They are first.
    let friends = async {
        tokio::time::sleep(PERIOD / 2).await;
        let times = || (0..18).map(|number| PERIOD * number);
        futures::future::join_all((0..40).map(|key| poll(&cache, key, TTL, times()))).await
    };
    let both = async { tokio::join!(friends, strangers).0 };
    for result in with_warmth(&cache, both).await {
        assert_eq!(result, (2, 1));
    }
    let asked = slow.set(|state| std::mem::take(&mut state.asked));
    let ahead = |keys: std::ops::Range<Key>| {
        let is_ahead = |(key, cause, _): &&(Key, Cause, Instant)| {
            *cause == Cause::Refresh && keys.contains(key)
        };
        asked.iter().filter(is_ahead).count()
    };
    assert_eq!(ahead(20_000..30_000), 0, "nobody polls for those");
    let tenant = ahead(10_000..20_000);
    assert!(
        tenant <= 50 * 38,
        "{tenant} in 300 s, each for 8 s at least"
    );
    assert!(ahead(0..10_000) >= 40 * 16);
    let content = cache.shelf.lock();
    assert!(content.sizes()[0] <= 90 && content.others_and_questions().0 <= 100);
}

#[tokio::test(start_paused = true)]
async fn more_questions_than_places_cost_no_more_than_those_without() {
    let (cache, slow) = mk_cache(100, TERMS);
    slow.set(|state| state.takes = Duration::from_millis(20));
    let pollers = (0..101).map(|key| {
        let first = Duration::from_millis(100) * u32::from(key);
        poll(
            &cache,
            key,
            TTL,
            (0..20).map(move |number| first + PERIOD * number),
        )
    });
    with_warmth(&cache, futures::future::join_all(pollers)).await;
    let (cold, _) = slow.take();
    assert_eq!(cold, 100 * 2 + 20);
}

#[tokio::test(start_paused = true)]
async fn a_question_is_kept_while_its_callers_are_expected() {
    let (cache, slow) = mk_cache(8, TERMS);
    slow.set(|state| state.takes = Duration::ZERO);
    let questions = || cache.shelf.lock().others_and_questions().1;
    with_warmth(&cache, async {
        poll(&cache, 1, TTL, std::iter::once(Duration::ZERO)).await;
        assert_eq!(questions(), 0, "once is no pace");
        // Within the time of the answer, so that only a hit can bring it.
        poll(&cache, 1, TTL, std::iter::once(TTL / 2)).await;
        assert_eq!(slow.take(), (1, 0));
        assert_eq!(questions(), 1);
        let came = Instant::now();
        while questions() == 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (cold, ahead) = slow.take();
        assert!(cold == 0 && (1..=5).contains(&ahead), "{ahead} ahead");
        assert!(came.elapsed() < Duration::from_secs(46));

        // Nor longer than it is asked.
        poll(&cache, 1, TTL, [Duration::ZERO, TTL / 2, TTL].into_iter()).await;
        assert_eq!(questions(), 1);
        slow.set(|state| state.is_down = true);
        tokio::time::sleep(TTL).await;
        assert_eq!(questions(), 0, "a failure is the callers' own");
        assert_eq!(cache.shelf.lock().sizes(), [1, 0, 1, 0]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_the_first_answer_ends_the_pause() {
    let terms = Terms {
        granted: Duration::from_secs(300),
        refused: TTL,
    };
    let (cache, slow) = mk_cache(100, terms);
    slow.set(|state| state.takes = Duration::from_millis(20));
    let polls = (0..40).map(|key| {
        let cache = &cache;
        async move {
            loop {
                // Who finds nothing asks for itself, and fails.
                let _ = ask(cache, key).await;
                tokio::time::sleep(PERIOD).await;
            }
        }
    });
    let start = Instant::now();
    let outage = async {
        tokio::time::sleep(PERIOD * 3).await;
        slow.set(|state| state.is_down = true);
        // A long pause, and something that waits for its end: a poll would plan it anew.
        let is_held_up = || {
            let content = cache.shelf.lock();
            let now = Instant::now();
            let pause = content.trouble.pause_ends();
            pause.is_some_and(|end| end >= now + Duration::from_secs(4))
                && content.first().is_some_and(|due| due <= now)
                && (1..14).contains(&(now.duration_since(start).as_secs() % PERIOD.as_secs()))
        };
        while !is_held_up() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        slow.set(|state| {
            state.is_down = false;
            state.asked.clear();
        });
        assert!(ask(&cache, 50).await.0.is_ok());
        tokio::time::sleep(Duration::from_millis(100)).await;
        slow.take()
    };
    let both = async {
        tokio::select! {
            _ = futures::future::join_all(polls) => unreachable!("they do not end"),
            asked = outage => asked,
        }
    };
    let (cold, ahead) = with_warmth(&cache, both).await;
    assert!(cold >= 1 && ahead >= 1, "{cold} cold, {ahead} ahead");
}
