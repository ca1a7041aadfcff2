"""An upgrade from the previous version of a chart changes nothing that Kubernetes does not let change.

previous/ has every chart as it was released last, made by `helm package`: a clone without history has no
tags to look at. Whoever releases a version puts its package there, in the place of the one before. The
end-to-end scenario `upgrade` does the same upgrade on a cluster.
"""

import re
import unittest

import yaml
from charts import CHARTS, HELM_DIR, ChartTest, branches, load_all, run, template

PREVIOUS = HELM_DIR / "tests/previous"


def package(chart):
    """The package of a chart's previous version."""
    (found,) = PREVIOUS.glob(f"{chart}-[0-9]*.tgz")
    return found


def version(text):
    return tuple(int(part) for part in re.search(r"^version: (\d+)\.(\d+)\.(\d+)$", text, re.MULTILINE).groups())


def immutable(document):
    """What kube-apiserver refuses to change in an object, by kind."""
    spec = document.get("spec", {})
    return {
        "Deployment": lambda: spec["selector"],
        "Service": lambda: spec.get("clusterIP"),
        "PersistentVolumeClaim": lambda: {key: value for key, value in spec.items() if key != "resources"},
        "ClusterRoleBinding": lambda: document["roleRef"],
        "RoleBinding": lambda: document["roleRef"],
        "Secret": lambda: document.get("type"),
    }.get(document["kind"], lambda: None)()


def by_name(objects):
    return {
        (o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o
        for o in objects
        if "helm.sh/hook" not in o["metadata"].get("annotations", {})
    }


class Upgrade(ChartTest):
    def test_what_is_immutable_stays_and_nothing_is_renamed(self):
        compared = {chart: 0 for chart in CHARTS}
        for chart, values in branches():
            before = template(chart, "--values", values, path=package(chart), check=False)
            if before.returncode != 0:
                # The branch has a value that the previous version did not know.
                self.assertIn("not allowed", before.stderr, f"{chart} with {values.name}")
                continue
            old = by_name(load_all(before.stdout))
            new = by_name(load_all(template(chart, "--values", values).stdout))
            compared[chart] += 1
            with self.subTest(chart=chart, values=values.name):
                self.assertLessEqual(set(old), set(new))
                for key, document in old.items():
                    self.assertEqual(document["apiVersion"].split("/")[0], new[key]["apiVersion"].split("/")[0], key)
                    self.assertEqual(immutable(document), immutable(new[key]), key)
        for chart, count in compared.items():
            self.assertGreater(count, 1, chart)

    def test_a_chart_that_changed_has_a_new_version(self):
        for chart in CHARTS:
            meta = (HELM_DIR / chart / "Chart.yaml").read_text()
            before = run("helm", "show", "chart", package(chart)).stdout
            with self.subTest(chart=chart):
                self.assertEqual(yaml.safe_load(before)["name"], chart)
                values = (HELM_DIR / chart / "values.yaml").read_text().strip()
                if run("helm", "show", "values", package(chart)).stdout.strip() == values:
                    self.assertGreaterEqual(version(meta), version(before))
                else:
                    self.assertGreater(version(meta), version(before))


if __name__ == "__main__":
    unittest.main()
