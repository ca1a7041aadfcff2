"""A test for each of the original charts' defects (numbers 5 and 9 to 15; the others are Terraform's).

They are named in README.md, in the table of the steps that failed.
"""

import unittest

import yaml
from charts import CHARTS, HELM_DIR, ChartTest, container, environment, one, render, some

SCRAPE_KEYS = ("prometheus.io/scrape", "prometheus.io/port")


class Defects(ChartTest):
    def test_05_client_pods_can_go_where_they_are_told(self):
        toleration = {"key": "dedicated", "operator": "Equal", "value": "client", "effect": "NoSchedule"}
        for chart in ("client", "server"):
            sets = tuple(f"tolerations[0].{key}={value}" for key, value in toleration.items())
            objects = render(chart, sets=(*sets, "nodeSelector.load=x"))
            # The pod of `helm test`, too: it would stay Pending where the others run.
            for spec in [one(objects, "Deployment")["spec"]["template"]["spec"], one(objects, "Pod")["spec"]]:
                self.assertEqual(spec["tolerations"], [toleration])
                self.assertEqual(spec["nodeSelector"], {"load": "x"})

    def test_05_each_chart_goes_to_its_own_node_pool(self):
        taint = {"key": "dedicated", "operator": "Equal", "value": "server", "effect": "NoSchedule"}
        for chart, tolerations in (("client", None), ("server", [taint])):
            objects = render(chart, HELM_DIR / chart / "values-gke.yaml")
            spec = one(objects, "Deployment")["spec"]["template"]["spec"]
            affinity = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            self.assertEqual(
                affinity["nodeSelectorTerms"],
                [{"matchExpressions": [{"key": "load", "operator": "In", "values": [chart]}]}],
            )
            self.assertEqual(spec.get("tolerations"), tolerations)

    def test_09_deployments_are_apps_v1(self):
        for _, objects in self.each_branch():
            for deployment in some(objects, "Deployment"):
                self.assertEqual(deployment["apiVersion"], "apps/v1")
                self.assertIn("selector", deployment["spec"])
            self.assertNotIn("extensions/v1beta1", str(objects))

    def test_10_container_ports_carry_no_target_port(self):
        for _, objects in self.each_branch():
            for deployment in some(objects, "Deployment"):
                for found in deployment["spec"]["template"]["spec"]["containers"]:
                    for port in found["ports"]:
                        self.assertLessEqual(set(port), {"name", "containerPort", "protocol"})

    def test_11_charts_are_for_helm_3_and_later(self):
        for chart in CHARTS:
            meta = (HELM_DIR / chart / "Chart.yaml").read_text()
            self.assertIn("apiVersion: v2\n", meta)
            self.assertFalse((HELM_DIR / chart / "requirements.yaml").exists())
            self.assertNotRegex((HELM_DIR / chart / "README.md").read_text(), r"--name\s")
        # `helm install client helm/client`: the release's name is in the selector's label.
        for chart in ("client", "server"):
            selector = one(render(chart), "Deployment")["spec"]["selector"]["matchLabels"]
            self.assertEqual(selector["app.kubernetes.io/instance"], chart)

    def test_12_the_server_has_requests_and_cannot_lose_them(self):
        for _, objects in self.each_branch("server", "client"):
            self.assertTrue(container(objects)["resources"]["requests"]["cpu"])
            self.assertTrue(container(objects)["resources"]["requests"]["memory"])
        for chart in ("server", "client"):
            self.assert_refused(chart, "resources", "--set", "resources.requests=null")
            self.assert_refused(chart, "resources", "--set", "resources.requests.cpu=null")
            self.assert_refused(chart, "resources", "--set", "resources=null")

    def test_13_scrape_annotations_are_on_pods_only(self):
        for _, objects in self.each_branch():
            for document in objects:
                for key in document["metadata"].get("annotations", {}):
                    self.assertFalse(key.startswith("prometheus.io/"), document["kind"])
        for chart in ("client", "metrics-adapter", "monitoring", "server"):
            name = "prometheus" if chart == "monitoring" else None
            template = one(render(chart), "Deployment", name)["spec"]["template"]
            annotations = template["metadata"]["annotations"]
            self.assertEqual(annotations["prometheus.io/scrape"], "true")
            port = int(annotations["prometheus.io/port"])
            self.assertIn(port, [p["containerPort"] for p in container(render(chart), name)["ports"]])
        for chart in ("metrics-adapter", "monitoring", "server"):
            for key in SCRAPE_KEYS:
                escaped = key.replace(".", "\\.")
                self.assert_refused(
                    chart, "belongs on pods only", "--set-string", f"service.annotations.{escaped}=1"
                )

    def test_13_prometheus_discovers_pods_and_nothing_else(self):
        config = yaml.safe_load(one(render("monitoring"), "ConfigMap", "prometheus")["data"]["prometheus.yml"])
        self.assertEqual(len(config["scrape_configs"]), 1)
        self.assertEqual(config["scrape_configs"][0]["kubernetes_sd_configs"], [{"role": "pod"}])

    def test_14_autoscaler_metrics_api_and_prometheus_are_there(self):
        server = render("server")
        hpa = one(server, "HorizontalPodAutoscaler", "server")
        self.assertEqual(hpa["apiVersion"], "autoscaling/v2")
        self.assertEqual(
            hpa["spec"]["scaleTargetRef"],
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": one(server, "Deployment")["metadata"]["name"],
            },
        )
        adapter = render("metrics-adapter")
        self.assertEqual(
            {o["metadata"]["name"] for o in some(adapter, "APIService")},
            {"v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"},
        )
        one(render("monitoring"), "Deployment", "prometheus")

    def test_15_clients_find_every_pod(self):
        headless = one(render("server"), "Service", "server-headless")
        self.assertEqual(headless["spec"]["clusterIP"], "None")
        self.assertIs(headless["spec"]["publishNotReadyAddresses"], False)
        client = environment(render("client"))
        (port,) = headless["spec"]["ports"]
        self.assertEqual(client["ADDR"]["value"], f"server-headless:{port['port']}")
        self.assertEqual(client["DNS"]["value"], "true")
        # ... and leave old connections, so that new pods get their share.
        age = environment(render("server"))["MAX_CONNECTION_AGE_SECONDS"]
        self.assertGreater(int(age["value"]), 0)


if __name__ == "__main__":
    unittest.main()
