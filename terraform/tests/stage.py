"""A stage on which docs/gke.md is played: a copy of what it names, and the programs that it calls.

Terraform runs against the stand-in for Google's provider that terraform/check.sh left in target/terraform; Helm renders what it
would install. gcloud, docker and kubectl are stand-ins (stand_in.py), which know what was made before, and by whom, and refuse the
rest.
"""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORK = ROOT / "target/terraform"
GUIDE = ROOT / "docs/gke.md"
GKE = ROOT / "terraform/gke"
# What the guide's commands read.
NEEDED = ("terraform/gke", "helm", "prometheus-rules", "grafana", "Dockerfile")
STAND_IN = ROOT / "terraform/tests/stand_in.py"
STAND_INS = ("docker", "gcloud", "helm", "kubectl", "ls", "terraform")


def terraform():
    """The program that check.sh used."""
    found = shutil.which(os.environ.get("TERRAFORM") or "terraform")
    if not found and (WORK / "tofu").exists():
        found = str(WORK / "tofu")
    if not found or not (WORK / "plugins").exists():
        raise AssertionError("no Terraform, or no provider for it: run terraform/check.sh first")
    return os.path.abspath(found)


def helm():
    """Helm itself."""
    found = shutil.which("helm")
    if not found:
        raise AssertionError("helm is not on PATH: build it with `testbed build` and put target/testbed/bin on PATH")
    return found


def blocks(text, language):
    """The code blocks of a page, or of a part of it."""
    return re.findall(rf"(?m)^```{language}\n(.*?)^```$", text, re.DOTALL)

# As the task gives it.
APPLY = (
    "GOOGLE_APPLICATION_CREDENTIALS=service-account.json "
    "terraform -chdir=terraform/gke apply -var 'k8s_project=my-project-1234'"
)


class Stage:
    """A folder with the repository's part, and everything that its programs remember."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.root = self.folder / "root"
        self.memory = self.folder / "memory"
        programs = self.folder / "bin"
        for made in (self.root, self.memory, programs):
            made.mkdir()
        for name in NEEDED:
            source, copy = ROOT / name, self.root / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars", "__pycache__")
                shutil.copytree(source, copy, ignore=ignored)
            else:
                shutil.copy(source, copy)
        for name in STAND_INS:
            # By this Python, which has what the stand-ins import; another one in PATH may not.
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" {name} "$@"\n')
            program.chmod(0o755)
        config = self.folder / "terraformrc"
        config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{WORK / "plugins"}"\n  }}\n}}\n')
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "GOOGLE_", "HELM_"))}
        self.environment = kept | {
            "PATH": f"{programs}:{kept['PATH']}",
            "HOME": str(self.folder),
            "TF_CLI_CONFIG_FILE": str(config),
            "CHECKPOINT_DISABLE": "1",
            "STAGE": str(self.folder),
            "STAGE_TERRAFORM": terraform(),
            "STAGE_HELM": helm(),
        }

    def play(self, script):
        """Runs commands as one shell does, until the first one fails; all that they say, or an AssertionError."""
        script = f"set -euo pipefail\ncd '{self.root}'\n{script}"
        done = subprocess.run(
            ["bash", "-c", script], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            raise AssertionError(f"exit code {done.returncode}: …{done.stdout[-2000:]}")
        return done.stdout

    def calls(self):
        """Every call of a stand-in so far: program and arguments."""
        return [json.loads(line) for line in (self.memory / "calls").read_text().splitlines()]

    def resources(self, kind):
        """Attributes of the resources of a kind in Terraform's state, by index or name."""
        state = json.loads((self.root / "terraform/gke/terraform.tfstate").read_text())
        return {
            instance.get("index_key", resource["name"]): instance["attributes"]
            for resource in state["resources"]
            if resource["type"] == kind
            for instance in resource["instances"]
        }


@functools.cache
def applied():
    """A stage on which the module was applied, with nothing said but the project, as people are told to."""
    folder = tempfile.TemporaryDirectory()
    stage = Stage(folder.name)
    # Goes with the stage, which goes with the process.
    stage.keeper = folder
    (stage.root / "service-account.json").write_text("{}")
    stage.play("terraform -chdir=terraform/gke init")
    stage.play(APPLY)
    return stage


def validate(file, old, new):
    """What `validate` says of terraform/gke with a text of a file replaced: None when it is content."""
    text = (GKE / file).read_text()
    assert old in text, f"{file} has no {old!r}"
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "gke"
        shutil.copytree(WORK / "copy/terraform/gke", copy, symlinks=True)
        (copy / file).write_text(text.replace(old, new))
        done = subprocess.run(
            [terraform(), f"-chdir={copy}", "validate", "-no-color"],
            env=os.environ | {"TF_CLI_CONFIG_FILE": str(WORK / "terraformrc"), "CHECKPOINT_DISABLE": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        return None if done.returncode == 0 else re.sub(r"[\n│╷╵ ]+", " ", done.stdout)
