//! What is started: etcd, kube-apiserver, Prometheus and the adapter, on loopback. Law: nothing of
//! it outlives the bench, and nothing of another cluster on this machine is touched.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use http::HeaderMap;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    audit::{self, Audit},
    check,
    connection::{Endpoint, uri},
    error::{Error, Result},
    exporter::Exporter,
    exposition,
    plan::{self, Shape},
};
use crate::{
    child::{Child, free_ports},
    component,
    layout::Layout,
    pki,
};

/// The namespace and the name of the adapter's Service.
pub(crate) const SERVICE: (&str, &str) = ("bench-system", "metrics-adapter");
/// Whom the adapter's requests to kube-apiserver come from.
pub(crate) const ADAPTER_USER: &str = "metrics-adapter";
/// The HPA controller's name.
pub(crate) const HPA_USER: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
const HPA_GROUPS: [&str; 3] = [
    "system:serviceaccounts",
    "system:serviceaccounts:kube-system",
    "system:authenticated",
];
/// Enough for a step of the start, even when other work keeps all cores busy.
const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(20);

/// Rules as people write them.
const RULES: &str = "\
rules:
- seriesQuery: '{__name__=~\"^app_.*\",namespace!=\"\",pod!=\"\"}'
  resources:
    overrides:
      namespace: {resource: namespace}
      pod: {resource: pod}
  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)
";

/// The programs under test.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) adapter: PathBuf,
    pub(crate) limit: PathBuf,
}

/// Where things are.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The bench's own directory.
    pub(crate) dir: PathBuf,
    bin: PathBuf,
    etcd: SocketAddr,
    etcd_peers: SocketAddr,
    pub(crate) apiserver: SocketAddr,
    pub(crate) prometheus: SocketAddr,
    pub(crate) adapter: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) limit: SocketAddr,
    pub(crate) bare: SocketAddr,
}

/// Everything that runs; ended from the first field to the last.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) prometheus: Child,
    pub(crate) apiserver: Child,
    etcd: Child,
    pub(crate) places: Places,
}

impl Places {
    /// A new directory with certificates; ports that are free.
    pub(crate) fn prepare(layout: &Layout, dir: &Path) -> Result<Self> {
        let work = dir.join("work");
        if work.exists() {
            fs::remove_dir_all(&work).map_err(crate::Error::file("remove", &work))?;
        }
        let logs = work.join("logs");
        fs::create_dir_all(&logs).map_err(crate::Error::file("create", logs))?;
        let [
            etcd,
            etcd_peers,
            apiserver,
            prometheus,
            adapter,
            admin,
            limit,
            bare,
        ] = free_ports()?;
        let places = Self {
            dir: work,
            bin: layout.bin(),
            etcd,
            etcd_peers,
            apiserver,
            prometheus,
            adapter,
            admin,
            limit,
            bare,
        };
        let pki = places.pki();
        let authority = pki::create_in(&pki, &format!("https://{apiserver}"))?;
        let (namespace, service) = SERVICE;
        let name = format!("{service}.{namespace}.svc");
        authority.server(&pki, "adapter", service, &[&name, "127.0.0.1"])?;
        authority.client(&pki, ADAPTER_USER, ADAPTER_USER, None)?;
        authority.client(&pki, "hpa", HPA_USER, None)?;
        let config = crate::kubeconfig::render(&pki, ADAPTER_USER, &format!("https://{apiserver}"));
        places.write(&format!("{ADAPTER_USER}.kubeconfig"), &config)?;
        places.write("rules.yaml", RULES)?;
        places.write("audit-policy.yaml", &audit::policy(ADAPTER_USER))?;
        Ok(places)
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.dir.join("pki")
    }

    /// What the adapter asked kube-apiserver.
    pub(crate) fn audit(&self) -> Audit {
        Audit(self.dir.join("audit.log"))
    }

    fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        let file = self.dir.join(name);
        fs::write(&file, content).map_err(|cause| crate::Error::file("write", file)(cause).into())
    }

    /// The adapter, called as kube-aggregator calls it.
    pub(crate) fn front_proxy(&self) -> Result<Endpoint> {
        Endpoint::new(self.adapter, &self.pki(), "ca", "front-proxy-client")
    }

    /// kube-apiserver, called by its administrator.
    pub(crate) fn admin(&self) -> Result<Endpoint> {
        Endpoint::new(self.apiserver, &self.pki(), "ca", "admin")
    }

    /// kube-apiserver, called by the HPA controller.
    pub(crate) fn hpa(&self) -> Result<Endpoint> {
        Endpoint::new(self.apiserver, &self.pki(), "ca", "hpa")
    }

    /// Starts an adapter; it need not listen yet.
    pub(crate) fn start_adapter(
        &self,
        programs: &Programs,
        prometheus: SocketAddr,
        extra: &[String],
    ) -> Result<Child> {
        let file = |name: &str| self.dir.join(name).display().to_string();
        let mut args = vec![
            format!("--config={}", file("rules.yaml")),
            format!("--tls-cert-file={}", file("pki/adapter.crt")),
            format!("--tls-private-key-file={}", file("pki/adapter.key")),
            format!("--prometheus-url=http://{prometheus}"),
            format!("--bind-address={}", self.adapter.ip()),
            format!("--secure-port={}", self.adapter.port()),
            format!("--admin-address={}", self.admin),
            format!(
                "--metrics-max-staleness={}s",
                check::MAX_STALENESS.as_secs()
            ),
        ];
        let kubeconfig = file(&format!("{ADAPTER_USER}.kubeconfig"));
        for client in ["lister", "authentication", "authorization"] {
            args.push(format!("--{client}-kubeconfig={kubeconfig}"));
        }
        args.extend_from_slice(extra);
        Ok(Child::start(
            "metrics-adapter",
            &programs.adapter,
            &args,
            &[],
            &self.logs(),
        )?)
    }

    /// Starts what answers fixed bytes; a minimal server if `bare`, or else the adapter's listener.
    pub(crate) async fn start_limit(
        &self,
        programs: &Programs,
        content_type: &str,
        bare: bool,
    ) -> Result<Child> {
        let (name, address) = if bare {
            ("bare-limit", self.bare)
        } else {
            ("static-limit", self.limit)
        };
        let file = |name: &str| self.dir.join(name).display().to_string();
        let mut args = vec![
            format!("--address={address}"),
            format!("--certificate={}", file("pki/adapter.crt")),
            format!("--key={}", file("pki/adapter.key")),
            format!("--body={}", file("answer")),
            format!("--content-type={content_type}"),
        ];
        if bare {
            args.push("--bare".to_owned());
        }
        let mut child = Child::start(name, &programs.limit, &args, &[], &self.logs())?;
        listening(&mut child, address).await?;
        Ok(child)
    }
}

/// What the front proxy tells about the caller.
pub(crate) fn front_proxy_headers(media_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-remote-user", http::HeaderValue::from_static(HPA_USER));
    for group in HPA_GROUPS {
        headers.append("x-remote-group", http::HeaderValue::from_static(group));
    }
    headers.insert(
        http::header::ACCEPT,
        http::HeaderValue::from_static(media_type),
    );
    headers
}

impl Stage {
    /// Starts everything but the adapter.
    pub(crate) async fn start(places: Places, exporter: &Exporter, shape: Shape) -> Result<Self> {
        let bin = |name: &str| places.bin.join(name);
        let file = |name: &str| places.dir.join(name).display().to_string();
        let mut etcd = Child::start(
            "etcd",
            &bin("etcd"),
            &[
                format!("--data-dir={}", file("etcd")),
                format!("--listen-client-urls=http://{}", places.etcd),
                format!("--advertise-client-urls=http://{}", places.etcd),
                format!("--listen-peer-urls=http://{}", places.etcd_peers),
                "--log-level=warn".to_owned(),
                "--unsafe-no-fsync".to_owned(),
            ],
            &[],
            &places.logs(),
        )?;
        listening(&mut etcd, places.etcd).await?;
        let apiserver = Child::start(
            "kube-apiserver",
            &bin("kube-apiserver"),
            &apiserver_arguments(&places),
            &[],
            &places.logs(),
        )?;
        places.write("prometheus.yaml", &prometheus_config(exporter, shape))?;
        let prometheus = Child::start(
            "prometheus",
            &bin("prometheus"),
            &[
                format!("--config.file={}", file("prometheus.yaml")),
                format!("--storage.tsdb.path={}", file("tsdb")),
                format!("--web.listen-address={}", places.prometheus),
                "--log.level=warn".to_owned(),
            ],
            &[],
            &places.logs(),
        )?;
        let mut stage = Self {
            prometheus,
            apiserver,
            etcd,
            places,
        };
        stage.ready().await?;
        Ok(stage)
    }

    async fn ready(&mut self) -> Result<()> {
        listening(&mut self.apiserver, self.places.apiserver).await?;
        let admin = self.places.admin()?;
        let begun = Instant::now();
        loop {
            self.check()?;
            let asked = async {
                let connection = admin.connect().await?;
                let uri = uri(admin.address, "/readyz")?;
                connection.sender().get(uri, HeaderMap::new()).await
            };
            let last = match asked.await {
                Ok(answer) if answer.status() == 200 => break,
                Ok(answer) => String::from_utf8_lossy(answer.body()).into_owned(),
                Err(error) => error.to_string(),
            };
            late("kube-apiserver ready", begun, last)?;
            sleep(10 * POLL).await;
        }
        listening(&mut self.prometheus, self.places.prometheus).await
    }

