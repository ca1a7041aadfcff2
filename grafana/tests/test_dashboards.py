"""One set of rules for all dashboards: dashboard-linter's, and that what they ask for exists."""

import functools
import json
import pathlib
import re
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BOARDS = [
    *sorted((ROOT / "grafana/dashboards").glob("*.json")),
    *sorted((ROOT / "exoscale/monitoring/grafana/dashboards").glob("*.json")),
]
RULES = [
    *sorted((ROOT / "prometheus-rules").glob("*.yaml")),
    *sorted((ROOT / "exoscale/monitoring/rules").glob("*.yaml")),
]
# What others export: the node exporter, and Prometheus itself.
FOREIGN = {"node_cpu_seconds_total", "up"}
# A histogram's or a counter's series, and the name that the code registers.
SUFFIX = re.compile(r"_(total|sum|count|bucket)$")
# What keeps series of strangers out: the board's own variables, or a job of the same machine.
SELECTED = re.compile(r'job=(~?"\$(job|probe)"|"autoscaling")|namespace=~"\$namespace"')
PREFIX = "metrics_adapter_"
# In Prometheus' grammar a word that is no name of a series, if no parenthesis follows it.
KEYWORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


def sources(folder):
    for file in sorted(ROOT.glob(f"{folder}/src/**/*.rs")):
        if file.name != "tests.rs" and "tests" not in file.parts:
            yield file.read_text()


@functools.cache
def of_the_adapter():
    """What metrics-adapter registers: a name beside its help text, and two names of what is read again."""
    names = set()
    for text in sources("metrics-adapter"):
        if "prometheus_client::" in text:
            names.update(re.findall(r'"([a-z][a-z0-9_]*)",\s*"[A-Z1][^"]* ', text))
        if "Reloads::register(" in text:
            # The thing's name beside what it is.
            for thing in re.findall(r'"([a-z][a-z_]*)",\s*"the ', text) + re.findall(r'registry, "(\w+)", what', text):
                names.update({f"{thing}_reloads_total", f"{thing}_reload_failing"})
    return {SUFFIX.sub("", PREFIX + name) for name in names}


@functools.cache
def recorded():
    return {rule["record"] for rule in rules() if "record" in rule}


@functools.cache
def known():
    """What the adapter registers, what could be a metric's name in the other sources, what rules record, and what
    others export; without suffixes."""
    names = {name for text in sources("*") for name in re.findall(r'"([a-z][a-z0-9]*(?:_[a-z0-9]+)+)"', text)}
    names = {SUFFIX.sub("", name) for name in names | FOREIGN}
    return {name for name in names if not name.startswith(PREFIX)} | of_the_adapter() | recorded()


@functools.cache
def rules():
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def selectors(expression):
    """Series names with the labels they are selected by."""
    return re.findall(r"(?<![:\w])([a-z_][\w:]*)(\{[^}]*\})", expression)


