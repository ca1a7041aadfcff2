"""The images' build files and the course's hand-in, as far as that can be told without Docker."""

import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
FILES = {
    "servicediscovery": ROOT / "exoscale/servicediscovery/Dockerfile",
    "autoscaler": ROOT / "exoscale/autoscaler/Dockerfile",
}


class Images(unittest.TestCase):
    def test_each_is_one_static_binary(self):
        toolchain = re.search(r'channel = "([\d.]+)"', (ROOT / "rust-toolchain.toml").read_text())[1]
        for name, file in FILES.items():
            with self.subTest(image=name):
                build, image = re.split(r"(?m)^FROM scratch\n", file.read_text())
                self.assertIn(f"FROM docker.io/library/rust:{toolchain}-bookworm AS build", build)
                self.assertIn(f"RUSTUP_TOOLCHAIN={toolchain}", build)
                self.assertIn("target-feature=+crt-static", build)
                self.assertIn("--locked", build)
                (binary,) = re.findall(r"--bin (\S+)", build)
                self.assertIn(f'ENTRYPOINT ["/{binary}"]', image)
                # The builder of the acceptance tests knows no BuildKit.
                self.assertNotIn("--mount", build)

    def test_users(self):
        for name, user in [("autoscaler", "65532:65532"), ("servicediscovery", "0:0")]:
            self.assertIn(f"\nUSER {user}\n", FILES[name].read_text(), name)
        # What its image does not do, its container does.
        services = yaml.safe_load((ROOT / "exoscale/monitoring/compose.yaml").read_text())["services"]
        for name in ("servicediscovery", "autoscaler"):
            self.assertEqual((services[name]["user"], services[name]["cap_drop"]), ("65532:65532", ["ALL"]))

    def test_ports(self):
        self.assertIn("\nEXPOSE 8090\n", FILES["autoscaler"].read_text())

    def test_every_image_that_compose_names_is_built_here(self):
        text = (ROOT / "exoscale/monitoring/compose.yaml").read_text() + (ROOT / "exoscale/pool/compose.yaml").read_text()
        self.assertEqual({n.lower() for n in re.findall(r"\$\{(\w+)_IMAGE:\?\}", text)}, {"server", *FILES})
        # The server's is a target of the root's Dockerfile.
        self.assertIn("\nFROM scratch AS server\n", (ROOT / "Dockerfile").read_text())


class HandIn(unittest.TestCase):
    def test_layout(self):
        with tempfile.TemporaryDirectory() as parent:
            out = pathlib.Path(parent) / "hand-in"
            # What is about to be committed, not what was: makes a commit that nothing refers to.
            stash = subprocess.run(["git", "stash", "create"], cwd=ROOT, check=True, capture_output=True, text=True)
            commit = stash.stdout.strip() or "HEAD"
            command = [ROOT / "exoscale/hand-in.sh", out, "ghcr.io/you", "198.51.100.7", commit]
            subprocess.run(command, check=True)
            for image in ("servicediscovery", "autoscaler"):
                # Whole build contexts.
                for file in ("Dockerfile", "Cargo.lock", "telemetry/Cargo.toml"):
                    self.assertTrue((out / image / file).is_file(), f"{image}/{file}")
            for file in ("main.tf", "versions.tf", "exoscale/pool/compose.yaml"):
                self.assertTrue((out / file).is_file(), file)
            self.assertIn('"${path.module}/exoscale"', (out / "user_data.tf").read_text())
            # Every file and every pattern that the user data is made of finds something.
            text = (out / "user_data.tf").read_text()
            files = re.findall(r'[^e]\bfile\("\$\{local\.sources\}/([^"$]+)"\)', text)
            sets = re.findall(r'fileset\("\$\{local\.sources\}/([^"]+)", "([^"]+)"\)', text)
            self.assertTrue(files and sets)
            for path in files:
                self.assertTrue((out / "exoscale" / path).is_file(), path)
            for folder, pattern in sets:
                alternatives = re.search(r"\{(.*)\}", pattern)
                for word in alternatives[1].split(",") if alternatives else [""]:
                    one = re.sub(r"\{.*\}", word, pattern)
                    self.assertTrue(list((out / "exoscale" / folder).glob(one)), one)
            self.assertIn('"ghcr.io/you"', (out / "terraform.tfvars").read_text())


if __name__ == "__main__":
    unittest.main()
