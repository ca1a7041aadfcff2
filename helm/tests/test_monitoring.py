"""The chart of Prometheus: what it scrapes and evaluates."""

import functools
import pathlib
import tempfile
import unittest

import yaml
from charts import HELM_DIR, ChartTest, container, one, render, run, some

CI = HELM_DIR / "monitoring/ci"
RULES = HELM_DIR.parent / "prometheus-rules"


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
            with tempfile.TemporaryDirectory() as directory:
                text = one(objects, "ConfigMap", "prometheus")["data"]["prometheus.yml"]
                self.assertIn("- /etc/prometheus/rules/*.yaml\n", text)
                text = text.replace("/etc/prometheus/rules", f"{directory}/rules")
                # Files that are in the pod, and that promtool wants to see.
                text = text.replace("/var/run/secrets/kubernetes.io/serviceaccount", directory)
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
        settings = config(render("monitoring", CI / "everything-values.yaml"))
        self.assertEqual(
            settings["alerting"]["alertmanagers"],
            [{"static_configs": [{"targets": ["alertmanager.monitoring.svc:9093"]}]}],
        )

    def test_the_adapter_finds_it(self):
        service = one(render("monitoring"), "Service", "prometheus")
        url = f"http://prometheus.monitoring.svc:{service['spec']['ports'][0]['port']}"
        self.assertIn(f"--prometheus-url={url}", container(render("metrics-adapter"))["args"])

    def test_data(self):
        def volume(values):
            objects = render("monitoring", CI / values)
            spec = one(objects, "Deployment")["spec"]["template"]["spec"]
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
        spec = one(render("monitoring"), "Deployment")["spec"]
        self.assertEqual(spec["strategy"], {"type": "Recreate"})
        self.assertEqual(spec["template"]["spec"]["securityContext"]["runAsUser"], 65534)
        mounts = {m["mountPath"]: m.get("readOnly", False) for m in container(render("monitoring"))["volumeMounts"]}
        self.assertEqual(
            mounts,
            {"/etc/prometheus/prometheus.yml": True, "/etc/prometheus/rules": True, "/prometheus": False},
        )


if __name__ == "__main__":
    unittest.main()
