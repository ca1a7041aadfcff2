"""The workflows: pinned, bounded, with few rights, and nothing in them that people could not run by make."""

import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FILES = sorted((ROOT / ".github/workflows").glob("*.y*ml"))
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
JOBS = {(name, job): content for name, flow in WORKFLOWS.items() for job, content in flow["jobs"].items()}
TARGETS = set(re.findall(r"(?m)^([a-z0-9-]+):(?!=)", (ROOT / "Makefile").read_text()))
# Rights beyond reading, and who has them.
WRITES = {
    ("release.yaml", "build"): {"packages"},
    ("release.yaml", "publish"): {"contents", "packages", "id-token"},
}


def commands(job):
    """The scripts of a job's steps, with what the matrix puts into MAKE_TARGET."""
    matrix = job.get("strategy", {}).get("matrix", {})
    for step in job["steps"]:
        script = step.get("run", "")
        if "$MAKE_TARGET" in script:
            yield from (script.replace('"$MAKE_TARGET"', target) for target in matrix["target"])
        else:
            yield script


class Workflows(unittest.TestCase):
    def test_there_are_some(self):
        self.assertEqual(sorted(WORKFLOWS), ["ci.yaml", "release.yaml"])

    def test_every_action_is_pinned_by_digest_and_says_its_version(self):
        digests = {}
        for path in FILES:
            for line in re.findall(r"(?m)^.*\buses:.*$", path.read_text()):
                found = re.fullmatch(r"\s*-? *uses: ([\w-]+/[\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+", line)
                self.assertTrue(found, f"{path.name}: {line}")
                digests.setdefault(found[1], set()).add(found[2])
        self.assertGreater(len(digests), 3)
        self.assertEqual({name: 1 for name in digests}, {name: len(found) for name, found in digests.items()})

    def test_every_image_is_pinned_by_digest(self):
        images = [
            image
            for path in FILES
            for image in re.findall(r"(?m)^\s*(?:image|- ?image|node): ([^\s\[]+:\S+)", path.read_text())
        ]
        self.assertGreater(len(images), 3)
        for image in images:
            self.assertRegex(image, r"@sha256:[0-9a-f]{64}$")

    def test_every_job_is_bounded_and_may_read_unless_it_publishes(self):
        self.assertGreater(len(JOBS), 5)
        for key, job in JOBS.items():
            with self.subTest(job=key):
                self.assertIn(job.get("timeout-minutes"), range(1, 121))
                rights = job["permissions"]
                self.assertEqual({r for r, level in rights.items() if level != "read"}, WRITES.get(key, set()))
        for name, flow in WORKFLOWS.items():
            self.assertEqual(flow["permissions"], {"contents": "read"}, name)
            self.assertIn("group", flow["concurrency"], name)
            # YAML 1.1 takes the key `on` for true.
            self.assertNotIn("pull_request_target", flow[True], name)

    def test_no_checkout_leaves_a_token_behind(self):
        checkouts = [s for job in JOBS.values() for s in job["steps"] if s.get("uses", "").startswith("actions/checkout@")]
        self.assertEqual(len(checkouts), len(JOBS))
        for step in checkouts:
            self.assertIs(step["with"]["persist-credentials"], False)

    def test_no_script_is_made_of_somebodys_text(self):
        for key, job in JOBS.items():
            for step in job["steps"]:
                self.assertNotIn("${{", step.get("run", ""), key)

    def test_every_make_target_exists_and_every_part_of_make_test_is_run(self):
        named = set()
        for key, job in JOBS.items():
            for script in commands(job):
                for words in re.findall(r"(?m)\bmake((?: [\w.=$-]+|(?: [A-Z]+=\"[^\"]*\"))+)", script):
                    found = {word for word in words.split() if re.fullmatch(r"[a-z][a-z0-9-]*", word)}
                    self.assertTrue(found and found <= TARGETS, f"{key}: make{words}")
                    named |= found
        parts = re.search(r"(?m)^test:([^#\n]*)", (ROOT / "Makefile").read_text())[1].split()
        self.assertIn("e2e", parts)
        self.assertEqual(set(parts) - named, set())

    def test_go_is_as_new_as_any_module_wants(self):
        """setup-go sets GOTOOLCHAIN=local: Go then refuses a module that wants a newer one."""

        def wants(path):
            return tuple(map(int, re.search(r"(?m)^go ([\d.]+)$", path.read_text())[1].split(".")))

        tracked = subprocess.run(["git", "ls-files", "*go.mod"], cwd=ROOT, check=True, capture_output=True, text=True)
        newest = max(wants(ROOT / path) for path in tracked.stdout.split())
        steps = [step for job in JOBS.values() for step in job["steps"] if step.get("uses", "").startswith("actions/setup-go@")]
        self.assertGreater(len(steps), 3)
        for step in steps:
            self.assertEqual(wants(ROOT / step["with"]["go-version-file"]), newest)

    def test_what_is_cached_in_a_container_is_where_its_image_has_it(self):
        cached = 0
        for key, job in JOBS.items():
            for step in job["steps"]:
                if step.get("uses", "").startswith("actions/cache@"):
                    cached += 1
                    self.assertIn("/library/rust:", job["container"]["image"], key)
                    # CARGO_HOME of that image is not in anybody's home.
                    self.assertNotIn("~/.cargo", step["with"]["path"], key)
        self.assertGreater(cached, 1)

    def test_the_images_that_are_released_are_those_of_the_dockerfile(self):
        targets = set(re.findall(r"(?m)^FROM scratch AS (\S+)$", (ROOT / "Dockerfile").read_text()))
        self.assertEqual(set(JOBS["release.yaml", "build"]["strategy"]["matrix"]["image"]), targets)
        scripts = "\n".join(commands(JOBS["release.yaml", "publish"]))
        self.assertEqual(set(re.search(r"for image in ([\w -]+); do", scripts)[1].split()), targets)
        charts = {path.parent.name for path in ROOT.glob("helm/*/Chart.yaml")}
        self.assertEqual(set(re.search(r"for chart in ([\w -]+); do", scripts)[1].split()), charts)


