"""The monitoring instance's configuration: each tool's own check, and that the files agree."""

import json
import pathlib
import re
import shutil
import subprocess
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
GRAFANA = ROOT / "grafana"
HOOKS = {"up": "http://autoscaler:8090/up", "down": "http://autoscaler:8090/down"}
# What the node exporter and Prometheus export; the rest is registered by our own programs.
SERIES = {"node_cpu_seconds_total", "up"}


def load(path):
    return yaml.safe_load((ROOT / path).read_text())


def run(tool, package, *arguments):
    if not shutil.which(tool):
        raise AssertionError(f"{tool} is missing: install the Debian package {package!r}, or run `make setup`")
    return subprocess.run([tool, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)


def alerts():
    for file in sorted((ROOT / "rules").glob("*.yaml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    yield file, rule


def series(expression):
    """The names of the series that an expression selects."""
    return set(re.findall(r"(?<![:\w])([a-z_]+)\{", expression))


def registered():
    """The metrics of our own programs, as their source has them."""
    return set(re.findall(r'"(exoscale_\w+)"', "".join(f.read_text() for f in (ROOT.parent / "src").rglob("*.rs"))))


def plain(expression):
    """An expression without its layout."""
    return re.sub(r"\s+", "", expression)


def expanded(rules):
    """The alerts' expressions with the recorded series written out, by what they scale."""
    recorded = {r["record"]: r["expr"] for r in rules if "record" in r}
    found = {}
    for rule in rules:
        direction = rule.get("labels", {}).get("scale")
        if direction:
            expr = rule["expr"]
            while any(name in expr for name in recorded):
                for name, text in recorded.items():
                    expr = expr.replace(name, text)
            found[direction] = (plain(expr), rule["for"], rule["alert"])
    return found


class Tools(unittest.TestCase):
    def test_prometheus_accepts_its_configuration(self):
        result = run("promtool", "prometheus", "check", "config", "prometheus.yml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("2 rule files found", result.stdout)

    def test_alertmanager_accepts_its_configuration(self):
        result = run("amtool", "prometheus-alertmanager", "check-config", "alertmanager.yml")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_alerts_are_routed_to_the_one_who_asks(self):
        for alert, labels, receiver in [
            ("ExoscaleCpuHigh", ["severity=info", "scale=up"], "scale-up"),
            ("ExoscaleCpuLow", ["severity=info", "scale=down"], "scale-down"),
            ("ExoscalePoolUnseen", ["severity=critical"], "nobody"),
            ("Stranger", ["scale=sideways"], "nobody"),
        ]:
            with self.subTest(alert=alert):
                result = run(
                    "amtool", "prometheus-alertmanager",
                    "config", "routes", "test", "--config.file=alertmanager.yml",
                    f"--verify.receivers={receiver}", f"alertname={alert}", *labels,
                )
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


class Prometheus(unittest.TestCase):
    def test_of_machines_only_the_pool_is_scraped(self):
        config = load("prometheus.yml")
        self.assertEqual(config["global"]["scrape_interval"], "15s")
        pool, programs = config["scrape_configs"]
        files = [{"files": ["/srv/service-discovery/config.json"], "refresh_interval": "10s"}]
        self.assertEqual(pool, {"job_name": "exoscale", "file_sd_configs": files})
        targets = [{"targets": ["autoscaler:8090", "servicediscovery:8091"]}]
        self.assertEqual(programs, {"job_name": "autoscaling", "static_configs": targets})

    def test_every_series_is_selected_by_job_and_exists(self):
        known = SERIES | registered()
        for file in sorted((ROOT / "rules").glob("*.yaml")):
            for group in yaml.safe_load(file.read_text())["groups"]:
                for rule in group["rules"]:
                    with self.subTest(rule=rule.get("alert") or rule["record"]):
                        self.assertTrue(series(rule["expr"]) <= known, series(rule["expr"]))
                        for selector in re.findall(r"\{[^}]*\}", rule["expr"]):
                            self.assertRegex(selector, r'job="(exoscale|autoscaling)"')

    def test_the_rules_are_the_courses(self):
        usage = (
            'avg(sumby(instance)(rate(node_cpu_seconds_total{job="exoscale",mode!="idle"}[1m]))'
            '/sumby(instance)(rate(node_cpu_seconds_total{job="exoscale"}[1m])))'
        )
        found = expanded(load("rules/scaling.yaml")["groups"][0]["rules"])
        self.assertEqual(
            found,
            {"up": (usage + ">0.8", "1m", "ExoscaleCpuHigh"), "down": (usage + "<0.2", "1m", "ExoscaleCpuLow")},
        )

    def test_every_alert_is_complete_and_explained(self):
        text = (ROOT.parent.parent / "docs/exoscale.md").read_text()
        anchors = {re.sub(r"[^a-z0-9 -]", "", t.lower()).replace(" ", "-") for t in re.findall(r"^#+ (.*)$", text, re.M)}
        for _, rule in alerts():
            with self.subTest(alert=rule["alert"]):
                self.assertRegex(rule["alert"], "^Exoscale[A-Z]")
                self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
                self.assertIn("for", rule)
                self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook_url"})
                self.assertNotIn("{{", rule["annotations"]["summary"])
                page, anchor = rule["annotations"]["runbook_url"].split("#")
                self.assertEqual(page, "docs/exoscale.md")
                self.assertIn(anchor, anchors)

    def test_every_alert_is_tested_for_firing_and_for_not_firing(self):
        for file, rule in alerts():
            cases = load(f"rules/tests/{file.name}")["tests"]
            mine = [
                [t for t in case.get("alert_rule_test", []) if t["alertname"] == rule["alert"]] for case in cases
            ]
            with self.subTest(alert=rule["alert"]):
                self.assertTrue(any(t["exp_alerts"] for own in mine for t in own), "never fires")
                self.assertTrue(any(own and not any(t["exp_alerts"] for t in own) for own in mine), "always fires")


class Webhooks(unittest.TestCase):
    def test_alertmanager(self):
        config = load("alertmanager.yml")
        self.assertEqual(config["route"]["repeat_interval"], "5m")
        for direction, url in HOOKS.items():
            (receiver,) = [r for r in config["receivers"] if r["name"] == f"scale-{direction}"]
            self.assertEqual(receiver["webhook_configs"], [{"url": url, "send_resolved": False}])

    def test_grafana(self):
        config = load("grafana/provisioning/alerting/scaling.yaml")
        points = {p["name"]: p["receivers"] for p in config["contactPoints"]}
        (policy,) = config["policies"]
        routes = {r["object_matchers"][0][2]: r for r in policy["routes"]}
        # The root sends nothing to the autoscaler, whatever else alerts.
        self.assertNotIn(policy["receiver"], points)
        self.assertEqual(set(routes), set(HOOKS))
        for direction, url in HOOKS.items():
            (receiver,) = points[f"scale-{direction}"]
            self.assertEqual(receiver["type"], "webhook")
            self.assertIs(receiver["disableResolveMessage"], True)
            self.assertEqual(receiver["settings"], {"url": url, "httpMethod": "POST"})
            route = routes[direction]
            self.assertEqual(route["receiver"], f"scale-{direction}")
            self.assertEqual(route["object_matchers"], [["scale", "=", direction]])
            self.assertEqual((route["group_interval"], route["repeat_interval"]), ("1m", "5m"))

    def test_grafanas_rules_are_prometheus_rules(self):
        expected = expanded(load("rules/scaling.yaml")["groups"][0]["rules"])
        (group,) = load("grafana/provisioning/alerting/scaling.yaml")["groups"]
        # Grafana's scheduler ticks every 10 s and refuses anything else.
        self.assertEqual(int(group["interval"].removesuffix("s")) % 10, 0)
        sign = {"gt": ">", "lt": "<"}
        found = {}
        for rule in group["rules"]:
            query, threshold = rule["data"]
            model = threshold["model"]
            (condition,) = model["conditions"]
            evaluator = condition["evaluator"]
            self.assertEqual((model["type"], model["expression"]), ("threshold", query["refId"]))
            self.assertEqual(rule["condition"], threshold["refId"])
            self.assertEqual(query["datasourceUid"], load("grafana/provisioning/datasources/prometheus.yaml")["datasources"][0]["uid"])
            self.assertIs(query["model"]["instant"], True)
            # No data never scales, nor does an error.
            self.assertEqual((rule["noDataState"], rule["execErrState"]), ("OK", "OK"))
            text = plain(query["model"]["expr"]) + sign[evaluator["type"]] + str(evaluator["params"][0])
            found[rule["labels"]["scale"]] = (text, rule["for"], rule["title"])
        self.assertEqual(found, expected)

    def test_legacy_grafana(self):
        notifiers = {n["uid"]: n for n in load("grafana/legacy/notifiers/scaling.yaml")["notifiers"]}
        dashboard = json.loads((GRAFANA / "legacy/dashboards/exoscale.json").read_text())
        expected = expanded(load("rules/scaling.yaml")["groups"][0]["rules"])
        alerts = [p for p in dashboard["panels"] if "alert" in p]
        self.assertEqual(len(alerts), 2)
        sign = {"gt": ">", "lt": "<"}
        for panel in alerts:
            alert = panel["alert"]
            (condition,) = alert["conditions"]
            evaluator = condition["evaluator"]
            text = plain(panel["targets"][0]["expr"]) + sign[evaluator["type"]] + str(evaluator["params"][0])
            direction = alert["alertRuleTags"]["scale"]
            self.assertEqual((text, alert["for"], alert["name"]), expected[direction])
            self.assertEqual(condition["query"]["params"], ["A", "1m", "now"])
            self.assertEqual(alert["noDataState"], "ok")
            (notification,) = alert["notifications"]
            notifier = notifiers[notification["uid"]]
            self.assertEqual(notifier["settings"]["url"], HOOKS[direction])
            self.assertIs(notifier["disable_resolve_message"], True)
            self.assertEqual((notifier["send_reminder"], notifier["frequency"]), (True, "5m"))
        for file in (GRAFANA / "legacy").rglob("*.*"):
            self.assertIn("LEGACY", file.read_text(), file)


class Dashboards(unittest.TestCase):
    # The rules for all dashboards are in grafana/tests.
    def test_there_are_two_graphs_of_the_average(self):
        board = json.loads((GRAFANA / "dashboards/exoscale.json").read_text())
        graphs = [p for p in board["panels"] if p["targets"][0]["expr"].startswith("avg(")]
        self.assertEqual([p["title"] for p in graphs], ["High CPU usage", "Low CPU usage"])
        for panel in graphs:
            for target in panel["targets"]:
                # As the alerts have it, but for the range, which a graph takes from its width.
                text = plain(target["expr"]).replace("$__rate_interval", "1m").replace("$job", "exoscale")
                rules = expanded(load("rules/scaling.yaml")["groups"][0]["rules"])
                self.assertEqual(text, rules["up"][0].removesuffix(">0.8"))


class Containers(unittest.TestCase):
    def services(self):
        for file in (ROOT / "compose.yaml", ROOT.parent / "pool/compose.yaml"):
            for name, service in yaml.safe_load(file.read_text())["services"].items():
                yield name, service

    def test_images_are_pinned_and_containers_come_back(self):
        for name, service in self.services():
            with self.subTest(service=name):
                self.assertRegex(service["image"], r"^([\w./-]+:v?\d+\.\d+\.\d+|\$\{\w+_IMAGE:\?\})$")
                self.assertEqual(service["restart"], "unless-stopped")

    def test_secrets_come_from_files_only(self):
        for name, service in self.services():
            with self.subTest(service=name):
                rest = json.dumps({k: v for k, v in service.items() if k != "env_file"})
                self.assertNotRegex(rest, r"(?i)secret|password|exoscale_key")

    def test_what_grafana_reaches_is_on_its_network(self):
        services = load("compose.yaml")["services"]
        for name in ("autoscaler", "prometheus", "grafana", "alertmanager", "servicediscovery"):
            self.assertEqual(services[name]["networks"], ["monitoring"])
        published = {name: s["ports"] for name, s in services.items() if "ports" in s}
        self.assertEqual(published, {"prometheus": ["9090:9090"], "grafana": ["3000:3000"]})


if __name__ == "__main__":
    unittest.main()