def series(expression):
    """All names of series in an expression."""
    for noise in (r"#.*", r'"(?:\\.|[^"\\])*"', r"\{[^}]*\}", r"\[[^\]]*\]",
                  r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"):
        expression = re.sub(noise, " ", expression)
    return set(re.findall(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?![\w:]|\s*\()", expression)) - KEYWORDS


class Dashboards(unittest.TestCase):
    def boards(self):
        for file in BOARDS:
            yield file, json.loads(file.read_text())

    def panels(self):
        for _, board in self.boards():
            for panel in board["panels"]:
                yield board, panel

    def expressions(self):
        for board, panel in self.panels():
            for target in panel["targets"]:
                if target["datasource"]["type"] == "prometheus":
                    yield board, target["expr"]

    def test_both_places_have_boards(self):
        self.assertEqual(len({file.parent for file in BOARDS}), 2)

    def test_boards_are_stable_and_linked(self):
        uids = set()
        for file, board in self.boards():
            with self.subTest(file=file.name):
                self.assertEqual(board["uid"], file.stem)
                uids.add(board["uid"])
                self.assertIs(board["editable"], False)
                self.assertTrue(board["description"])
                (link,) = [link for link in board["links"] if link["type"] == "dashboards"]
                self.assertTrue(link["asDropdown"])
                self.assertLessEqual(set(link["tags"]), set(board["tags"]))
        self.assertEqual(len(uids), len(BOARDS))

    def test_variables(self):
        for file, board in self.boards():
            variables = {v["name"]: v for v in board["templating"]["list"]}
            with self.subTest(file=file.name):
                self.assertEqual(variables["datasource"]["type"], "datasource")
                # Jobs tell programs apart under docker compose, namespaces and the label app in Kubernetes.
                self.assertTrue({"job", "namespace"} & set(variables))
                for variable in variables.values():
                    if variable["type"] == "query":
                        self.assertEqual(variable["refresh"], 2, "reloads when the time range changes")
                        (name,) = re.findall(r"label_values\((\w+)(?:\{[^}]*\})?, (?:job|namespace)\)", variable["definition"])
                        self.assertTrue(SUFFIX.sub("", name) in known(), f"{name}: no such metric in the source")

    def test_panels_say_what_they_show_and_from_where(self):
        for board, panel in self.panels():
            sources = {f"${{{v['name']}}}": v["query"] for v in board["templating"]["list"] if v["type"] == "datasource"}
            self.assertTrue(panel["description"], panel["title"])
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], panel["title"])
            for source in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
                self.assertEqual(sources.get(source["uid"]), source["type"])

    def test_panels_do_not_overlap(self):
        for file, board in self.boards():
            taken = {}
            for panel in board["panels"]:
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], 24)
                for x in range(place["x"], place["x"] + place["w"]):
                    for y in range(place["y"], place["y"] + place["h"]):
                        self.assertNotIn((x, y), taken, f"{file.name}: {panel['title']} lies on {taken.get((x, y))}")
                        taken[x, y] = panel["title"]
            self.assertEqual(len({panel["id"] for panel in board["panels"]}), len(board["panels"]))

    def test_queries_follow_the_graphs_width(self):
        for _, expression in self.expressions():
            self.assertEqual(set(re.findall(r"\[([^\]]*)\]", expression)) - {"$__rate_interval"}, set())

    def test_counters_are_only_seen_as_rates(self):
        for _, expression in self.expressions():
            for name in re.findall(r"\b\w+_(?:total|count|sum|bucket)\b", expression):
                self.assertEqual(
                    len(re.findall(rf"\b{name}\b", expression)), len(re.findall(rf"(?:rate|increase)\({name}\b", expression)),
                    f"{name} in {expression}",
                )

    def test_series_are_selected_by_job_and_exist(self):
        for _, expression in self.expressions():
            found = selectors(expression)
            self.assertTrue(found)
            for name, labels in found:
                self.assertRegex(labels, SELECTED)
            self.assert_exist(expression)

    def test_rules_ask_for_what_exists(self):
        self.assertTrue(recorded())
        for rule in rules():
            with self.subTest(rule=rule.get("alert") or rule.get("record")):
                self.assert_exist(rule["expr"])

    def assert_exist(self, expression):
        for name in series(expression):
            self.assertTrue(SUFFIX.sub("", name) in known(), f"{name}: nothing registers, records or exports it, in {expression}")

    def test_names_are_read_from_sources_and_expressions(self):
        self.assertGreater(len(of_the_adapter()), 40)
        for name in ("requests", "rule_queries", "kept_answer_bytes", "authentication_configuration_reload_failing"):
            self.assertIn(PREFIX + name, of_the_adapter())
        for invented in ("metrics_adapter_rule_serieses", "metrics_adapter_ok", "server_errrors"):
            self.assertFalse(SUFFIX.sub("", invented) in known(), invented)
        expression = """# not this
            sum by (not_this) (rate(one_total{not_this="not_this"}[$__rate_interval])) > 1e3
            or on (not_this) vector(0) and time() - app:two:rate1m{app=~"}"} offset 5m unless three"""
        self.assertEqual(series(expression), {"one_total", "app:two:rate1m", "three"})


