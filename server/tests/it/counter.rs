//! The role counter: exact answers, one count for all instances, and a Redis in every kind of
//! trouble.

mod redis;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::thread;

use socket2::{Domain, Socket, Type};
use tokio::time::{Instant, sleep};

use self::redis::{Fake, Redis};
use crate::process::{DEADLINE, Process, command, get, metric, raw, request};

struct Instance {
    process: Process,
    counter: SocketAddr,
    admin: SocketAddr,
}

/// An instance with a name, on the Redis at that port.
fn mk_instance(host: &str, redis: u16, flags: &[&str]) -> Instance {
    let (host, port) = (
        format!("--server-host={host}"),
        format!("--redis-port={redis}"),
    );
    let own = [
        "--roles=counter",
        "--server-port=0",
        "--server-ip=127.0.0.1",
        &host,
        "--redis-host=127.0.0.1",
        &port,
        "--redis-counter-key=cluster_count",
        "--redis-retry-duration=10ms",
        "--admin-address=127.0.0.1:0",
        "--drain-delay-seconds=0",
    ];
    // Long enough for a busy machine, unless the timeout is what is tested.
    let given = flags
        .iter()
        .any(|flag| flag.starts_with("--redis-timeout="));
    let timeout: &[&str] = if given { &[] } else { &["--redis-timeout=10s"] };
    let process = Process::start(&[&own, timeout, flags].concat());
    let counter = process.address("listening for requests to count");
    let admin = process.address("listening for operators");
    Instance {
        process,
        counter,
        admin,
    }
}

impl Instance {
    /// The two numbers of one request.
    fn count(&self) -> (u64, u64) {
        let (status, body) = get(self.counter, "/");
        assert_eq!(status, 200, "{body}");
        numbers(&body)
    }

