//! What `simulate` refuses, and in which words.

use super::{CPUS, HPA, Laptop, QUEUES, Recorded, samples, with_metrics};

#[tokio::test]
async fn what_is_wrong_is_one_line_that_names_it() {
    let prometheus = Recorded::start(&samples()).await;
    let laptop = Laptop::new(&prometheus.url());
    laptop.write(
        "unknown.yaml",
        &HPA.replace("requests_per_second", "request_rate"),
    );
    laptop.write("old.yaml", &HPA.replace("autoscaling/v2", "autoscaling/v1"));
    laptop.write(
        "service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n",
    );
    laptop.write("typo.yaml", &HPA.replace("averageValue:", "avarageValue:"));
    laptop.write(
        "other.yaml",
        &HPA.replace("name: server}\n  min", "name: web}\n  min"),
    );
    laptop.write("queues.yaml", &with_metrics(&QUEUES));
    laptop.write("cpus.yaml", &with_metrics(&CPUS));
    laptop.write(
        "huge.yaml",
        &HPA.replace("maxReplicas: 10", "maxReplicas: 2000000000")
            .replace("averageValue: 40", "averageValue: 1"),
    );
    laptop.write("broken.yaml", "rules: [{seriesQuery: a}]");
    let none = "the rules of --config rules.yaml make no such metric";
    for (arguments, expected) in [
        (
            &["unknown.yaml"][..],
            vec![
                "metric pods/request_rate: ",
                none,
                "there are latency_seconds, requests_per_second",
            ],
        ),
        (&["none.yaml"], vec!["none.yaml: cannot read the manifest"]),
        (
            &["old.yaml"],
            vec!["old.yaml: apiVersion: \"autoscaling/v1\""],
        ),
        (
            &["service.yaml"],
            vec!["service.yaml: kind: ", "Service of v1"],
        ),
        (&["typo.yaml"], vec!["typo.yaml: ", "avarageValue"]),
        (
            &["other.yaml"],
            vec![
                "metric pods/requests_per_second: no pod of Deployment/web has a value",
                "--pods",
                "server-5d8f97c6b4-2x4kq",
            ],
        ),
        (
            &["hpa.yaml", "other.yaml"],
            vec!["other.yaml: spec.scaleTargetRef: Deployment/web"],
        ),
        (
            &["hpa.yaml", "--from=now"],
            vec!["--from: ", "is not before --to"],
        ),
        (
            &["hpa.yaml", "--to=2026-01-31T11:00:00Z"],
            vec!["--from: ", "is not before --to"],
        ),
        (
            &[
                "hpa.yaml",
                "--from=2026-01-30T12:00:00Z",
                "--to=2026-01-30T13:00:00Z",
            ],
            vec!["metric pods/requests_per_second: ", none],
        ),
        (
            &["hpa.yaml", "--query=requests_per_second=absent_series"],
            vec![
                "metric pods/requests_per_second: no data from",
                "absent_series",
            ],
        ),
        (
            &["hpa.yaml", "--query=requests_per_second=sum("],
            vec![
                "metric pods/requests_per_second (--query): ",
                "400",
                "parse error",
            ],
        ),
        (
            &["hpa.yaml", "--query=requests_per_second=sum(up)+1"],
            vec!["no data"],
        ),
        (
            &["hpa.yaml", "--query=requests_per_second=sum(queue_length)"],
            vec!["no element of the answer has the label \"pod\""],
        ),
        (
            &["hpa.yaml", "--query=latency=up"],
            vec![
                "--query: no metric it could be for is called \"latency\", only requests_per_second",
            ],
        ),
        (
            &["hpa.yaml", "--model=latency=split"],
            vec![
                "--model: no metric it could be for is called \"latency\", only requests_per_second",
            ],
        ),
        (
            &["hpa.yaml", "--candidate=latency=1"],
            vec!["--candidate: latency=1: no metric it could be for is called \"latency\""],
        ),
        (
            &[
                "hpa.yaml",
                "--query=requests_per_second={__name__=~\"requests_total|latency_seconds\"}",
            ],
            vec![
                "metric pods/requests_per_second: pod server-5d8f97c6b4-",
                " has several values at a time, of {__name__=\"latency_seconds\",",
                "} and {__name__=\"requests_total\",namespace=\"shop\",pod=\"server-5d8f97c6b4-",
                "sum by (pod)",
            ],
        ),
        (
            &["hpa.yaml", "--show=latency=latency_seconds"],
            vec![
                "--show: latency: several elements at a time, such as {__name__=\"latency_seconds\"",
                "one is needed",
            ],
        ),
        (
            &["hpa.yaml", "--show=latency=absent_series"],
            vec!["--show: latency: no data for absent_series"],
        ),
        (
            &["queues.yaml", "--query=queue_length=sum(queue_length)"],
            vec![
                "--query: \"queue_length\" may mean external/queue_length{queue=a} or \
                 external/queue_length{queue=b}: say which",
            ],
        ),
        (
            &["cpus.yaml", "--request=cpu=50m"],
            vec!["--request: \"cpu\" may mean resource/cpu or container/app/cpu: say which"],
        ),
        (
            &["huge.yaml", "--model=requests_per_second=recorded"],
            vec![
                "candidate huge.yaml: at 2026-",
                "at most 10000000 pods are simulated",
            ],
        ),
        (
            &["hpa.yaml", "--pods=("],
            vec!["--pods: ", "unclosed group"],
        ),
        (
            &["hpa.yaml", "--pods-query=absent_series"],
            vec!["--pods-query: no data for absent_series"],
        ),
        (
            &["hpa.yaml", "--sync-period=1ms"],
            vec!["--sync-period: there are more than 200000 syncs"],
        ),
        (
            &["hpa.yaml", "--config=broken.yaml"],
            vec!["--config broken.yaml: rules[0].metricsQuery must not be empty"],
        ),
        (
            &["hpa.yaml", "--config=absent.yaml"],
            vec!["--config absent.yaml: cannot read the rules file: No such file"],
        ),
        (
            &["hpa.yaml", "--config="],
            vec![
                "metric pods/requests_per_second: give the adapter's rules (--config FILE) or a query",
            ],
        ),
        (
            &["hpa.yaml", "--svg=absent/picture.svg"],
            vec!["--svg absent/picture.svg: cannot write the picture: No such file"],
        ),
        (
            &["hpa.yaml", "--prometheus-url=http://127.0.0.1:1"],
            vec![
                "--prometheus-url: cannot reach Prometheus at http://127.0.0.1:1/: Connection refused",
            ],
        ),
    ] {
        let output = laptop.simulate(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.starts_with("metrics-adapter: "),
            "{arguments:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        for text in expected {
            assert!(
                said.contains(text),
                "{arguments:?}: {text:?} is not in {said}"
            );
        }
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
