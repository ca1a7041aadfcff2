"""The request counter's chart: its two services, and what scales it."""

import unittest

import yaml
from charts import HELM_DIR, ChartTest, one, render, some

CHART = HELM_DIR / "requestcounter"
EVERYTHING = CHART / "ci/everything-values.yaml"


def pod(objects, name):
    return one(objects, "Deployment", name)["spec"]["template"]


def container(objects, name):
    (found,) = pod(objects, name)["spec"]["containers"]
    return found


def environment(objects, name):
    return {entry["name"]: entry["value"] for entry in container(objects, name).get("env", [])}


class RequestCounter(ChartTest):
    def test_two_templates_and_nothing_else(self):
        templates = sorted(path.name for path in (CHART / "templates").iterdir())
        self.assertEqual(templates, ["deployment.yaml", "service.yaml"])
        kinds = sorted((o["kind"], o["metadata"]["name"]) for o in render("requestcounter"))
        self.assertEqual(
            kinds,
            [(kind, name) for kind in ("Deployment", "Service") for name in ("redis", "request-counter")],
        )

    def test_three_servers_behind_a_load_balancer_on_8083(self):
        objects = render("requestcounter")
        self.assertEqual(one(objects, "Deployment", "request-counter")["spec"]["replicas"], 3)
        service = one(objects, "Service", "request-counter")["spec"]
        self.assertEqual((service["type"], service["ports"][0]["port"]), ("LoadBalancer", 8083))
        # Every request has to reach another server than the one before, perhaps.
        self.assertNotIn("sessionAffinity", service)
        ports = {p["name"]: p["containerPort"] for p in container(objects, "request-counter")["ports"]}
        self.assertEqual(ports, {"main": 8083, "admin": 8081})
        env = environment(objects, "request-counter")
        # The answers tell the port that clients know.
        self.assertEqual((env["ROLES"], env["APP_SERVER_PORT"]), ("counter", "8083"))

    def test_the_image_is_the_server_charts(self):
        (server,) = one(render("server"), "Deployment")["spec"]["template"]["spec"]["containers"]
        self.assertEqual(container(render("requestcounter"), "request-counter")["image"], server["image"])

    def test_one_redis_that_keeps_nothing(self):
        objects = render("requestcounter")
        self.assertEqual(one(objects, "Deployment", "redis")["spec"]["replicas"], 1)
        service = one(objects, "Service", "redis")["spec"]
        self.assertEqual((service["type"], service["ports"][0]["port"]), ("ClusterIP", 6379))
        redis = container(objects, "redis")
        self.assertEqual(redis["image"], "docker.io/library/redis:7.0.15-alpine")
        settings = dict(zip(redis["args"][::2], redis["args"][1::2]))
        self.assertEqual((settings["--save"], settings["--appendonly"]), ("", "no"))
        self.assertNotIn("volumes", pod(objects, "redis")["spec"])

    def test_the_servers_find_the_charts_own_redis(self):
        objects = render("requestcounter")
        env = environment(objects, "request-counter")
        service = one(objects, "Service", env["APP_REDIS_HOST"])
        self.assertEqual(str(service["spec"]["ports"][0]["port"]), env["APP_REDIS_PORT"])
        self.assertTrue(env["APP_REDIS_COUNTER_KEY"])

    def test_programs_are_told_the_ports(self):
        for _, objects in self.each_branch("requestcounter"):
            redis, counter = container(objects, "redis"), container(objects, "request-counter")
            env = environment(objects, "request-counter")
            ports = {p["name"]: p["containerPort"] for p in counter["ports"]}
            self.assertEqual(env["APP_SERVER_PORT"], str(ports["main"]))
            self.assertEqual(env["METRICS_ADDR"], f"0.0.0.0:{ports['admin']}")
            annotations = pod(objects, "request-counter")["metadata"]["annotations"]
            self.assertEqual(annotations["prometheus.io/port"], str(ports["admin"]))
            (port,) = [p["containerPort"] for p in redis["ports"]]
            self.assertEqual(redis["args"][:2], ["--port", str(port)])
            self.assertEqual(redis["readinessProbe"]["exec"]["command"], ["redis-cli", "-p", str(port), "ping"])
            self.assertEqual(env["APP_REDIS_PORT"], str(port))
            for name in ("redis", "request-counter"):
                (service,) = one(objects, "Service", name)["spec"]["ports"]
                (main,) = [p["containerPort"] for p in container(objects, name)["ports"] if p["name"] == "main"]
                self.assertEqual(service["port"], main)

    def test_redis_is_the_one_of_compose(self):
        compose = yaml.safe_load((HELM_DIR.parent / "docker-compose.yml").read_text())["services"]["redis"]
        redis = container(render("requestcounter"), "redis")
        self.assertEqual(redis["image"], compose["image"])
        self.assertEqual([*redis["command"], *redis["args"][2:]], compose["command"])

    def test_probes_do_not_count(self):
        for chart, objects in self.each_branch("requestcounter"):
            counter = container(objects, "request-counter")
            for probe in ("readinessProbe", "livenessProbe"):
                self.assertEqual(counter[probe]["httpGet"]["port"], "admin", chart)
            for service in some(objects, "Service"):
                self.assertEqual([p["targetPort"] for p in service["spec"]["ports"]], ["main"])

    def test_only_what_has_metrics_is_scraped(self):
        objects = render("requestcounter")
        annotations = pod(objects, "request-counter")["metadata"]["annotations"]
        self.assertEqual(
            annotations, {"prometheus.io/scrape": "true", "prometheus.io/port": "8081"}
        )
        self.assertNotIn("annotations", pod(objects, "redis")["metadata"])

    def test_everything(self):
        objects = render("requestcounter", EVERYTHING)
        self.assertNotIn("replicas", one(objects, "Deployment", "request-counter")["spec"])
        self.assertEqual(
            container(objects, "redis")["image"], "registry.example:5000/mirror/redis:7.4.2-alpine3.21"
        )
        env = environment(objects, "request-counter")
        self.assertEqual((env["APP_INIT_DEBUG"], env["APP_REDIS_HOST"]), ("true", "redis"))
        for name in ("redis", "request-counter"):
            self.assertEqual(pod(objects, name)["metadata"]["annotations"]["example.com/team"], "counting")

    def test_nonsense_is_refused(self):
        for value, message in (
            ("services.redis.port=0", "minimum"),
            ("services.redis.replicas=-1", "minimum"),
            ("services.request-counter.user=0", "minimum"),
            ("services.request-counter.type=ExternalName", "one of"),
            ("services.redis.image.tag=latest", "not"),
        ):
            with self.subTest(value=value):
                self.assert_refused("requestcounter", message, "--set", value)


