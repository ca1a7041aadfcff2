"""The chart of Prometheus, Grafana and Alertmanager: what is scraped, evaluated, shown and sent."""

import base64
import functools
import json
import pathlib
import re
import tempfile
import unittest

import yaml
from charts import CHARTS, HELM_DIR, ChartTest, container, load_all, one, render, run, some, template

CI = HELM_DIR / "monitoring/ci"
RULES = HELM_DIR.parent / "prometheus-rules"
BOARDS = HELM_DIR.parent / "grafana/dashboards"
STACK = HELM_DIR / "monitoring/values-kube-prometheus-stack.yaml"


KUBERNETES_SD = """    kubernetes_sd_configs:
      - role: pod
"""
STATIC = """    static_configs:
      - targets: [127.0.0.1:9090]
"""


@functools.lru_cache(maxsize=None)
def knows_kubernetes():
    """Whether promtool was built with Kubernetes service discovery; Debian's is not.

    It then checks the file with other targets in that place. The one key that it does not see is
    compared below, in test_pods_are_found_by_annotation_and_labelled, and read by the Prometheus of
    the end-to-end tests.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(f"scrape_configs:\n  - job_name: pods\n{KUBERNETES_SD}")
        file.flush()
        done = run("promtool", "check", "config", file.name, check=False)
    if done.returncode != 0 and "field kubernetes_sd_configs not found" not in done.stderr + done.stdout:
        raise AssertionError(done.stdout + done.stderr)
    return done.returncode == 0


def config(objects):
    return yaml.safe_load(one(objects, "ConfigMap", "prometheus")["data"]["prometheus.yml"])


def provisioned(objects):
    """Grafana's provisioning files, by their names."""
    return {name: yaml.safe_load(text) for name, text in one(objects, "Secret", "grafana-provisioning")["stringData"].items()}


