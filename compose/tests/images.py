"""Every image of the Dockerfile, built by buildah and run by podman, without network: what is in it, as whom it runs, that
its program starts, and how big it is.

    python3 compose/tests/images.py     PROFILE=dev compiles faster, and its programs are bigger; IMAGES='server loadclient'

The compiler runs on this machine and not in the builder's image, which cannot be pulled here (see stage.py).
"""

import gzip
import json
import os
import subprocess
import sys
import tarfile
import unittest

import stage
import trial
import yaml

VERSION = yaml.safe_load((stage.ROOT / "helm/server/Chart.yaml").read_text())["appVersion"]
ROOTS = "etc/ssl/certs/ca-certificates.crt"
NAMES = os.environ.get("IMAGES", "").split() or sorted(stage.OURS)
# Beside the program and the roots.
MORE = {"exoscale-sd": {"srv/service-discovery"}}
# Those with a health check for engines that have no HTTP client. What the client needs to be healthy is a server.
HEALTHCHECK = {"server", "loadclient"}
# As little as it takes to start: nobody's privileges, no network but loopback.
CONFINED = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=none"]


def image(name):
    return f"localhost/{name}:{VERSION}"


def run(name, *arguments):
    return trial.run("podman", "run", "--rm", *CONFINED, image(name), *arguments)


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = trial.HOME / "images"
        cls.directory.mkdir(exist_ok=True)
        cls.binaries = stage.compile_programs(NAMES)
        stage.Stage(cls.directory, trial.environment()).ours(cls.binaries)

    def each(self):
        for name in NAMES:
            with self.subTest(image=name):
                yield name

    def exported(self, name):
        """What is in an image's layers that is no directory or is empty, and the layers' size when compressed."""
        file = self.directory / f"{name}.tar"
        trial.run("podman", "save", "--quiet", "--format", "docker-archive", "--output", file, image(name))
        files, size = {}, 0
        with tarfile.open(file) as archive:
            (manifest,) = json.load(archive.extractfile("manifest.json"))
            for layer in manifest["Layers"]:
                # As registries keep them.
                size += len(gzip.compress(archive.extractfile(layer).read()))
                with tarfile.open(fileobj=archive.extractfile(layer)) as members:
                    files |= {member.name.rstrip("/"): member for member in members}
        file.unlink()
        return files, size

    def test_an_image_has_its_program_and_nothing_else(self):
        print(f"\n    {'image':<20} {'program':>10} {'image':>10} {'compressed':>10}")
        for name in self.each():
            files, compressed = self.exported(name)
            found = {path for path, member in files.items() if not member.isdir()} | (set(files) & MORE.get(name, set()))
            self.assertEqual(found, {name, ROOTS} | MORE.get(name, set()))
            program = files[name]
            self.assertEqual((program.uid, program.mode & 0o777), (0, 0o755), "its own user cannot change it")
            (inspected,) = json.loads(trial.run("podman", "image", "inspect", image(name)))
            sizes = [program.size, inspected["Size"], compressed]
            print(f"    {name:<20} " + " ".join(f"{size / 1e6:>7.1f} MB" for size in sizes))

    def test_an_image_says_what_it_is(self):
        for name in self.each():
            (inspected,) = json.loads(trial.run("podman", "image", "inspect", image(name)))
            config = inspected["Config"]
            self.assertEqual(config["User"], "65532:65532")
            self.assertEqual(config["Entrypoint"], [f"/{name}"])
            self.assertTrue(config["ExposedPorts"])
            labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
            self.assertEqual((labels["title"], labels["version"], labels["licenses"]), (name, VERSION, "Apache-2.0"))
            self.assertTrue({"description", "revision"} <= set(labels))

    def test_a_program_starts_confined(self):
        for name in self.each():
            self.assertEqual(run(name, "--version").strip(), f"{name} {VERSION}")
            self.assertIn("--", run(name, "--help"))

    def test_a_health_check_tells_health(self):
        for name in {"server"} & set(NAMES):
            container = trial.run("podman", "run", "--detach", *CONFINED, image(name), "--roles=web").strip()
            try:
                trial.until(lambda c=container, n=name: checked(c, n), f"{name} is not healthy")
            finally:
                trial.run("podman", "rm", "--force", "--time", "0", container)

    def test_a_health_check_fails_where_nothing_runs(self):
        for name in HEALTHCHECK & set(NAMES):
            with self.subTest(image=name):
                command = ["podman", "run", "--rm", *CONFINED, image(name), "healthcheck"]
                done = subprocess.run(command, env=trial.environment(), capture_output=True, check=False)
                self.assertEqual(done.returncode, 1)


def checked(container, name):
    command = ["podman", "exec", container, f"/{name}", "healthcheck"]
    return subprocess.run(command, env=trial.environment(), capture_output=True, check=False).returncode == 0


def main():
    for name, package in [("podman", "podman"), ("buildah", "buildah"), ("runc", "runc"), ("busybox", "busybox-static")]:
        stage.tool(name, package)
    return trial.isolated(__file__)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except stage.Missing as missing:
        sys.exit(f"images: {missing}")