class Autoscaling(ChartTest):
    """The files beside the chart: autoscaler, adapter's rule and recording rule fit one another."""

    def setUp(self):
        self.hpa = yaml.safe_load((CHART / "autoscaling/horizontalpodautoscaler.yaml").read_text())
        values = yaml.safe_load((CHART / "autoscaling/metrics-adapter-values.yaml").read_text())
        (self.rule,) = values["rules"]["custom"]

    def test_the_autoscaler_scales_the_charts_deployment(self):
        target = self.hpa["spec"]["scaleTargetRef"]
        one(render("requestcounter"), target["kind"], target["name"])

    def test_it_asks_for_what_the_rule_serves(self):
        (metric,) = self.hpa["spec"]["metrics"]
        self.assertEqual(metric["pods"]["metric"]["name"], self.rule["name"]["as"])

    def test_the_rule_reads_what_is_recorded(self):
        rules = yaml.safe_load((HELM_DIR.parent / "prometheus-rules/counter.yaml").read_text())
        records = [rule["record"] for group in rules["groups"] for rule in group["rules"]]
        self.assertIn(f'"^{records[0]}$"', self.rule["seriesQuery"])

    def test_the_adapters_chart_takes_the_values(self):
        objects = render("metrics-adapter", CHART / "autoscaling/metrics-adapter-values.yaml")
        config = yaml.safe_load(one(objects, "ConfigMap")["data"]["config.yaml"])
        self.assertIn(self.rule, config["rules"])

    def test_the_end_to_end_tests_use_the_same_rule(self):
        values = yaml.safe_load((HELM_DIR.parent / "testbed/values/metrics-adapter.yaml").read_text())
        self.assertIn(self.rule, values["rules"]["custom"])


if __name__ == "__main__":
    unittest.main()