class Monitoring(ChartTest):
    def test_kubelets_are_scraped_on_demand_with_the_right_to_it(self):
        objects = render("monitoring", CI / "kubelets-values.yaml")
        pods, kubelets = config(objects)["scrape_configs"]
        self.assertEqual((pods["job_name"], kubelets["job_name"]), ("kubernetes-pods", "kubelets"))
        self.assertEqual((kubelets["scheme"], kubelets["metrics_path"]), ("https", "/metrics/resource"))
        self.assertIn("ca_file", kubelets["tls_config"])
        self.assertNotIn("insecure_skip_verify", kubelets["tls_config"])
        self.assertEqual(kubelets["relabel_configs"][0]["target_label"], "node")
        rules = one(objects, "ClusterRole")["rules"]
        self.assertIn({"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]}, rules)
        self.assertEqual(len(one(render("monitoring"), "ClusterRole")["rules"]), 1)

    def test_promtool_accepts_configuration_and_rules(self):
        for _, objects in self.each_branch("monitoring"):
            if "prometheus" not in [o["metadata"]["name"] for o in some(objects, "Deployment")]:
                continue
            with tempfile.TemporaryDirectory() as directory:
                text = one(objects, "ConfigMap", "prometheus")["data"]["prometheus.yml"]
                self.assertIn("- /etc/prometheus/rules/*.yaml\n", text)
                text = text.replace("/etc/prometheus/rules", f"{directory}/rules")
                # Files that are in the pod, and that promtool wants to see.
                text = text.replace("/var/run/secrets/kubernetes.io/serviceaccount", directory)
                text = text.replace("/etc/prometheus/secrets/node-exporter", directory)
                for file in ("token", "ca.crt"):
                    (pathlib.Path(directory) / file).write_text("")
                if not knows_kubernetes():
                    text = text.replace(KUBERNETES_SD, STATIC)
                    text = text.replace(KUBERNETES_SD.replace("pod", "node"), STATIC)
                    self.assertNotIn("kubernetes_sd_configs", text)
                path = pathlib.Path(directory)
                (path / "rules").mkdir()
                (path / "prometheus.yml").write_text(text)
                rules = one(objects, "ConfigMap", "prometheus-rules")["data"]
                self.assertTrue(rules)
                for name, content in rules.items():
                    (path / "rules" / name).write_text(content)
                done = run("promtool", "check", "config", path / "prometheus.yml")
                for name in rules:
                    self.assertIn(f"Checking {directory}/rules/{name}", done.stdout)

    def test_the_rules_are_the_files_of_prometheus_rules(self):
        data = one(render("monitoring"), "ConfigMap", "prometheus-rules")["data"]
        self.assertEqual(
            {name: yaml.safe_load(text) for name, text in data.items()},
            {file.name: yaml.safe_load(file.read_text()) for file in RULES.glob("*.yaml")},
        )

    def test_other_rules_and_runbook_addresses(self):
        data = one(render("monitoring", CI / "everything-values.yaml"), "ConfigMap", "prometheus-rules")["data"]
        self.assertIn("mine.yaml", data)
        alerts = [
            rule
            for text in data.values()
            for group in yaml.safe_load(text)["groups"]
            for rule in group["rules"]
            if "alert" in rule
        ]
        self.assertTrue(alerts)
        for alert in alerts:
            self.assertEqual(
                alert["annotations"]["runbook_url"],
                f"https://example.com/project/blob/main/docs/runbooks/{alert['alert']}.md",
            )
        only = one(render("monitoring", CI / "no-rules-values.yaml"), "ConfigMap", "prometheus-rules")["data"]
        self.assertEqual(list(only), ["mine.yaml"])
        self.assert_refused(
            "monitoring", "rules.extra", "--set-json", 'rules.extra={"server.yaml":{"groups":[]}}'
        )

    def test_pods_are_found_by_annotation_and_labelled(self):
        (job,) = config(render("monitoring"))["scrape_configs"]
        self.assertEqual(job["job_name"], "kubernetes-pods")
        self.assertEqual(job["kubernetes_sd_configs"], [{"role": "pod"}])
        rules = job["relabel_configs"]
        targets = {r["target_label"] for r in rules if r["action"] == "replace"}
        self.assertEqual(
            targets, {"__address__", "__scheme__", "__metrics_path__", "namespace", "pod", "app"}
        )
        keeps = {tuple(r["source_labels"]): r["regex"] for r in rules if r["action"] == "keep"}
        self.assertEqual(keeps[("__meta_kubernetes_pod_annotation_prometheus_io_scrape",)], "true")
        self.assertEqual(keeps[("__meta_kubernetes_pod_phase",)], "Running")

    def test_scrapes_fit_the_rules_ranges(self):
        settings = config(render("monitoring"))["global"]
        self.assertEqual(settings["scrape_interval"], "5s")
        self.assertEqual(settings["scrape_timeout"], "4s")

    def test_alertmanagers(self):
        self.assertNotIn("alerting", config(render("monitoring")))
        for values, targets in (
            ("everything-values.yaml", ["alertmanager.monitoring.svc:9093", "alertmanager.other.svc:9093"]),
            ("alertmanager-values.yaml", ["alertmanager.monitoring.svc:9093"]),
        ):
            settings = config(render("monitoring", CI / values))
            self.assertEqual(settings["alerting"]["alertmanagers"], [{"static_configs": [{"targets": targets}]}])

    def test_the_adapter_finds_it(self):
        service = one(render("monitoring"), "Service", "prometheus")
        url = f"http://prometheus.monitoring.svc:{service['spec']['ports'][0]['port']}"
        self.assertIn(f"--prometheus-url={url}", container(render("metrics-adapter"))["args"])

    def test_data(self):
        def volume(values):
            objects = render("monitoring", CI / values)
            spec = one(objects, "Deployment", "prometheus")["spec"]["template"]["spec"]
            (data,) = [v for v in spec["volumes"] if v["name"] == "data"]
            return data, some(objects, "PersistentVolumeClaim")

        data, claims = volume("default-values.yaml")
        self.assertEqual((data["emptyDir"], claims), ({"sizeLimit": "8Gi"}, []))
        data, claims = volume("no-rules-values.yaml")
        self.assertEqual((data["emptyDir"], claims), ({}, []))
        data, claims = volume("persistent-values.yaml")
        self.assertEqual(data["persistentVolumeClaim"]["claimName"], claims[0]["metadata"]["name"])
        self.assertEqual(claims[0]["spec"]["resources"]["requests"]["storage"], "20Gi")
        data, claims = volume("existing-claim-values.yaml")
        self.assertEqual((data["persistentVolumeClaim"]["claimName"], claims), ("my-claim", []))

    def test_runs_as_nobody_with_its_data_apart(self):
        spec = one(render("monitoring"), "Deployment", "prometheus")["spec"]
        self.assertEqual(spec["strategy"], {"type": "Recreate"})
        self.assertEqual(spec["template"]["spec"]["securityContext"]["runAsUser"], 65534)
        mounts = {m["mountPath"]: m.get("readOnly", False) for m in container(render("monitoring"), "prometheus")["volumeMounts"]}
        self.assertEqual(
            mounts,
            {"/etc/prometheus/prometheus.yml": True, "/etc/prometheus/rules": True, "/prometheus": False},
        )

    def test_a_custom_alertmanager_is_accepted_by_amtool(self):
        checked = 0
        for _, objects in self.each_branch("monitoring"):
            for secret in (o for o in some(objects, "Secret") if o["metadata"]["name"] == "alertmanager"):
                with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
                    file.write(base64.b64decode(secret["data"]["alertmanager.yml"]).decode())
                    file.flush()
                    self.assertIn("SUCCESS", run("amtool", "check-config", file.name).stdout)
                checked += 1
        self.assertEqual(checked, 1)
        objects = render("monitoring", CI / "everything-values.yaml")
        self.assertNotIn("alertmanager", [o["metadata"]["name"] for o in some(objects, "Secret")])
        volumes = one(objects, "Deployment", "alertmanager")["spec"]["template"]["spec"]["volumes"]
        self.assertIn({"name": "config", "secret": {"secretName": "my-alertmanager"}}, volumes)
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            values = yaml.safe_load((HELM_DIR / "monitoring/values.yaml").read_text())
            yaml.safe_dump(values["alertmanager"]["config"], file)
            run("amtool", "check-config", file.name)

    def test_grafana_shows_the_dashboards_of_the_repository(self):
        objects = render("monitoring")
        boards = one(objects, "ConfigMap", "grafana-dashboards")
        self.assertEqual(
            {name: json.loads(text) for name, text in boards["data"].items()},
            {file.name: json.loads(file.read_text()) for file in BOARDS.glob("*.json")},
        )
        self.assertEqual(boards["metadata"]["labels"]["grafana_dashboard"], "1")
        provisioning = provisioned(objects)
        (source,) = provisioning["datasources.yaml"]["datasources"]
        service = one(objects, "Service", "prometheus")
        self.assertEqual(source["url"], f"http://prometheus.monitoring.svc:{service['spec']['ports'][0]['port']}")
        self.assertIs(source["isDefault"], True)
        (provider,) = provisioning["dashboards.yaml"]["providers"]
        mounts = {m["mountPath"]: m for m in container(objects, "grafana")["volumeMounts"]}
        self.assertEqual(mounts[provider["options"]["path"]]["name"], "dashboards")
        for name in provisioning:
            kind = name.removesuffix(".yaml")
            self.assertEqual(mounts[f"/etc/grafana/provisioning/{kind}/{name}"]["subPath"], name)
        volumes = {v["name"]: v for v in one(objects, "Deployment", "grafana")["spec"]["template"]["spec"]["volumes"]}
        mounted = volumes[mounts["/etc/grafana/provisioning/datasources/datasources.yaml"]["name"]]
        self.assertEqual(mounted["secret"], {"secretName": "grafana-provisioning"})
        # The root file system is read-only; Grafana writes here.
        for path in ("/var/lib/grafana", "/tmp", "/var/log/grafana"):
            self.assertFalse(mounts[path].get("readOnly", False))

    def test_grafana_has_no_default_password(self):
        def settings(values):
            env = container(render("monitoring", CI / values), "grafana")["env"]
            return {entry["name"]: entry for entry in env}

        plain = settings("default-values.yaml")
        self.assertEqual(plain["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"]["value"], "true")
        self.assertEqual(plain["GF_AUTH_ANONYMOUS_ORG_ROLE"]["value"], "Viewer")
        named = settings("grafana-elsewhere-values.yaml")
        self.assertNotIn("GF_AUTH_ANONYMOUS_ENABLED", named)
        for name, key in (("GF_SECURITY_ADMIN_USER", "admin-user"), ("GF_SECURITY_ADMIN_PASSWORD", "admin-password")):
            self.assertEqual(
                named[name]["valueFrom"]["secretKeyRef"], {"name": "grafana-admin", "key": key}
            )

    def test_grafana_has_something_to_show_and_somebody_to_ask(self):
        self.assert_refused("monitoring", "dashboards.enabled", "--set", "dashboards.enabled=false")
        self.assert_refused("monitoring", "grafana.prometheusUrl", "--set", "prometheus.enabled=false")
        objects = render("monitoring", CI / "grafana-elsewhere-values.yaml")
        sources = provisioned(objects)["datasources.yaml"]["datasources"]
        self.assertEqual([source["name"] for source in sources], ["Prometheus", "Loki"])
        self.assertEqual(sources[0]["url"], "http://thanos-query.observability.svc:9090")

    def test_passwords_of_data_sources_are_in_a_secret_alone_and_a_new_one_starts_a_new_pod(self):
        def rendered(password):
            source = {"name": "Loki", "type": "loki", "url": "http://loki:3100", "secureJsonData": {"basicAuthPassword": password}}
            done = template("monitoring", "--set-json", f"grafana.extraDatasources=[{json.dumps(source)}]")
            objects = load_all(done.stdout)
            self.assertEqual(provisioned(objects)["datasources.yaml"]["datasources"][1]["secureJsonData"]["basicAuthPassword"], password)
            for each in objects:
                if each["kind"] != "Secret":
                    self.assertNotIn(password, json.dumps(each))
            return one(objects, "Deployment", "grafana")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

        self.assertNotEqual(rendered("correct-horse"), rendered("battery-staple"))

    def test_grafana_fetches_nothing(self):
        env = {entry["name"]: entry.get("value") for entry in container(render("monitoring"), "grafana")["env"]}
        self.assertEqual(env["GF_PLUGINS_PREINSTALL_DISABLED"], "true")
        for name in ("REPORTING_ENABLED", "CHECK_FOR_UPDATES", "CHECK_FOR_PLUGIN_UPDATES"):
            self.assertEqual(env[f"GF_ANALYTICS_{name}"], "false")

    def test_a_scrape_job_names_files_of_a_secret(self):
        objects = render("monitoring", CI / "everything-values.yaml")
        (job,) = [job for job in config(objects)["scrape_configs"] if job["job_name"] == "node"]
        file = pathlib.PurePath(job["authorization"]["credentials_file"])
        (mount,) = [m for m in container(objects, "prometheus")["volumeMounts"] if m["mountPath"] == str(file.parent)]
        self.assertIs(mount["readOnly"], True)
        volumes = one(objects, "Deployment", "prometheus")["spec"]["template"]["spec"]["volumes"]
        self.assertIn({"name": mount["name"], "secret": {"secretName": "node-exporter"}}, volumes)

    def test_helm_test_asks_all_that_runs(self):
        def asked(values):
            pods = some(render("monitoring", values), "Pod")
            return {c["name"]: c["command"] for pod in pods for c in pod["spec"]["containers"]}

        ready = ["/bin/promtool", "check", "ready"]
        self.assertEqual(
            asked(CI / "everything-values.yaml"),
            {
                "prometheus": [*ready, "--url=http://prometheus:9090"],
                "alertmanager": [*ready, "--url=http://alertmanager:9093"],
                "grafana": ["wget", "-q", "-O", "/dev/null", "http://grafana:3000/api/health"],
            },
        )
        self.assertEqual(list(asked(CI / "grafana-elsewhere-values.yaml")), ["grafana"])
        self.assertEqual(asked(STACK), {})

    def test_what_scales_and_what_is_recorded_is_shown(self):
        shown = "".join(
            target["expr"] for file in BOARDS.glob("*.json") for panel in json.loads(file.read_text())["panels"]
            for target in panel["targets"] if target["datasource"]["type"] == "prometheus"
        )
        groups = [group for file in RULES.glob("*.yaml") for group in yaml.safe_load(file.read_text())["groups"]]
        recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
        hpa = one(render("server"), "HorizontalPodAutoscaler")["spec"]["metrics"]
        wanted = {metric["pods"]["metric"]["name"] for metric in hpa}
        rules = yaml.safe_load((HELM_DIR / "metrics-adapter/files/default-rules.yaml").read_text())
        series = {rule["name"]["as"]: re.search(r'__name__=~"\^(.+?)\$"', rule["seriesQuery"])[1] for rule in rules}
        self.assertEqual(wanted, set(series) & wanted)
        self.assertGreater(len(recorded), 4)
        for name in recorded | {series[metric] for metric in wanted}:
            self.assertIn(f"{name}{{", shown)

    def test_beside_another_stack_nothing_runs(self):
        objects = render("monitoring", STACK)
        self.assertEqual(sorted(o["kind"] for o in objects), ["ConfigMap", "PodMonitor", "PrometheusRule"])
        for kind in ("PodMonitor", "PrometheusRule"):
            self.assertEqual(one(objects, kind)["metadata"]["labels"]["release"], "kube-prometheus-stack")
        groups = one(objects, "PrometheusRule")["spec"]["groups"]
        self.assertEqual(
            groups,
            [group for file in sorted(RULES.glob("*.yaml")) for group in yaml.safe_load(file.read_text())["groups"]],
        )
        # A PrometheusRule's groups are one file to Prometheus, in which a name may be there once.
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump({"groups": groups}, file)
            run("promtool", "check", "rules", file.name)

    def test_the_pod_monitor_finds_every_pod_with_metrics(self):
        spec = one(render("monitoring", STACK), "PodMonitor")["spec"]
        expressions = spec["selector"]["matchExpressions"]
        self.assertEqual([e["operator"] for e in expressions], ["In", "In"])
        wanted = {e["key"]: e["values"] for e in expressions}
        # The label `app` alone is anybody's.
        self.assertEqual(set(wanted), {"app", "app.kubernetes.io/name"})
        self.assertIs(spec["namespaceSelector"]["any"], True)
        self.assertEqual(spec["podTargetLabels"], ["app"])
        ports = {endpoint["port"] for endpoint in spec["podMetricsEndpoints"]}
        found = {key: set() for key in wanted}
        for chart in set(CHARTS) - {"monitoring"}:
            for deployment in some(render(chart), "Deployment"):
                pod = deployment["spec"]["template"]
                scraped = pod["metadata"].get("annotations", {}).get("prometheus.io/port")
                if scraped:
                    app = pod["metadata"]["labels"]["app"]
                    for key, values in wanted.items():
                        found[key].add(pod["metadata"]["labels"][key])
                        self.assertIn(pod["metadata"]["labels"][key], values)
                    names = {p["name"] for p in pod["spec"]["containers"][0]["ports"] if str(p["containerPort"]) == scraped}
                    self.assertEqual(len(names & ports), 1, app)
        self.assertEqual(found, {key: set(values) for key, values in wanted.items()})


if __name__ == "__main__":
    unittest.main()
