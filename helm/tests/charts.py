"""Renders the charts for the tests.

Every chart is rendered once per branch: each file in its ci/ directory and each values-*.yaml beside
values.yaml. Rendering needs no cluster. `helm` and `promtool` are taken from PATH; a test that needs
one which is missing fails, and says where to get it.
"""

import functools
import pathlib
import shutil
import subprocess
import unittest

try:
    import yaml
except ImportError as error:  # pragma: no cover
    raise SystemExit("the chart tests need PyYAML: apt-get install python3-yaml") from error

HELM_DIR = pathlib.Path(__file__).resolve().parent.parent
CHARTS = ("client", "metrics-adapter", "monitoring", "requestcounter", "server")
RELEASES = {
    "client": ("client", "default"),
    "metrics-adapter": ("metrics-adapter", "metrics-adapter"),
    "monitoring": ("monitoring", "monitoring"),
    "requestcounter": ("requestcounter", "default"),
    "server": ("server", "default"),
}
# The oldest Kubernetes that the charts are for.
KUBERNETES = "1.29.0"
SOURCES = {
    "helm": "build it with `testbed build` and put target/testbed/bin on PATH",
    "promtool": "apt-get install prometheus",
    "openssl": "apt-get install openssl",
    "helm-docs": "helm/tests/tools.sh builds it into target/charts/bin; put that on PATH",
    "amtool": "apt-get install prometheus-alertmanager",
}


class Loader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys, as kube-apiserver's strict decoding does."""


def _mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.YAMLError(f"duplicate key {key!r}{node.start_mark}")
    return loader.construct_mapping(node, deep=True)


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_all(text):
    """Documents of a YAML stream, without empty ones."""
    return [document for document in yaml.load_all(text, Loader) if document is not None]


def tool(name):
    """Path of a program, or a failure that says where to get it."""
    path = shutil.which(name)
    if path is None:
        raise AssertionError(f"{name} is not on PATH: {SOURCES[name]}")
    return path


def run(name, *arguments, check=True, stdin=None):
    """Runs a tool; fails with all it said when it fails."""
    done = subprocess.run(
        [tool(name), *map(str, arguments)], input=stdin, capture_output=True, text=True, check=False
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, done.args))}\n{done.stdout}{done.stderr}")
    return done


def branches():
    """All (chart, values file) pairs."""
    found = []
    for chart in CHARTS:
        root = HELM_DIR / chart
        files = sorted(root.glob("ci/*-values.yaml")) + sorted(root.glob("values-*.yaml"))
        assert files, f"{chart} has no ci/*-values.yaml"
        found += [(chart, file) for file in files]
    return found


def template(chart, *arguments, release=None, namespace=None, check=True, path=None):
    """`helm template` of a chart, as a finished process."""
    default_release, default_namespace = RELEASES[chart]
    return run(
        "helm",
        "template",
        release or default_release,
        path or HELM_DIR / chart,
        "--namespace",
        namespace or default_namespace,
        "--kube-version",
        KUBERNETES,
        *arguments,
        check=check,
    )


@functools.lru_cache(maxsize=None)
def render(chart, values=None, sets=()):
    """Objects that a chart renders with a values file and `--set` pairs."""
    arguments = ["--values", values] if values else []
    for pair in sets:
        arguments += ["--set", pair]
    return load_all(template(chart, *arguments).stdout)


def one(objects, kind, name=None):
    """The only object of a kind (and name)."""
    found = [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} objects of kind {kind} name {name}"
    return found[0]


def some(objects, kind):
    """All objects of a kind."""
    return [o for o in objects if o["kind"] == kind]


def container(objects, deployment=None):
    """The only container of the only Deployment (of that name)."""
    containers = one(objects, "Deployment", deployment)["spec"]["template"]["spec"]["containers"]
    assert len(containers) == 1
    return containers[0]


def environment(objects):
    """Environment of that container, by name."""
    return {entry["name"]: entry for entry in container(objects).get("env", [])}


class ChartTest(unittest.TestCase):
    """A test over rendered charts."""

    maxDiff = None

    def each_branch(self, *charts):
        """Yields (chart, objects) for every branch; a failure names the branch."""
        for chart, values in branches():
            if not charts or chart in charts:
                self.branch = f"{chart} with {values.name}"
                yield chart, render(chart, values)
        self.branch = None

    branch = None

    def _formatMessage(self, msg, standardMsg):
        text = super()._formatMessage(msg, standardMsg)
        return f"{self.branch}: {text}" if self.branch else text

    def assert_refused(self, chart, message, *arguments):
        """Asserts that rendering fails with a message about the value at fault."""
        done = template(chart, *arguments, check=False)
        self.assertNotEqual(done.returncode, 0, f"accepted: {arguments}")
        self.assertIn(message, done.stderr)
