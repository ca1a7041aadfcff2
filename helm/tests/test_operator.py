"""The adapter's chart: what it tells the Prometheus operator, what `helm test` asks, where pods go."""

import unittest

import yaml
from charts import HELM_DIR, ChartTest, one, render, some

CI = HELM_DIR / "metrics-adapter/ci"
RULES = HELM_DIR.parent / "prometheus-rules/adapter.yaml"


def pod(objects):
    return one(objects, "Deployment")["spec"]["template"]


class Operator(ChartTest):
    def test_a_pod_is_scraped_in_one_way_only(self):
        for _, objects in self.each_branch("metrics-adapter"):
            annotated = "prometheus.io/scrape" in pod(objects)["metadata"].get("annotations", {})
            monitors = some(objects, "PodMonitor") + some(objects, "ServiceMonitor")
            self.assertLessEqual(annotated + len(monitors), 1)
        self.assert_refused(
            "metrics-adapter", "scraped twice", "--set", "podMonitor.enabled=true,serviceMonitor.enabled=true"
        )

    def test_monitors_find_the_pods_and_keep_the_label_of_the_alerts(self):
        for values, kind, endpoints in (
            ("prometheus-operator-values.yaml", "PodMonitor", "podMetricsEndpoints"),
            ("service-monitor-values.yaml", "ServiceMonitor", "endpoints"),
        ):
            objects = render("metrics-adapter", CI / values)
            spec = one(objects, kind)["spec"]
            self.assertEqual(spec["podTargetLabels"], ["app"])
            self.assertEqual(pod(objects)["metadata"]["labels"]["app"], "metrics-adapter")
            (endpoint,) = spec[endpoints]
            if kind == "PodMonitor":
                labels = pod(objects)["metadata"]["labels"]
                ports = pod(objects)["spec"]["containers"][0]["ports"]
            else:
                service = one(objects, "Service")
                labels, ports = service["metadata"]["labels"], service["spec"]["ports"]
            self.assertLessEqual(spec["selector"]["matchLabels"].items(), labels.items())
            (port,) = [p for p in ports if p["name"] == endpoint["port"]]
            self.assertEqual(port.get("containerPort", port.get("port")), 8081)
        self.assertEqual(len(one(render("metrics-adapter"), "Service")["spec"]["ports"]), 1)

    def test_who_is_scraped_listens_and_lets_prometheus_in(self):
        for monitor in ("podMonitor", "serviceMonitor"):
            sets = ("scrape=false", f"{monitor}.enabled=true")
            objects = render("metrics-adapter", sets=(*sets, "networkPolicy.enabled=true"))
            ingress = one(objects, "NetworkPolicy")["spec"]["ingress"]
            self.assertIn("prom", [port["port"] for rule in ingress for port in rule["ports"]])
            objects = render("metrics-adapter", sets=(*sets, "hostNetwork.enabled=true"))
            self.assertIn("--admin-address=0.0.0.0:8081", pod(objects)["spec"]["containers"][0]["args"])

    def test_the_alerts_are_those_of_prometheus_rules(self):
        plain = render("metrics-adapter", CI / "service-monitor-values.yaml")
        self.assertEqual(one(plain, "PrometheusRule")["spec"], yaml.safe_load(RULES.read_text()))
        based = one(render("metrics-adapter", CI / "prometheus-operator-values.yaml"), "PrometheusRule")
        self.assertEqual(based["metadata"]["labels"]["release"], "kube-prometheus-stack")
        for group in based["spec"]["groups"]:
            for rule in group["rules"]:
                self.assertEqual(
                    rule["annotations"]["runbook_url"],
                    f"https://example.com/project/blob/main/docs/runbooks/{rule['alert']}.md",
                )

    def test_helm_test_asks_for_every_registered_api(self):
        for _, objects in self.each_branch("metrics-adapter"):
            asked = {
                argument.removeprefix("--raw=/apis/")
                for pod in some(objects, "Pod")
                for container in pod["spec"]["containers"]
                for argument in container["args"]
                if argument.startswith("--raw=")
            }
            registered = {
                f"{api['spec']['group']}/{api['spec']['version']}" for api in some(objects, "APIService")
            }
            self.assertEqual(asked, registered)

    def test_the_pod_of_helm_test_has_the_security_contexts_that_were_asked_for(self):
        objects = render(
            "metrics-adapter", sets=("podSecurityContext.runAsUser=1000700000", "securityContext.runAsGroup=7")
        )
        found = one(objects, "Pod")["spec"]
        self.assertEqual(found["securityContext"], pod(objects)["spec"]["securityContext"])
        self.assertEqual(found["securityContext"]["runAsUser"], 1000700000)
        for container in found["containers"]:
            self.assertEqual(container["securityContext"], pod(objects)["spec"]["containers"][0]["securityContext"])
            self.assertEqual(container["securityContext"]["runAsGroup"], 7)

    def test_placement_and_names_are_the_owners_to_choose(self):
        objects = render("metrics-adapter", CI / "sidecar-values.yaml")
        deployment = one(objects, "Deployment")
        self.assertEqual(deployment["metadata"]["annotations"], {"example.com/note": "hello"})
        self.assertEqual(deployment["spec"]["revisionHistoryLimit"], 3)
        spec = pod(objects)["spec"]
        self.assertEqual([c["name"] for c in spec["containers"]], ["metrics-adapter", "signer"])
        self.assertEqual([c["maxSkew"] for c in spec["topologySpreadConstraints"]], [2])
        self.assertEqual(spec["dnsConfig"]["options"], [{"name": "ndots", "value": "2"}])


if __name__ == "__main__":
    unittest.main()
