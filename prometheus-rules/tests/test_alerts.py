"""What promtool does not check: every rule is tested, every alert is complete and has a runbook."""

import pathlib
import re
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNBOOKS = ROOT.parent / "docs/runbooks"


def rules(kind):
    for file in sorted(ROOT.glob("*.yaml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if kind in rule:
                    yield file, rule


def cases(file):
    return yaml.safe_load((ROOT / "tests" / file.name).read_text())["tests"]


class Rules(unittest.TestCase):
    def test_there_are_rules(self):
        self.assertTrue(list(rules("record")))
        self.assertTrue(list(rules("alert")))

    def test_every_alert_has_its_labels_and_annotations(self):
        for file, rule in rules("alert"):
            with self.subTest(alert=rule["alert"]):
                prefix = {"server.yaml": "Server", "adapter.yaml": "MetricsAdapter", "flaky.yaml": "FlakyServer"}[file.name]
                self.assertTrue(rule["alert"].startswith(prefix))
                self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
                self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook_url"})
                self.assertNotIn("{{", rule["annotations"]["summary"])
                self.assertIn("for", rule)

    def test_every_alert_has_a_runbook_and_every_runbook_an_alert(self):
        alerts = {rule["alert"] for _, rule in rules("alert")}
        for _, rule in rules("alert"):
            self.assertEqual(rule["annotations"]["runbook_url"], f"docs/runbooks/{rule['alert']}.md")
        self.assertEqual({file.stem for file in RUNBOOKS.glob("*.md")}, alerts)
        for alert in alerts:
            with self.subTest(alert=alert):
                text = (RUNBOOKS / f"{alert}.md").read_text()
                self.assertTrue(text.startswith(f"# {alert}\n"))
                if alert.startswith("MetricsAdapter"):
                    sections = re.findall(r"(?m)^## (.*)$", text)
                    self.assertEqual(sections, ["Meaning", "Impact", "Diagnosis", "Mitigation"])
                    self.assertRegex(text, r"metrics-adapter (check|explain) |status page")
                else:
                    self.assertIn("## Solution", text)
                for link in re.findall(r"\]\(([^)]+)\)", text):
                    self.assertTrue((RUNBOOKS / link).exists(), link)

    def test_every_alert_is_tested_for_firing_and_for_not_firing(self):
        for file, rule in rules("alert"):
            tests = [
                test
                for case in cases(file)
                for test in case.get("alert_rule_test", [])
                if test["alertname"] == rule["alert"]
            ]
            with self.subTest(alert=rule["alert"]):
                self.assertTrue([t for t in tests if t["exp_alerts"]], "no test in which it fires")
                # A case of its own, in which it never fires.
                quiet = [
                    case
                    for case in cases(file)
                    if (own := [t for t in case.get("alert_rule_test", []) if t["alertname"] == rule["alert"]])
                    and not any(t["exp_alerts"] for t in own)
                ]
                self.assertTrue(quiet, "no case in which it does not fire")

    def test_every_recording_rule_is_tested(self):
        for file, rule in rules("record"):
            expressions = [
                test
                for case in cases(file)
                for test in case.get("promql_expr_test", [])
                if rule["record"] in test["expr"] and test["exp_samples"]
            ]
            with self.subTest(record=rule["record"]):
                self.assertTrue(expressions)
                self.assertRegex(rule["record"], r"^(pod|app|namespace):[a-z_]+:(rate|mean)(30s|1m)$")
                # The range in the name is the range in the expression.
                ranges = set(re.findall(r"\[(\w+)\]", rule["expr"]))
                self.assertEqual(ranges, {re.search(r"(30s|1m)$", rule["record"])[1]})

    def test_client_and_server_are_told_apart_in_every_selector(self):
        for _, rule in list(rules("record")) + list(rules("alert")):
            for name, labels in re.findall(
                r"\b(travelaudience_\w+|server_\w+_total|http_server_\w+|probe_\w+|loadclient_\w+|metrics_adapter_\w+|up)\b(?!:)(\{[^}]*\})?", rule["expr"]
            ):
                if f":{name}" in rule["expr"]:
                    continue
                with self.subTest(rule=rule.get("record") or rule["alert"], series=name):
                    self.assertRegex(labels, r'app="(server|client|metrics-adapter|request-counter)"')

    def test_every_series_is_one_that_the_code_registers(self):
        source = "".join(
            file.read_text() for file in sorted(ROOT.parent.glob("*/src/**/*.rs"))
        )
        for _, rule in list(rules("record")) + list(rules("alert")):
            expression = re.sub(r"\b\w+:[\w:]+", "", rule["expr"])
            for name in re.findall(r"\b(?:travelaudience|server|http_server|probe|loadclient|metrics_adapter)_\w+", expression):
                bare = {name, name.removeprefix("metrics_adapter_")}
                bare |= {re.sub(r"_(total|sum|count|bucket)$", "", n) for n in bare}
                with self.subTest(series=name):
                    self.assertTrue(any(f'"{n}"' in source for n in bare), "no such metric in the source")

    def test_every_reload_that_the_runbook_lists_is_registered(self):
        # The alert has a pattern for names, which says nothing of a series that is not there.
        source = "".join(
            file.read_text() for file in sorted(ROOT.parent.glob("metrics-adapter/src/**/*.rs"))
        )
        calls = re.findall(r"Reloads::register\(\s*registry,\s*(\w+|\"\w+\")", source)
        # One name stands in a line of its own, before the call.
        named = re.findall(r"let \(name, what\) = \(\s*\"(\w+)\"", source)
        self.assertEqual(calls.count("name"), len(named))
        registered = {call.strip('"') for call in calls if call != "name"} | set(named)
        text = (RUNBOOKS / "MetricsAdapterReloadFailing.md").read_text()
        rows = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
        listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
        self.assertEqual(listed, registered)


if __name__ == "__main__":
    unittest.main()