    /// The two numbers of the first request that is counted.
    async fn count_at_last(&self) -> (u64, u64) {
        let start = Instant::now();
        loop {
            let (status, body) = get(self.counter, "/");
            if status == 200 {
                return numbers(&body);
            }
            assert!(start.elapsed() < DEADLINE, "{body}");
            sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Waits until readiness is this.
    async fn ready(&self, ready: bool) {
        let start = Instant::now();
        while (get(self.admin, "/readyz").0 == 200) != ready {
            assert!(start.elapsed() < DEADLINE, "ready is not {ready}");
            sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

/// Of the instance and of the cluster.
fn numbers(body: &str) -> (u64, u64) {
    let (_, second) = body.split_once('\n').unwrap();
    let found: Vec<u64> = second
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    (found[0], found[1])
}

#[tokio::test]
async fn the_example_conversation_is_exact_to_the_byte() {
    let redis = Redis::start();
    let host1 = mk_instance("host1", redis.port, &[]);
    let host2 = mk_instance("host2", redis.port, &[]);
    // Probes do not count.
    for instance in [&host1, &host2] {
        instance.ready(true).await;
        assert_eq!(get(instance.admin, "/livez").0, 200);
    }
    for (name, instance, here, all) in [
        ("host2", &host2, 1, 1),
        ("host1", &host1, 1, 2),
        ("host2", &host2, 2, 3),
    ] {
        let port = instance.counter.port();
        let body = format!(
            "You are talking to instance {name}:{port}.\n\
             This is request {here} to this instance and request {all} to the cluster.\n"
        );
        let expected = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(raw(instance.counter, &request("GET", "/")), expected);
    }
    let line = "http_requests_total{method=\"GET\",code=\"200\"} 2";
    metric(host2.admin, line).await;
    metric(host2.admin, "server_counter_instance_requests_total 2").await;
    metric(host2.admin, "server_counter_cluster_requests 3").await;
    metric(host2.admin, "server_counter_redis_up 1").await;
}

#[tokio::test]
async fn any_method_on_any_path_counts() {
    let redis = Redis::start();
    let instance = mk_instance("host", redis.port, &["--init-debug"]);
    let requests = [
        ("GET", "/healthz"),
        ("POST", "/a/b?c=d"),
        ("DELETE", "//"),
        ("OPTIONS", "*"),
        ("BREW", "/pot"),
        ("HEAD", "/"),
    ];
    for (method, path) in requests {
        let answer = raw(instance.counter, &request(method, path));
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            "{method} {path}: {answer}"
        );
        // Asked for by --init-debug.
        let log = instance.process.line("server::counter::http: request ");
        for field in [
            "statusCode=200".to_owned(),
            "clientIP=\"127.0.0.1\"".to_owned(),
            format!("httpMethod={method}"),
            format!("path=\"{}\"", path.split('?').next().unwrap()),
            "latency=".to_owned(),
        ] {
            assert!(log.contains(&field), "{field} not in {log}");
        }
    }
    assert_eq!(instance.count(), (7, 7));
    let line = "http_requests_total{method=\"other\",code=\"200\"} 1";
    metric(instance.admin, line).await;
}

#[tokio::test]
async fn parallel_requests_to_many_instances_get_every_number_once() {
    const THREADS: usize = 12;
    const EACH: usize = 25;
    let redis = Redis::start();
    let instances = ["a", "b", "c"].map(|name| mk_instance(name, redis.port, &[]));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let targets = instances.each_ref().map(|instance| instance.counter);
            thread::spawn(move || {
                let ask = |step| {
                    let target = targets[(number + step) % targets.len()];
                    let (status, body) = get(target, "/");
                    assert_eq!(status, 200, "{body}");
                    (target, numbers(&body))
                };
                (0..EACH).map(ask).collect::<Vec<_>>()
            })
        })
        .collect();
    let (mut all, mut last) = (Vec::new(), BTreeMap::new());
    for thread in threads {
        for (target, (here, cluster)) in thread.join().unwrap() {
            all.push(cluster);
            let last = last.entry(target).or_insert(0);
            *last = here.max(*last);
        }
    }
    all.sort_unstable();
    let total = u64::try_from(THREADS * EACH).unwrap();
    assert!(all.into_iter().eq(1..=total));
    assert_eq!(last.values().sum::<u64>(), total, "{last:?}");
}

#[tokio::test]
async fn a_restarted_redis_counts_anew_and_nothing_is_counted_meanwhile() {
    let mut redis = Redis::start();
    let instance = mk_instance("host", redis.port, &[]);
    for number in 1..=3 {
        assert_eq!(instance.count(), (number, number));
    }
    redis.stop();
    instance.ready(false).await;
    metric(instance.admin, "server_counter_redis_up 0").await;
    let refused = raw(instance.counter, &request("GET", "/"));
    assert_eq!(
        refused,
        "HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain\r\n\
         content-length: 39\r\nconnection: close\r\n\r\n\
         the cluster's counter is not connected\n"
    );
    redis.restart();
    instance.ready(true).await;
    // There is no persistence: the cluster's count is as new as Redis is, the instance's is not.
    assert_eq!(instance.count(), (4, 1));
    let line = "server_counter_errors_total{reason=\"away\"} 1";
    metric(instance.admin, line).await;
}

#[tokio::test]
async fn a_killed_instance_takes_no_number_along() {
    let redis = Redis::start();
    let stays = mk_instance("stays", redis.port, &[]);
    let killed = mk_instance("killed", redis.port, &[]);
    assert_eq!(killed.count(), (1, 1));
    assert_eq!(stays.count(), (1, 2));
    assert_eq!(killed.count(), (2, 3));
    // SIGKILL.
    drop(killed);
    assert_eq!(stays.count(), (2, 4));
    let new = mk_instance("new", redis.port, &[]);
    assert_eq!(new.count(), (1, 5));
    assert_eq!(stays.count(), (3, 6));
}

/// What a request hears of a Redis that is not heard: whoever is first, this request or the look at
/// the connection, sees the timeout.
fn assert_unheard(instance: &Instance) {
    let (status, body) = get(instance.counter, "/");
    assert_eq!(status, 500, "{body}");
    let known = ["did not answer in time\n", "is not connected\n"];
    assert!(known.iter().any(|end| body.ends_with(end)), "{body}");
}

#[tokio::test]
async fn a_redis_that_hangs_is_given_up_in_time_and_taken_back() {
    let redis = Redis::start();
    let instance = mk_instance("host", redis.port, &["--redis-timeout=300ms"]);
    instance.ready(true).await;
    redis.signal("STOP");
    assert_unheard(&instance);
    instance.ready(false).await;
    let (status, body) = get(instance.counter, "/");
    assert_eq!(
        (status, body.as_str()),
        (500, "the cluster's counter is not connected\n")
    );
    redis.signal("CONT");
    // On a busy machine good answers are late as well: those numbers are nobody's, as is that of
    // what Redis was asked before it hung.
    let (here, cluster) = instance.count_at_last().await;
    assert_eq!(here, 1);
    assert!(cluster >= 1, "{cluster}");
}

#[tokio::test]
async fn answers_that_never_end_are_given_up_in_time() {
    let fake = Fake::start();
    let instance = mk_instance("host", fake.port, &["--redis-timeout=300ms"]);
    for answer in ["$9999999999\r\nx", "*1\r\n", ""] {
        instance.ready(true).await;
        fake.answer(answer);
        assert_unheard(&instance);
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors_and_the_next_good_one_counts() {
    let fake = Fake::start();
    let instance = mk_instance("host", fake.port, &[]);
    fake.answer(":41\r\n");
    assert_eq!(instance.count(), (1, 41));
    for (answer, expected) in [
        ("HTTP/1.1 400 Bad Request\r\n", "gave no usable answer\n"),
        (":-7\r\n", "gave no usable answer\n"),
        ("+many\r\n", "gave no usable answer\n"),
        ("$-1\r\n", "gave no usable answer\n"),
        (
            "-WRONGTYPE not a number\r\n",
            "refused to count: WRONGTYPE\n",
        ),
        ("-LOADING in a while\r\n", "refused to count: LOADING\n"),
    ] {
        instance.ready(true).await;
        fake.answer(answer);
        let (status, body) = get(instance.counter, "/");
        assert_eq!(status, 500, "{answer:?}: {body}");
        assert!(body.ends_with(expected), "{answer:?}: {body}");
    }
    instance.ready(true).await;
    fake.answer(":50\r\n");
    assert_eq!(instance.count(), (2, 50));
    // Every connection that is of no use was replaced.
    let line = "server_counter_errors_total{reason=\"refused\"} 2";
    metric(instance.admin, line).await;
}

#[tokio::test]
async fn a_redis_that_refuses_is_as_good_as_none() {
    let redis = Redis::start();
    let instance = mk_instance("host", redis.port, &[]);
    assert_eq!(instance.count(), (1, 1));
    let refusals = [
        // After a failover: nobody is at port 1, and a replica takes no writes.
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        (
            "ACL SETUSER default -incr -incrby",
            "ACL SETUSER default +incr +incrby",
        ),
    ];
    for ((refuse, allow), next) in refusals.into_iter().zip(2..) {
        redis.tell(refuse);
        instance.ready(false).await;
        metric(instance.admin, "server_counter_redis_up 0").await;
        assert_eq!(get(instance.counter, "/").0, 500, "{refuse}");
        redis.tell(allow);
        instance.ready(true).await;
        assert_eq!(instance.count(), (next, next), "{allow}");
    }
}

#[tokio::test]
async fn a_fault_of_the_key_is_no_fault_of_the_connection() {
    let redis = Redis::start();
    let mut instance = mk_instance("host", redis.port, &[]);
    for (fault, code) in [
        ("SET cluster_count many", "ERR"),
        ("SET cluster_count 9223372036854775807", "ERR"),
        ("LPUSH cluster_count 1", "WRONGTYPE"),
    ] {
        redis.tell("DEL cluster_count");
        redis.tell(fault);
        let (status, body) = get(instance.counter, "/");
        assert_eq!(status, 500, "{fault}: {body}");
        let expected = format!("refused to count: {code}\n");
        assert!(body.ends_with(&expected), "{fault}: {body}");
    }
    redis.tell("DEL cluster_count");
    assert_eq!(instance.count(), (1, 1));
    // A connection that is lost says so.
    instance.process.terminate();
    let (_, log) = instance.process.ended().await;
    let lost = log.iter().find(|line| line.contains("lost the connection"));
    assert_eq!(lost, None);
}

#[tokio::test]
async fn without_redis_at_the_start_the_program_ends_after_its_attempts() {
    // Bound and not listening: nobody answers at this port, and nobody else can have it.
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    silent.bind(&any.into()).unwrap();
    let port = silent.local_addr().unwrap().as_socket().unwrap().port();
    let mut instance = mk_instance("host", port, &["--redis-max-retry=2"]);
    let (status, log) = instance.process.ended().await;
    assert_eq!(status.code(), Some(1), "{log:?}");
    let last = log.last().unwrap();
    let expected = format!("server: --redis-host: 127.0.0.1:{port} did not answer 3 attempts: ");
    assert!(last.starts_with(&expected), "{last}");
    let retries = log.iter().filter(|line| line.contains("trying on"));
    assert_eq!(retries.count(), 2, "{log:?}");
}

#[tokio::test]
async fn a_redis_that_comes_late_is_waited_for_and_sigterm_ends_the_wait() {
    let mut redis = Redis::start();
    redis.stop();
    let many = ["--redis-max-retry=1000000"];
    let instance = mk_instance("host", redis.port, &many);
    let mut leaves = mk_instance("leaves", redis.port, &many);
    instance.ready(false).await;
    assert_eq!(get(instance.admin, "/livez").0, 200);
    leaves.process.terminate();
    let (status, log) = leaves.process.ended().await;
    assert_eq!(status.code(), Some(0), "{log:?}");
    redis.restart();
    instance.ready(true).await;
    assert_eq!(instance.count(), (1, 1));
}

#[tokio::test]
async fn sigterm_lets_the_request_under_way_be_counted() {
    let fake = Fake::start();
    let mut instance = mk_instance("host", fake.port, &[]);
    instance.ready(true).await;
    let (answered, answer) = channel();
    let counter = instance.counter;
    thread::spawn(move || answered.send(get(counter, "/")));
    fake.asked().await;
    instance.process.terminate();
    // The listener is closed before the answer comes.
    let start = Instant::now();
    while TcpStream::connect(counter).is_ok() {
        assert!(start.elapsed() < DEADLINE, "still listening");
        sleep(std::time::Duration::from_millis(10)).await;
    }
    fake.answer(":1\r\n");
    let (status, body) = answer.recv_timeout(DEADLINE).unwrap();
    assert_eq!((status, numbers(&body)), (200, (1, 1)));
    let (status, log) = instance.process.ended().await;
    assert_eq!(status.code(), Some(0), "{log:?}");
}

#[tokio::test]
async fn sigterm_waits_for_those_who_left_only_as_long_as_it_may() {
    let fake = Fake::start();
    let flags = ["--redis-timeout=1h", "--shutdown-timeout-seconds=1"];
    let mut instance = mk_instance("host", fake.port, &flags);
    instance.ready(true).await;
    let mut leaves = TcpStream::connect(instance.counter).unwrap();
    let asked = request("GET", "/");
    leaves.write_all(asked.as_bytes()).unwrap();
    fake.asked().await;
    drop(leaves);
    instance.process.terminate();
    // Redis may take an hour.
    let (status, log) = instance.process.ended().await;
    assert_eq!(status.code(), Some(0), "{log:?}");
    let given_up = "requests whose callers have left are given up count=1";
    assert!(log.iter().any(|line| line.ends_with(given_up)), "{log:?}");
}

#[test]
fn wrong_usage_is_one_line_and_64() {
    let cases: [(&[(&str, &str)], &str); 6] = [
        (
            &[("ROLES", "counter")],
            "not provided: --redis-counter-key <APP_REDIS_COUNTER_KEY>",
        ),
        (&[("APP_REDIS_COUNTER_KEY", "")], "'--redis-counter-key"),
        (
            &[("APP_REDIS_RETRY_DURATION", "5")],
            "\"5\" is not a duration such as 30s, 1m30s or 500ms",
        ),
        (&[("APP_SERVER_PORT", "65536")], "'--server-port"),
        (&[("APP_REDIS_TIMEOUT", "0s")], "must be more than 0"),
        (&[("APP_INIT_DEBUG", "perhaps")], "'--init-debug"),
    ];
    for (variables, expected) in cases {
        let output = command().envs(variables.iter().copied()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}