class Release(unittest.TestCase):
    """.github/release.sh on a repository of its own."""

    def run_on(self, changes, *arguments):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            files = {
                ".github/release.sh": (ROOT / ".github/release.sh").read_text(),
                "Cargo.toml": '[workspace.package]\nversion = "1.2.3"\n',
                "helm/one/Chart.yaml": 'version: 1.2.3\nappVersion: "1.2.3"\n',
                "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n- later\n\n## 1.2.3 - 2026-01-01\n\n- now\n\n## 1.2.2\n\n- before\n",
            }
            for name, text in (files | changes).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            script = ["sh", root / ".github/release.sh", *arguments]
            return subprocess.run(script, capture_output=True, text=True, check=False)

    def test_all_must_say_the_version(self):
        self.assertEqual(self.run_on({}, "check", "v1.2.3").returncode, 0)
        for name, text in {
            "Cargo.toml": 'version = "1.2.4"\n',
            "helm/one/Chart.yaml": 'version: 1.2.3\nappVersion: "1.2.2"\n',
            "CHANGELOG.md": "## Unreleased\n\n- later\n",
        }.items():
            done = self.run_on({name: text}, "check", "v1.2.3")
            self.assertEqual(done.returncode, 1, name)
            self.assertIn(name, done.stderr)
        self.assertIn("nothing under", self.run_on({"CHANGELOG.md": "## 1.2.3\n\n## 1.2.2\n\n- x\n"}, "check", "v1.2.3").stderr)

    def test_notes_are_the_versions_own(self):
        self.assertEqual(self.run_on({}, "notes", "v1.2.3").stdout.strip(), "- now")

    def test_a_dot_is_a_dot(self):
        self.assertEqual(self.run_on({"Cargo.toml": 'version = "1x2.3"\n'}, "check", "v1.2.3").returncode, 1)

    def test_wrong_usage(self):
        for arguments in [(), ("check",), ("check", "1.2.3"), ("other", "v1.2.3")]:
            self.assertEqual(self.run_on({}, *arguments).returncode, 64, arguments)


if __name__ == "__main__":
    unittest.main()
