"""docs/migration.md: what it tells people to copy is valid, and its table is complete."""

import json
import re
import tempfile
import unittest

import yaml
from charts import HELM_DIR, ChartTest, load_all, one, template

GUIDE = HELM_DIR.parent / "docs/migration.md"

# Every value of prometheus-adapter's chart 5.3.0 (helm show values).
THEIRS = """
affinity topologySpreadConstraints nameOverride fullnameOverride namespaceOverride image.repository
image.tag image.pullPolicy image.pullSecrets logLevel metricsRelistInterval listenPort nodeSelector
priorityClassName customAnnotations customLabels prometheus.url prometheus.port prometheus.path
replicas podSecurityContext securityContext rbac.create rbac.useAuthReaderClusterRole
rbac.externalMetrics.resources rbac.customMetrics.resources automountServiceAccountToken
serviceAccount.create serviceAccount.name serviceAccount.annotations
serviceAccount.automountServiceAccountToken dnsConfig resources livenessProbe readinessProbe
startupProbe rules.default rules.custom rules.existing rules.external rules.resource
service.annotations service.port service.type service.clusterIP service.ipDualStack tls.enable tls.ca
tls.key tls.certificate env extraArguments extraContainers extraVolumes extraVolumeMounts tolerations
podLabels podAnnotations deploymentAnnotations hostNetwork.enabled dnsPolicy strategy
podDisruptionBudget.enabled podDisruptionBudget.minAvailable podDisruptionBudget.maxUnavailable
certManager.enabled certManager.caCertDuration certManager.certDuration
certManager.caCertRevisionHistoryLimit certManager.certRevisionHistoryLimit extraManifests
revisionHistoryLimit
""".split()


def blocks():
    """Documents of the guide's YAML blocks."""
    for block in re.findall(r"^```yaml\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL):
        yield from load_all(block)


def table():
    """Rows of the table of values: (names on the left, text on the right)."""
    text = GUIDE.read_text()
    text = text[text.index("### From its chart to ours") : text.index("So these values")]
    for left, right in re.findall(r"^\| (.*?) \| (.*) \|$", text, re.MULTILINE):
        names = re.findall(r"`([^`]+)`", left)
        if names:
            yield names, right


def known(name):
    """Whether our schema knows a value."""
    schema = json.loads((HELM_DIR / "metrics-adapter/values.schema.json").read_text())
    for key in name.split("."):
        schema = schema.get("properties", {}).get(key)
        if schema is None:
            return False
    return True


class Guide(ChartTest):
    def test_every_value_of_theirs_has_a_row_and_no_other(self):
        named = [name for names, _ in table() for name in names]
        self.assertEqual(sorted(named), sorted(THEIRS))

    def test_values_that_are_the_same_exist_and_gone_ones_do_not(self):
        for names, right in table():
            for name in names:
                with self.subTest(value=name):
                    if right.startswith(("same", "**same")):
                        self.assertTrue(known(name))
                    elif right.startswith("gone"):
                        self.assertFalse(known(name))
                    else:
                        other = [n for n in re.findall(r"`([\w.]+)`", right) if known(n)]
                        self.assertTrue(other, f"no value of ours in: {right}")

    def test_values_and_rules_render(self):
        rendered = 0
        for document in blocks():
            if "apiVersion" in document:
                continue
            if isinstance(document.get("rules"), dict):
                values = document
            else:
                sections = {"rules": "custom", "externalRules": "external", "resourceRules": "resource"}
                self.assertLessEqual(set(document), set(sections))
                given = {sections[key]: rules for key, rules in document.items()}
                values = {"rules": {"default": False, **given}}
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                yaml.safe_dump(values, file)
                file.flush()
                objects = load_all(template("metrics-adapter", "--values", file.name).stdout)
            config = yaml.safe_load(one(objects, "ConfigMap")["data"]["config.yaml"])
            for section, key in (("rules", "custom"), ("externalRules", "external")):
                self.assertEqual(config.get(section), values["rules"].get(key))
            rendered += 1
        self.assertGreaterEqual(rendered, 3)

    def test_autoscalers_ask_for_metrics_that_the_guide_makes(self):
        made = set()
        for document in blocks():
            rules = document.get("externalRules", []) if "apiVersion" not in document else []
            made |= {rule["name"]["as"] for rule in rules}
        asked = {
            metric["external"]["metric"]["name"]
            for document in blocks()
            if document.get("kind") == "HorizontalPodAutoscaler"
            for metric in document["spec"]["metrics"]
        }
        self.assertTrue(asked)
        self.assertLessEqual(asked, made)


if __name__ == "__main__":
    unittest.main()
