"""An upgrade from the previous version of a chart changes nothing that Kubernetes does not let change.

previous/ has every chart as it was released last, made by `helm package`: a clone without history has no
tags to look at. Whoever releases a version puts its package there, in the place of the one before. The
end-to-end scenario `upgrade` does the same upgrade on a cluster.
"""

import pathlib
import re
import shutil
import tarfile
import tempfile
import unittest

import yaml
from charts import CHARTS, HELM_DIR, ChartTest, branches, load_all, run, template

PREVIOUS = HELM_DIR / "tests/previous"


def package(chart):
    """The package of a chart's previous version."""
    (found,) = PREVIOUS.glob(f"{chart}-[0-9]*.tgz")
    return found


def files(archive):
    """What a package holds, by path, but for what only people read and the version itself."""
    with tarfile.open(archive) as opened:
        held = {m.name.partition("/")[2]: opened.extractfile(m).read() for m in opened.getmembers() if m.isfile()}
    meta = yaml.safe_load(held.pop("Chart.yaml"))
    del meta["version"]
    return {name: text for name, text in held.items() if name not in ("CHANGELOG.md", "README.md")} | {"Chart.yaml": meta}


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
            with self.subTest(chart=chart), tempfile.TemporaryDirectory() as directory:
                self.assertEqual(yaml.safe_load(before)["name"], chart)
                run("helm", "package", HELM_DIR / chart, "--destination", directory)
                (now,) = pathlib.Path(directory).glob("*.tgz")
                if files(now) == files(package(chart)):
                    self.assertGreaterEqual(version(meta), version(before))
                else:
                    self.assertGreater(version(meta), version(before))

    def test_a_change_of_any_file_is_seen(self):
        with tempfile.TemporaryDirectory() as directory:
            archives = []
            for number, comment in enumerate(("", "# Another text.\n")):
                chart = pathlib.Path(directory) / str(number) / "client"
                shutil.copytree(HELM_DIR / "client", chart)
                with open(chart / "templates/deployment.yaml", "a", encoding="utf-8") as file:
                    file.write(comment)
                (chart / "CHANGELOG.md").write_text(comment)
                run("helm", "package", chart, "--destination", chart.parent)
                archives += chart.parent.glob("*.tgz")
            before, after = map(files, archives)
            self.assertEqual(set(before), set(after))
            self.assertEqual({name for name in before if before[name] != after[name]}, {"templates/deployment.yaml"})


if __name__ == "__main__":
    unittest.main()
