"""What the documents and scripts tell people to type: builds of images, the load on AWS, what is installed."""

import re
import subprocess
import unittest

import stage

ROOT = stage.ROOT
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
FILES = [path for path in TRACKED if path.endswith((".md", ".sh", ".tf", "Makefile"))]
TARGETS = re.findall(r"(?m)^FROM scratch AS (\S+)$", (ROOT / "Dockerfile").read_text())


def joined(path):
    """A file's text with continued lines in one."""
    return re.sub(r"\\\n\s*", " ", (ROOT / path).read_text())


def builds():
    """(file, words) of every `docker build` that is told what to build."""
    for path in FILES:
        for command in re.findall(r"docker build([^\n`;&|#]*)", joined(path)):
            words = command.split()
            if words and words != ["…"]:
                yield path, words


def option(words, *names):
    """The value behind an option, or None."""
    return next((value for name, value in zip(words, words[1:]) if name in names), None)


class Builds(unittest.TestCase):
    def test_every_dockerfile_that_is_named_is_tracked(self):
        named = 0
        for path in FILES:
            # Not those in a folder that the script itself makes.
            for name in re.findall(r"(?<![\w$}*/.])[\w./-]*\bDockerfile\b", joined(path)):
                here = (ROOT / path).parent / name
                known = name in TRACKED or (here.resolve().is_relative_to(ROOT) and str(here.resolve().relative_to(ROOT)) in TRACKED)
                self.assertTrue(known, f"{path}: {name}")
                named += 1
        self.assertGreater(named, 5)

    def test_every_build_of_the_roots_file_names_a_target_of_it(self):
        found = list(builds())
        self.assertIn("helm/requestcounter/install.sh", {path for path, _ in found})
        for path, words in found:
            with self.subTest(file=path, words=words):
                file, target = option(words, "-f", "--file"), option(words, "--target")
                if file in (None, "Dockerfile"):
                    self.assertIn((target or "").strip('"'), [*TARGETS, "$t"])
                else:
                    self.assertTrue(file in TRACKED, f"{file} is not tracked")

    def test_images_for_the_cloud_are_built_for_its_machines(self):
        found = [(path, words) for path, words in builds() if path.startswith(("terraform/", "docs/aws"))]
        self.assertGreater(len(found), 4)
        for path, words in found:
            self.assertEqual(option(words, "--platform"), "linux/amd64", f"{path}: {words}")


class Load(unittest.TestCase):
    def test_aws_is_loaded_by_one_command(self):
        places = ["README.md", "docs/aws.md", "terraform/aws/outputs.tf"]
        commands = {re.search(r'loadclient (?:-- )?http --url (?:"\$\(.*?\)"|\S+) +(--[^\n]*)', joined(path))[1] for path in places}
        self.assertEqual(len(commands), 1, commands)
        # Without it loadclient refuses a host of AWS'.
        self.assertIn("--allow-any-target", commands.pop().split())


class Make(unittest.TestCase):
    def test_help_lists_every_target_that_has_a_word_on_it(self):
        text = (ROOT / "Makefile").read_text()
        targets = re.findall(r"(?m)^([\w-]+):[^=\n]*## ", text)
        self.assertIn("e2e", targets)
        done = subprocess.run(["make", "--silent", "help"], cwd=ROOT, check=True, capture_output=True, text=True)
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()], targets)

    def test_the_readme_lists_every_package_that_is_installed(self):
        needs = re.search(r"const NEEDS.*?\n\];", (ROOT / "testbed/src/setup.rs").read_text(), re.DOTALL)[0]
        packages = set(re.findall(r'package: "([\w-]+)"', needs))
        # What `make test` installs: the images' and compose's own packages are others.
        rules = re.findall(r"(?m)^(?:setup|workflows-packages):.*\n(?:\t.*\n)+", (ROOT / "Makefile").read_text())
        self.assertEqual(len(rules), 2)
        for installed in re.findall(r"--no-install-recommends ([\w -]+)", "".join(rules)):
            packages |= set(installed.split())
        self.assertIn("libfaketime", packages)
        section = (ROOT / "README.md").read_text().partition("These Debian packages are installed")[2].partition("Their services")[0]
        self.assertEqual(set(re.findall(r"[\w-]+", section.partition(":")[2])), packages)


if __name__ == "__main__":
    unittest.main()