class AutoscalingGoal(unittest.TestCase):
    """Its lines are the goal, as the alerts have it, and the targets of the server's chart."""

    def test_lines(self):
        board = json.loads((ROOT / "grafana/dashboards/autoscaling-goal.json").read_text())
        values = yaml.safe_load((ROOT / "helm/server/values.yaml").read_text())["autoscaling"]
        alerts = {rule["alert"]: rule["expr"] for rule in rules() if "alert" in rule}
        mean = float(alerts["ServerLatencyHigh"].split(">=")[1])
        (rate,) = set(re.findall(r"[<>]=? (\d{2,})", alerts["ServerThroughputBelowGoal"]))
        lines = {
            "Requests per second": float(rate),
            "Requests per second and the goal": float(rate),
            "Mean latency": mean,
            "Mean latency and the goal": mean,
            "What the HPA reads: requests per second of a pod": float(values["requestsPerSecond"]["averageValue"]),
            "What the HPA reads: mean latency of a pod": float(values["meanLatency"]["averageValue"].removesuffix("m")) / 1000,
        }
        drawn = {}
        for panel in board["panels"]:
            steps = panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]
            drawn.update({panel["title"]: step["value"] for step in steps if step["value"]})
        self.assertEqual(drawn, lines)


class MetricsAdapter(unittest.TestCase):
    """Its colours change where its alerts fire."""

    def test_thresholds_are_the_alerts(self):
        board = json.loads((ROOT / "grafana/dashboards/metrics-adapter.json").read_text())
        limits = {panel["title"]: [step["value"] for step in panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]
                                   if step["value"]] for panel in board["panels"]}
        alerts = {rule["alert"]: rule["expr"].strip() for rule in rules() if "alert" in rule}
        for title, alert in [
            ("Server errors", "MetricsAdapterErrors"),
            ("Oldest series list", "MetricsAdapterRelistStale"),
            ("Age of the series lists", "MetricsAdapterRelistStale"),
            ("Age of samples", "MetricsAdapterSamplesStale"),
            ("Watch lag", "MetricsAdapterWatchStale"),
        ]:
            self.assertEqual(limits[title], [float(alerts[alert].split(">")[-1])], title)
        days = re.search(r"< (\d+) \* 86400$", alerts["MetricsAdapterCertificateExpiring"])
        self.assertEqual(limits["Certificate valid for"], [int(days[1]) * 86400])


class FlakyServer(unittest.TestCase):
    """The board shows what was asked for, and its lines are where its alerts begin."""

    def setUp(self):
        board = json.loads((ROOT / "grafana/dashboards/flaky-server.json").read_text())
        self.panels = {panel["title"]: panel for panel in board["panels"]}

    def test_metrics_logs_and_traces(self):
        self.assertEqual(
            {panel["datasource"]["type"] for panel in self.panels.values()}, {"prometheus", "loki", "tempo"}
        )
        self.assertIn("http_response_status_code", self.panels["Responses by status code"]["targets"][0]["expr"])
        self.assertEqual(self.panels["Response times of /status"]["type"], "heatmap")
        self.assertTrue(self.panels["Response times"]["targets"][0]["exemplar"])

    def test_thresholds_are_the_alerts(self):
        rules = yaml.safe_load((ROOT / "prometheus-rules/flaky.yaml").read_text())["groups"][0]["rules"]
        limits = {rule["alert"]: float(rule["expr"].split(">")[-1]) for rule in rules}
        for title, alert in [
            ("Error ratio", "FlakyServerErrors"),
            ("Error ratio over time", "FlakyServerErrors"),
            ("95th percentile", "FlakyServerSlow"),
            ("Response times", "FlakyServerSlow"),
        ]:
            steps = self.panels[title]["fieldConfig"]["defaults"]["thresholds"]["steps"]
            self.assertEqual([s["value"] for s in steps if s["color"] == "red"], [limits[alert]], title)


if __name__ == "__main__":
    unittest.main()