    /// Fails if anything has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.etcd.check()?;
        self.apiserver.check()?;
        Ok(self.prometheus.check()?)
    }

    /// Waits until Prometheus has every series.
    pub(crate) async fn scraped(&mut self, shape: Shape) -> Result<()> {
        let query = format!("count({{__name__=~\"{}.*\"}})", plan::PREFIX);
        let url = format!("http://{}/api/v1/query", self.places.prometheus);
        let begun = Instant::now();
        loop {
            self.check()?;
            let last = match get(&format!("{url}?query={query}")).await {
                Ok(text) if text.contains(&format!("\"{}\"", shape.series())) => return Ok(()),
                Ok(text) => text,
                Err(error) => error.to_string(),
            };
            late("every series in Prometheus", begun, last)?;
            sleep(10 * POLL).await;
        }
    }

    /// Instant queries that Prometheus has answered since it began.
    pub(crate) async fn queries(&self) -> Result<f64> {
        let text = get(&format!("http://{}/metrics", self.places.prometheus)).await?;
        let handler = ["handler=\"/api/v1/query\""];
        Ok(exposition::sum(
            &text,
            "prometheus_http_requests_total",
            &handler,
        ))
    }
}

/// A document of somebody who speaks plain HTTP.
pub(crate) async fn get(url: &str) -> Result<String> {
    let failed = |cause: reqwest::Error| Error::failed(url, cause);
    let answer = reqwest::get(url).await.map_err(failed)?;
    answer.text().await.map_err(failed)
}

/// Fails when something has been waited for too long.
fn late(what: &str, begun: Instant, last: String) -> Result<()> {
    if begun.elapsed() < PATIENCE {
        return Ok(());
    }
    Err(crate::Error::Timeout {
        what: what.to_owned(),
        within: PATIENCE,
        last,
    }
    .into())
}

/// Waits until a process listens.
pub(crate) async fn listening(child: &mut Child, address: SocketAddr) -> Result<()> {
    let begun = Instant::now();
    loop {
        child.check()?;
        match tokio::net::TcpStream::connect(address).await {
            Ok(_) => return Ok(()),
            Err(error) => late(
                &format!("a listener on {address}"),
                begun,
                error.to_string(),
            )?,
        }
        sleep(POLL).await;
    }
}

/// Waits until an adapter says that it is ready.
pub(crate) async fn ready(adapter: &mut Child, admin: SocketAddr) -> Result<()> {
    let begun = Instant::now();
    loop {
        adapter.check()?;
        let last = match reqwest::get(format!("http://{admin}/readyz")).await {
            Ok(answer) if answer.status() == 200 => return Ok(()),
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        late("the adapter ready", begun, last)?;
        sleep(POLL).await;
    }
}

/// As the testbed's cluster starts it, but without a node: there is no controller, so nothing waits
/// for service accounts, and no Service has an address.
fn apiserver_arguments(places: &Places) -> Vec<String> {
    let mut arguments = vec![
        format!("--bind-address={}", places.apiserver.ip()),
        format!("--secure-port={}", places.apiserver.port()),
        format!("--etcd-servers=http://{}", places.etcd),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--advertise-address={}", places.apiserver.ip()),
        format!("--service-cluster-ip-range={}", crate::layout::SERVICE_CIDR),
        "--authorization-mode=RBAC".to_owned(),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!(
            "--audit-policy-file={}",
            places.dir.join("audit-policy.yaml").display()
        ),
        format!("--audit-log-path={}", places.audit().0.display()),
        // Megabytes; a new file in the middle of a run would hide the old one's requests.
        "--audit-log-maxsize=4096".to_owned(),
    ];
    arguments.extend(component::apiserver_identities(&places.pki()));
    arguments
}

/// YAML written as JSON.
fn prometheus_config(exporter: &Exporter, shape: Shape) -> String {
    let targets: Vec<serde_json::Value> = exporter
        .paths
        .iter()
        .map(|path| {
            json!({
                "targets": [exporter.address.to_string()],
                "labels": {"__metrics_path__": path},
            })
        })
        .collect();
    let seconds = shape.scrape_interval().as_secs();
    json!({
        "global": {"scrape_interval": format!("{seconds}s"), "scrape_timeout": "5s"},
        "scrape_configs": [{
            "job_name": "bench",
            "honor_labels": true,
            "static_configs": targets,
        }],
    })
    .to_string()
}
