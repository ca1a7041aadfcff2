"""The charts as packages: lint, schema, documentation, packaging."""

import json
import pathlib
import re
import shutil
import tempfile
import unittest

import yaml
from charts import CHARTS, HELM_DIR, KUBERNETES, ChartTest, branches, load_all, one, run, template

ROOT = HELM_DIR.parent


# An object that holds what NOTES.txt, moved out of the templates, makes of the values.
NOTES = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: notes
data:
  text: {{ tpl (.Files.Get "NOTES.txt") . | toJson }}
"""


def notes(chart, *arguments):
    """What `helm install` says at its end; `helm template` leaves it out, and Helm 3 installs nothing without a cluster."""
    with tempfile.TemporaryDirectory() as directory:
        copy = pathlib.Path(directory) / chart
        shutil.copytree(HELM_DIR / chart, copy)
        (copy / "templates/NOTES.txt").rename(copy / "NOTES.txt")
        (copy / "templates/notes.yaml").write_text(NOTES)
        return one(load_all(template(chart, *arguments, path=copy).stdout), "ConfigMap", "notes")["data"]["text"]


class Lint(ChartTest):
    def test_every_branch_passes_lint_strict(self):
        for chart, values in branches():
            with self.subTest(chart=chart, values=values.name):
                run(
                    "helm", "lint", "--strict", "--kube-version", KUBERNETES,
                    HELM_DIR / chart, "--values", values,
                )

    def test_charts_are_v2_and_name_their_kubernetes(self):
        for chart in CHARTS:
            with self.subTest(chart=chart):
                meta = yaml.safe_load((HELM_DIR / chart / "Chart.yaml").read_text())
                self.assertEqual(meta["apiVersion"], "v2")
                self.assertEqual(meta["name"], chart)
                self.assertEqual(meta["kubeVersion"], ">=1.29.0-0")
                self.assertTrue(meta["appVersion"])

    def test_one_object_per_template_file(self):
        # requestcounter's two templates go over its services, as its requirement has it.
        for chart in set(CHARTS) - {"requestcounter"}:
            for file in (HELM_DIR / chart / "templates").glob("*.yaml"):
                with self.subTest(file=f"{chart}/{file.name}"):
                    text = file.read_text()
                    self.assertNotIn("\n---", text)
                    self.assertLessEqual(len(re.findall(r"^kind:", text, re.MULTILINE)), 1)

    def test_every_top_level_value_is_in_the_schema_and_documented(self):
        for chart in CHARTS:
            text = (HELM_DIR / chart / "values.yaml").read_text()
            schema = json.loads((HELM_DIR / chart / "values.schema.json").read_text())
            self.assertIs(schema["additionalProperties"], False)
            self.assertEqual(set(yaml.safe_load(text)), set(schema["properties"]), chart)
            lines = text.splitlines()
            for number, line in enumerate(lines):
                key = re.match(r"^([A-Za-z]+):( |$)", line)
                if not key:
                    continue
                with self.subTest(chart=chart, key=key[1]):
                    block = []
                    for above in reversed(lines[:number]):
                        if not above.startswith("#"):
                            break
                        block.append(above)
                    # A group of values is documented key by key instead.
                    below = []
                    for later in lines[number + 1 :]:
                        if later and not later.startswith(" "):
                            break
                        below.append(later)
                    documented = any(b.startswith("# --") for b in block) or any(
                        b.strip().startswith("# --") for b in below
                    )
                    self.assertTrue(documented or key[1] == "resources", "no `# --` comment")

    def test_schemas_say_whether_they_know_everything(self):
        # Alertmanager has more keys than anybody would repeat here; amtool knows them.
        open_ended = {("monitoring", "/properties/alertmanager/properties/config")}

        def lax(node, path):
            if isinstance(node, dict):
                if "properties" in node and "additionalProperties" not in node:
                    yield path
                for key, inner in node.items():
                    yield from lax(inner, f"{path}/{key}")
            elif isinstance(node, list):
                for index, inner in enumerate(node):
                    yield from lax(inner, f"{path}/{index}")

        for chart in CHARTS:
            schema = json.loads((HELM_DIR / chart / "values.schema.json").read_text())
            self.assertEqual({(chart, path) for path in lax(schema, "")}, {it for it in open_ended if it[0] == chart})

    def test_typos_are_refused(self):
        for chart, typo in (
            ("client", "replicaCounts=2"),
            ("client", "image.tags=v1"),
            ("client", "envvar.dns.vlaue=true"),
            ("server", "autoscalling.minReplicas=2"),
            ("server", "autoscaling.behaviour.x=1"),
            ("server", "autoscaling.behavior.scaleDown.stabilisationWindowSeconds=1"),
            ("metrics-adapter", "tls.insecureSkipTLSVerify=true"),
            ("metrics-adapter", "prometheusUrl=http://prometheus"),
            ("metrics-adapter", "podMonitor.intervall=5s"),
            ("monitoring", "scrape_interval=5s"),
            ("monitoring", "grafana.adminPassword=secret"),
            ("server", "test.image.tags=v1"),
            ("requestcounter", "service.redis.port=6380"),
            ("requestcounter", "services.redis.prot=6380"),
            ("requestcounter", "services.request-counter.image.tags=1"),
        ):
            with self.subTest(chart=chart, typo=typo):
                self.assert_refused(chart, "not allowed", "--set", typo)

    def test_a_package_renders_the_same(self):
        for chart in CHARTS:
            with self.subTest(chart=chart), tempfile.TemporaryDirectory() as directory:
                run("helm", "package", HELM_DIR / chart, "--destination", directory)
                (package,) = pathlib.Path(directory).glob(f"{chart}-*.tgz")
                # A certificate is new with every rendering; the rest must not differ.
                arguments = (
                    ["--values", HELM_DIR / chart / "ci/cert-manager-values.yaml"]
                    if chart == "metrics-adapter"
                    else []
                )
                self.assertEqual(
                    load_all(template(chart, *arguments, path=package).stdout),
                    load_all(template(chart, *arguments).stdout),
                )

    def test_images_are_those_that_the_repository_builds_or_composes(self):
        targets = set(re.findall(r"^FROM scratch AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
        files = ("docker-compose.yml", "exoscale/monitoring/compose.yaml")
        composed = {name for file in files for name in re.findall(r"image: (\S+)$", (ROOT / file).read_text(), re.MULTILINE)}
        ours = set()
        # What `helm test` asks with; its version is that of the newest Kubernetes that is tested.
        others = {"registry.k8s.io/kubectl:v1.36.3"}
        for chart in CHARTS:
            alerting = ["--set", "alertmanager.enabled=true"] if chart == "monitoring" else []
            version = yaml.safe_load((HELM_DIR / chart / "Chart.yaml").read_text())["appVersion"]
            for document in load_all(template(chart, *alerting).stdout):
                spec = document.get("spec", {})
                for container in spec.get("template", {}).get("spec", spec).get("containers", []):
                    name = container["image"]
                    if name.startswith("localhost/"):
                        repository, tag = name.removeprefix("localhost/").split(":")
                        ours.add(repository)
                        self.assertEqual(tag, version, f"{chart}: {name}")
                    else:
                        self.assertIn(name, composed | others, chart)
        self.assertLessEqual(ours, targets)
        self.assertEqual(ours, {"server", "loadclient", "metrics-adapter"})

    def test_notes_name_the_commands_to_verify(self):
        # requestcounter has no template that it could do without; helm/requestcounter/install.sh tells.
        for chart in set(CHARTS) - {"requestcounter"}:
            with self.subTest(chart=chart):
                notes = (HELM_DIR / chart / "templates/NOTES.txt").read_text()
                self.assertIn("kubectl -n {{ .Release.Namespace }}", notes)

    def test_notes_say_how_to_open_the_status_page(self):
        self.assertIn("port-forward deployment/metrics-adapter 8081\n", notes("metrics-adapter"))

    def test_notes_warn_of_images_that_nothing_is_pulled_from(self):
        for chart in ("client", "metrics-adapter", "server"):
            with self.subTest(chart=chart):
                self.assertIn("image.registry is localhost", notes(chart))
                self.assertNotIn("image.registry is", notes(chart, "--set", "image.registry=registry.example.com"))

    def test_a_changelog_has_a_head_for_what_is_not_released(self):
        for chart in CHARTS:
            with self.subTest(chart=chart):
                text = (HELM_DIR / chart / "CHANGELOG.md").read_text()
                heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
                self.assertEqual(heads[0], "Unreleased")
                # What `make charts` upgrades from was released.
                (package,) = (HELM_DIR / "tests/previous").glob(f"{chart}-[0-9]*.tgz")
                self.assertIn(package.stem.rpartition("-")[2], [head.partition(" ")[0] for head in heads[1:]])
                self.assertRegex(text, r"(?m)^- .")


if __name__ == "__main__":
    unittest.main()
