"""The charts of the server and of its client."""

import unittest

import yaml
from charts import HELM_DIR, ChartTest, container, environment, one, render, some


class Server(ChartTest):
    def test_names(self):
        objects = render("server")
        self.assertEqual(one(objects, "Deployment")["metadata"]["name"], "server-default")
        self.assertEqual(
            {o["metadata"]["name"] for o in some(objects, "Service")}, {"server", "server-headless"}
        )
        for service in some(objects, "Service"):
            self.assertEqual([p["port"] for p in service["spec"]["ports"]], [9090])
        ports = {p["name"]: p["containerPort"] for p in container(objects)["ports"]}
        self.assertEqual(ports, {"svc": 9090, "prom": 8081})

    def test_labels_of_the_original_stay(self):
        for chart in ("server", "client"):
            template = one(render(chart), "Deployment")["spec"]["template"]
            labels = template["metadata"]["labels"]
            self.assertEqual(
                (labels["app"], labels["release"], labels["type"]), (chart, chart, "grpc-test-app")
            )

    def test_custom_labels_cannot_replace_ours(self):
        objects = render("server", HELM_DIR / "server/ci/everything-values.yaml")
        deployment = one(objects, "Deployment")
        self.assertEqual(deployment["metadata"]["labels"]["team"], "payments")
        self.assertEqual(deployment["metadata"]["labels"]["app"], "gserver")
        pod = deployment["spec"]["template"]["metadata"]["labels"]
        self.assertEqual((pod["tier"], pod["release"]), ("backend", "server"))

    def test_replicas_are_left_to_the_autoscaler(self):
        self.assertNotIn("replicas", one(render("server"), "Deployment")["spec"])
        self.assertNotIn("replicas", one(render("server", None, ("replicaCount=7",)), "Deployment")["spec"])
        fixed = render("server", HELM_DIR / "server/ci/fixed-replicas-values.yaml")
        self.assertEqual(one(fixed, "Deployment")["spec"]["replicas"], 3)
        self.assertEqual(some(fixed, "HorizontalPodAutoscaler"), [])

    def test_autoscaler_defaults(self):
        spec = one(render("server"), "HorizontalPodAutoscaler")["spec"]
        self.assertEqual((spec["minReplicas"], spec["maxReplicas"]), (1, 10))
        targets = [
            (m["type"], m["pods"]["metric"]["name"], m["pods"]["target"]) for m in spec["metrics"]
        ]
        self.assertEqual(
            targets,
            [
                (
                    "Pods",
                    "travelaudience_gserver_operations_ops_per_second",
                    {"type": "AverageValue", "averageValue": "35"},
                ),
                (
                    "Pods",
                    "travelaudience_gserver_operations_ops_duration_mean_seconds",
                    {"type": "AverageValue", "averageValue": "90m"},
                ),
            ],
        )
        up, down = spec["behavior"]["scaleUp"], spec["behavior"]["scaleDown"]
        self.assertEqual((up["stabilizationWindowSeconds"], up["selectPolicy"]), (0, "Max"))
        self.assertEqual(
            up["policies"],
            [
                {"type": "Percent", "value": 100, "periodSeconds": 15},
                {"type": "Pods", "value": 4, "periodSeconds": 15},
            ],
        )
        self.assertEqual(down["stabilizationWindowSeconds"], 120)

    def test_autoscaler_metrics_are_the_ones_that_the_adapter_serves(self):
        config = one(render("metrics-adapter"), "ConfigMap")["data"]["config.yaml"]
        served = {rule["name"]["as"] for rule in yaml.safe_load(config)["rules"]}
        wanted = {
            m["pods"]["metric"]["name"]
            for m in one(render("server"), "HorizontalPodAutoscaler")["spec"]["metrics"]
        }
        self.assertEqual(wanted, served)

    def test_the_capacity_of_all_pods_exceeds_the_goal(self):
        env = environment(render("server"))
        spec = one(render("server"), "HorizontalPodAutoscaler")["spec"]
        per_pod = int(env["WORKERS"]["value"]) * 1000 / int(env["SERVICE_TIME_MS"]["value"])
        target = int(spec["metrics"][0]["pods"]["target"]["averageValue"])
        self.assertLess(target, per_pod)
        self.assertGreaterEqual(target * spec["maxReplicas"], 2 * 150)

    def test_everything_for_a_demo_can_be_set(self):
        objects = render(
            "server",
            None,
            (
                "autoscaling.minReplicas=2",
                "autoscaling.maxReplicas=6",
                "autoscaling.requestsPerSecond.averageValue=12.5",
                "autoscaling.meanLatency.averageValue=90m",
                "autoscaling.behavior.scaleDown.stabilizationWindowSeconds=15",
                "envvar.workers.value=4",
                "envvar.serviceTimeMs.value=1000000",
                "envvar.drainDelaySeconds.value=2",
                "envvar.work.value=primes",
            ),
        )
        spec = one(objects, "HorizontalPodAutoscaler")["spec"]
        self.assertEqual((spec["minReplicas"], spec["maxReplicas"]), (2, 6))
        self.assertEqual(
            [m["pods"]["target"]["averageValue"] for m in spec["metrics"]], ["12.5", "90m"]
        )
        self.assertEqual(spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"], 15)
        self.assertEqual(spec["behavior"]["scaleUp"]["stabilizationWindowSeconds"], 0)
        env = {name: entry["value"] for name, entry in environment(objects).items()}
        self.assertEqual(
            (env["WORKERS"], env["SERVICE_TIME_MS"], env["DRAIN_DELAY_SECONDS"], env["WORK"]),
            ("4", "1000000", "2", "primes"),
        )

    def test_environment(self):
        objects = render("server", HELM_DIR / "server/ci/environment-values.yaml")
        env = environment(objects)
        self.assertEqual(env["SERVICE_TIME_MS"]["value"], "1000000")
        self.assertEqual(env["WORKERS"]["value"], "5")
        self.assertEqual(env["SOME_FLAG"]["value"], "false")
        self.assertEqual(env["EMPTY"]["value"], "")
        self.assertEqual(env["POD_IP"]["valueFrom"], {"fieldRef": {"fieldPath": "status.podIP"}})
        self.assertNotIn("QUEUE_LENGTH", env)
        self.assert_refused("server", "envvar.workers needs a value", "--set", "envvar.workers.value=null")

    def test_the_grace_period_covers_the_drain(self):
        for _, objects in self.each_branch("server"):
            env = environment(objects)
            drain = sum(int(env[n]["value"]) for n in ("DRAIN_DELAY_SECONDS", "SHUTDOWN_TIMEOUT_SECONDS"))
            spec = one(objects, "Deployment")["spec"]["template"]["spec"]
            self.assertGreater(spec["terminationGracePeriodSeconds"], drain)
        self.assert_refused(
            "server", "terminationGracePeriodSeconds", "--set", "envvar.drainDelaySeconds.value=15"
        )
        self.assert_refused("server", "terminationGracePeriodSeconds", "--set", "terminationGracePeriodSeconds=20")

    def test_an_update_takes_no_pod_before_its_successor_is_ready(self):
        strategy = one(render("server"), "Deployment")["spec"]["strategy"]
        self.assertEqual(strategy["rollingUpdate"]["maxUnavailable"], 0)

    def test_an_autoscaler_without_sense_is_refused(self):
        self.assert_refused(
            "server",
            "autoscaling",
            "--set",
            "autoscaling.requestsPerSecond.enabled=false,autoscaling.meanLatency.enabled=false",
        )
        self.assert_refused("server", "minReplicas", "--set", "autoscaling.minReplicas=11")
        self.assert_refused("server", "averageValue", "--set", "autoscaling.meanLatency.averageValue=80ms")

    def test_schedules_anywhere_by_default_and_on_its_pool_with_the_gke_values(self):
        for chart in ("server", "client"):
            spec = one(render(chart), "Deployment")["spec"]["template"]["spec"]
            self.assertNotIn("affinity", spec)
            self.assertNotIn("tolerations", spec)
            spec = one(render(chart, HELM_DIR / chart / "values-gke.yaml"), "Deployment")["spec"]["template"]["spec"]
            terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            self.assertEqual(
                terms["nodeSelectorTerms"],
                [{"matchExpressions": [{"key": "load", "operator": "In", "values": [chart]}]}],
            )
            self.assertEqual("tolerations" in spec, chart == "server")

    def test_the_client_of_helm_test_comes_from_where_the_server_comes_from(self):
        def image(*sets):
            (found,) = one(render("server", sets=sets), "Pod")["spec"]["containers"]
            return found["image"]

        self.assertEqual(image("image.registry=example.com/a"), "example.com/a/loadclient:0.1.0")
        self.assertEqual(
            image("image.registry=example.com/a", "test.image.registry=example.com/b", "test.image.tag=v2"),
            "example.com/b/loadclient:v2",
        )
        whole = ("image.registry=", "image.repository=example.com/a/server")
        self.assertEqual(image(*whole), "example.com/a/loadclient:0.1.0")
        self.assertEqual(image(*whole, "test.image.repository=example.com/b/client"), "example.com/b/client:0.1.0")
        self.assert_refused("server", "test.image.registry", "--set", "image.registry=,image.repository=server")


class Client(ChartTest):
    def test_defaults(self):
        objects = render("client")
        deployment = one(objects, "Deployment")
        self.assertEqual(deployment["metadata"]["name"], "client-default")
        self.assertEqual(deployment["spec"]["replicas"], 1)
        self.assertEqual(container(objects)["args"], ["grpc"])
        self.assertEqual(environment(objects)["FREQUENCY"]["value"], "100")
        ports = {p["name"]: p["containerPort"] for p in container(objects)["ports"]}
        self.assertEqual(ports, {"prom": 8081})
        self.assertEqual(some(objects, "Service"), [])

    def test_load_is_replicas_and_pace(self):
        objects = render(
            "client", None, ("replicaCount=16", "envvar.waitTimeBetweenRequests.value=50")
        )
        self.assertEqual(one(objects, "Deployment")["spec"]["replicas"], 16)
        self.assertEqual(environment(objects)["FREQUENCY"], {"name": "FREQUENCY", "value": "50"})
        self.assertEqual(one(render("client", None, ("replicaCount=0",)), "Deployment")["spec"]["replicas"], 0)

    def test_tolerations_are_rendered(self):
        objects = render("client", HELM_DIR / "client/ci/everything-values.yaml")
        spec = one(objects, "Deployment")["spec"]["template"]["spec"]
        self.assertEqual(spec["tolerations"][0]["key"], "dedicated")

    def test_an_update_never_adds_load(self):
        strategy = one(render("client"), "Deployment")["spec"]["strategy"]
        self.assertEqual(strategy["rollingUpdate"]["maxSurge"], 0)


if __name__ == "__main__":
    unittest.main()
