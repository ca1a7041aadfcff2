//! What is logged changes while the program runs.

use crate::command_line::{Files, Kubernetes, Program, client};

const ARGUMENTS: &[&str] = &[
    "--config=/etc/adapter/config.yaml",
    "--tls-cert-file=/var/run/serving-cert/tls.crt",
    "--tls-private-key-file=/var/run/serving-cert/tls.key",
];

struct Admin {
    client: reqwest::Client,
    url: String,
}

impl Admin {
    async fn get(&self) -> String {
        let answer = self.client.get(&self.url).send().await.unwrap();
        answer.text().await.unwrap()
    }

    async fn put(&self, filter: &str) -> (u16, String) {
        let request = self.client.put(&self.url).body(filter.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Is refused, of which a line tells at level debug.
    async fn is_refused_as(&self, host: &str) {
        let request = self.client.get(&self.url).header("host", host);
        assert_eq!(request.send().await.unwrap().status(), 403);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debug_lines_come_and_go() {
    let files = Files::new("rules: []");
    let kubernetes = Kubernetes::start(&files).await;
    let nobody = "http://127.0.0.1:1";
    let mut program = Program::start_with(&files, ARGUMENTS, &kubernetes.url, nobody);
    program.ready().await;
    let url = format!("http://127.0.0.1:{}/log-level", program.admin_port);
    let admin = Admin {
        client: client(),
        url,
    };
    let at_start = admin.get().await;
    assert!(at_start.contains("metrics_adapter=info"), "{at_start}");
    admin.is_refused_as("first.example").await;

    let debug = "telemetry=debug,info";
    assert_eq!(admin.put(debug).await, (200, format!("{debug}\n")));
    assert_eq!(admin.get().await, format!("{debug}\n"));
    program
        .says(&["INFO", "the log filter becomes telemetry=debug,info"])
        .await;
    admin.is_refused_as("second.example").await;
    program.says(&["DEBUG", "second.example"]).await;

    let (status, error) = admin.put("hyper=loud").await;
    assert_eq!(status, 400, "{error}");
    assert!(
        error.starts_with("invalid log level or filter \"hyper=loud\": "),
        "{error}"
    );
    assert_eq!(admin.put("info").await.0, 200);
    admin.is_refused_as("third.example").await;
    // Whatever was logged before this line is there when this line is.
    assert_eq!(admin.put("warn,telemetry=info").await.0, 200);
    program.says(&["becomes warn,telemetry=info"]).await;
    let log = program.said();
    for silent in ["first.example", "third.example"] {
        assert!(!log.contains(silent), "{log}");
    }
}
