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
# What others export: the node exporter, and Prometheus itself.
FOREIGN = {"node_cpu_seconds_total", "up"}
# A histogram's or a counter's series, and the name that the code registers.
SUFFIX = re.compile(r"_(total|sum|count|bucket)$")
# What keeps series of strangers out: the board's own variables, or a job of the same machine.
SELECTED = re.compile(r'job=(~?"\$(job|probe)"|"autoscaling")')


@functools.cache
def known():
    """What could be a metric's name in the sources, and what others export, without suffixes."""
    files = [file for file in sorted(ROOT.glob("*/src/**/*.rs")) if file.name != "tests.rs"]
    names = {name for file in files for name in re.findall(r'"([a-z][a-z0-9]*(?:_[a-z0-9]+)+)"', file.read_text())}
    return {SUFFIX.sub("", name) for name in names | FOREIGN}


def selectors(expression):
    """Series names with the labels they are selected by."""
    return re.findall(r"(?<![:\w])([a-z_]+)(\{[^}]*\})", expression)


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
                self.assertIn("job", variables)
                for variable in variables.values():
                    if variable["type"] == "query":
                        self.assertEqual(variable["refresh"], 2, "reloads when the time range changes")
                        (name,) = re.findall(r"label_values\((\w+), job\)", variable["definition"])
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
                self.assertTrue(SUFFIX.sub("", name) in known(), f"{name}: no such metric in the source")
                self.assertRegex(labels, SELECTED)


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
