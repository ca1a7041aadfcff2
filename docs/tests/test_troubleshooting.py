"""docs/troubleshooting.md: whatever its commands and tables name exists in flags, charts and sources."""

import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs/troubleshooting.md").read_text()
SOURCES = {path: path.read_text() for path in (ROOT / "metrics-adapter/src").rglob("*.rs")}
CODE = "\n".join(SOURCES.values())
# What a command may do to a cluster that has trouble already: look.
READING = {"describe", "get", "logs", "port-forward"}
TOOLS = {"base64", "curl", "grep", "head", "kubectl", "openssl", "tail", "wc"}
# Words with dots that are neither values of the chart nor fields of the rules file.
OTHERS = {"jobs.batch", "memcache.go"}


def blocks(text):
    """Fenced blocks: their kind and content."""
    return re.findall(r"(?ms)^```(\w*)\n(.*?)^```", text)


def commands(text):
    """Whole lines of `sh`, and what stands behind a prompt."""
    found = []
    for kind, block in blocks(text):
        found += block.splitlines() if kind == "sh" else re.findall(r"(?m)^\$ (.*)", block)
    return found


def inline(text):
    """What stands between single backticks outside of blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", text))


def unquoted(command):
    return re.sub(r"'[^']*'|\"[^\"]*\"", "TEXT", command)


def programs(command):
    """The programs of a pipeline, each with its words that are no flags."""
    parts = [part.split() for part in unquoted(command).removesuffix("&").split("|")]
    return [[word for word in part if not word.startswith("-")] for part in parts]


def values(text):
    """The paths of a values.yaml, by its indentation, those of its commented examples included."""
    found, above = set(), []
    for line in text.splitlines():
        key = re.match(r"( *)(?:# )?([A-Za-z][A-Za-z0-9]*):", line)
        if key:
            depth = len(key[1])
            above = [(d, name) for d, name in above if d < depth] + [(depth, key[2])]
            found.add(".".join(name for _, name in above))
    return found


class Commands(unittest.TestCase):
    def test_the_shell_understands_them(self):
        found = commands(TEXT)
        self.assertGreater(len(found), 20)
        for command in found:
            checked = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
            self.assertEqual(checked.returncode, 0, f"{command}: {checked.stderr}")

    def test_they_look_and_change_nothing(self):
        whole = commands(TEXT) + [it for it in inline(TEXT) if it.startswith("kubectl ")]
        for command in whole:
            # `-n NAMESPACE` stands before the subcommand.
            for name, *words in programs(re.sub(r" -n \S+", "", command)):
                self.assertIn(name, TOOLS, command)
                if name == "kubectl":
                    self.assertIn(words[0], READING, command)

    def test_what_they_ask_the_adapter_is_served(self):
        groups = {it for text in SOURCES.values() for it in re.findall(r'"((?:\w+\.)*metrics\.k8s\.io/v\w+)"', text)}
        asked = set(re.findall(r"/apis/((?:\w+\.)*metrics\.k8s\.io/v\w+)", TEXT))
        registered = {f"{group}/{version}" for version, group in re.findall(r"\b(v\w+)\.((?:\w+\.)*metrics\.k8s\.io)\b", TEXT)}
        self.assertIn("custom.metrics.k8s.io/v1beta2", asked)
        self.assertEqual((asked | registered) - groups, set())

    def test_answers_of_readyz_and_lines_of_the_log_are_the_programs(self):
        conditions = set(re.findall(r"(?m)\[[-+i]\]([a-z-]+)", TEXT))
        known = set(re.findall(r'readiness\s*\.(?:condition|check|note)\("([a-z-]+)"', CODE))
        self.assertIn("pods-listed", conditions)
        self.assertEqual(conditions - known, set())
        lines = re.findall(r"(?m)^\S+Z +(?:INFO|WARN|ERROR) metrics_adapter::([\w:]+): (.*)", TEXT)
        self.assertGreater(len(lines), 3)
        for module, line in lines:
            source = ROOT / "metrics-adapter/src" / (module.replace("::", "/") + ".rs")
            self.assertIn(source, SOURCES)
            # Behind the message stand fields; values that are written into it come later.
            message = re.split(r" \w+=", line)[0]
            self.assertTrue(" ".join(message.split()[:4]) in SOURCES[source], line)


class Names(unittest.TestCase):
    def test_flags_exist(self):
        known = set(re.findall(r"`--([a-z0-9-]+)=", (ROOT / "docs/flags.md").read_text()))
        named = {flag for it in inline(TEXT) if it.startswith("--") for flag in re.findall(r"--([a-z0-9-]+)", it)}
        self.assertIn("metrics-max-age", named)
        self.assertEqual(named - known, set())

    def test_metrics_are_registered(self):
        named = {it for it in re.findall(r"metrics_adapter_(\w+)", TEXT)}
        self.assertIn("rule_series", named)
        for name in named:
            self.assertTrue(f'"{name}"' in CODE, name)

    def test_values_and_fields_exist(self):
        chart = values((ROOT / "helm/metrics-adapter/values.yaml").read_text())
        chart |= {path.removeprefix("networkPolicy.") for path in chart}
        rules = (ROOT / "docs/configuration.md").read_text()
        named = {it for it in inline(TEXT) if re.fullmatch(r"[a-z][A-Za-z]*(\.[A-Za-z]+)+", it)}
        self.assertIn("prometheus.url", named)
        for name in named - OTHERS:
            field = name.rpartition(".")[2]
            self.assertTrue(name in chart or f".{field}`" in rules or f"{field}:" in rules, name)
        for name in ("hostNetwork", "egress"):
            self.assertIn(name, chart)

    def test_readers(self):
        text = "a `--x` b\n```sh\nkubectl get a\n```\n```\n$ c 'd|e' | f -g h\n`no`\n```\n"
        self.assertEqual(commands(text), ["kubectl get a", "c 'd|e' | f -g h"])
        self.assertEqual(inline(text), ["--x"])
        self.assertEqual(programs("c 'd|e' | f -g h &"), [["c", "TEXT"], ["f", "h"]])
        self.assertEqual(values("a:\n  # -- It.\n  b: 1\nc: {}\n"), {"a", "a.b", "c"})


if __name__ == "__main__":
    unittest.main()
