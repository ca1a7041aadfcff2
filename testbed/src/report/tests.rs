use super::*;

/// A made-up run: a gap in the data, names that need escaping, a step without a number.
fn mk_summary() -> Summary {
    let samples = (0..60u32).map(|index| {
        let t = f64::from(index);
        let data = !(20..30).contains(&index);
        Sample {
            t,
            offered: if index < 30 { 10.0 } else { 170.0 },
            rps: data.then_some(t * 3.0),
            mean: data.then_some(0.0625 + t / 1024.0),
            metric: data.then_some(30.0),
            seen: Some(f64::NAN),
            desired: Some(1 + index / 20),
            current: Some(1),
            ready: Some(1),
            clients: Some(1),
            failed: Some(0.0),
            missed: None,
        }
    });
    let samples: Vec<Sample> = samples.collect();
    Summary {
        started: "2025-01-01T00:00:00Z".into(),
        goal: Goal {
            min_rps: 150.0,
            max_mean_ms: 100.0,
        },
        verdict: Some(Verdict {
            held: true,
            window_seconds: 60,
            steps: 13,
            steps_below_rps: 0,
            steps_above_mean: 0,
            steps_without_data: 0,
            rps: Some(Figures {
                worst: 168.0,
                average: 169.5,
            }),
            mean_ms: None,
        }),
        judged: Some(59.0),
        checks: vec![Check {
            name: "back <soon>".into(),
            limit_seconds: 60.0,
            seconds: None,
            ok: false,
        }],
        target: Target {
            rps_per_pod: 35.0,
            mean_ms: 80.0,
            max_replicas: 10,
        },
        steps: vec![Step {
            offered: 170.0,
            clients: 17,
            start: 30.0,
            end: 59.0,
            pods_before: 1,
            pods_after: 5,
            ready: Some(21.0),
            ..Step::default()
        }],
        events: vec![Event {
            t: 31.0,
            reason: "SuccessfulRescale".into(),
            message: "New size: 2; reason: \"a\" & <b> above target".into(),
            warning: false,
        }],
        phases: vec![Phase {
            name: "up".into(),
            seconds: 9.0,
        }],
        total_seconds: 68.0,
        maxima: Maxima::of(&samples),
        environment: vec![Fact {
            name: "Kubernetes".into(),
            value: "v1.36.3".into(),
        }],
        settings: Vec::new(),
        samples,
    }
}

/// A strict look at the markup: every element is closed by its own name, every attribute quoted,
/// every `&` a known entity. Enough to find what a browser would silently mend.
fn assert_well_formed(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim_start_matches("<!DOCTYPE html>");
    while let Some(start) = rest.find('<') {
        assert_entities(&rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<'), "`<` in a tag: {tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "an open quote: {tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed in the wrong order");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().expect("a name"));
        }
        assert_entities(tag);
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "not closed: {open:?}");
}

fn assert_entities(text: &str) {
    for part in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        assert!(
            known.iter().any(|it| part.starts_with(it)),
            "a bare & before {part:?}"
        );
    }
}

#[test]
fn page_and_picture_are_well_formed_and_escaped() {
    let summary = mk_summary();
    for text in [page(&summary), picture(&summary)] {
        assert_well_formed(&text);
        assert!(
            text.contains("&lt;b&gt; above target"),
            "the event is named"
        );
        assert!(!text.contains("NaN"));
    }
}

#[test]
fn they_refer_to_nothing_outside() {
    let summary = mk_summary();
    for text in [page(&summary), picture(&summary)] {
        let text = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for outside in [
            "http:", "https:", "src=", "href=", "url(", "@import", "<script",
        ] {
            assert!(!text.contains(outside), "{outside}");
        }
    }
}

#[test]
fn nothing_measured_is_shown_as_nothing_measured() {
    let summary = Summary::default();
    for text in [page(&summary), picture(&summary)] {
        assert_well_formed(&text);
        assert!(text.contains("not judged"), "{text}");
        assert!(!text.contains("NaN"));
    }
    assert!(text(&summary).starts_with("not judged"));
}

#[test]
fn a_gap_in_the_data_is_a_gap_in_the_curve() {
    let drawn = picture(&mk_summary());
    let start = drawn
        .find("class=\"curve rps\" d=\"")
        .expect("the curve is there");
    let path = drawn[start..].split('"').nth(3).expect("a path");
    assert_eq!(path.matches('M').count(), 2, "{path}");
}

#[test]
fn the_terminal_says_the_verdict_the_steps_and_the_promises() {
    let text = text(&mk_summary());
    assert!(
        text.starts_with(
            "goal held for 60 s: at least 150 requests/s at a mean latency below 100 ms\n  \
         requests/s: worst 168.0, average 169.5\n  mean latency: no data\n"
        ),
        "{text}"
    );
    let step = text
        .lines()
        .find(|line| line.contains("17 clients"))
        .expect("the step");
    assert_eq!(
        step.split_whitespace().collect::<Vec<_>>().join(" "),
        "170/s from 17 clients 0:30 1 to 5 - 21 s - - - - -"
    );
    let check = text
        .lines()
        .find(|line| line.contains("back"))
        .expect("the promise");
    assert!(
        check.contains("not seen") && check.ends_with("no"),
        "{check}"
    );
}

#[test]
fn a_summary_survives_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut summary = mk_summary();
    // JSON has no word for "not a number"; it becomes `null`, as any other missing value.
    for sample in &mut summary.samples {
        sample.seen = None;
    }
    write(&summary, dir.path()).unwrap();
    let file = dir.path().join(SUMMARY);
    let read: Summary = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert!(read == summary, "another summary");
    let drawn = fs::read_to_string(dir.path().join(PICTURE)).unwrap();
    fs::remove_file(dir.path().join(PICTURE)).unwrap();
    render(&file).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join(PICTURE)).unwrap(), drawn);
}

#[test]
fn a_file_that_is_no_summary_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(SUMMARY);
    fs::write(&file, "[]").unwrap();
    let error = render(&file).unwrap_err().to_string();
    assert!(error.contains("summary.json"), "{error}");
}
