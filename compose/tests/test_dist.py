"""The archive that is handed out holds all that its README tells people to use, and nothing else."""

import pathlib
import subprocess
import tarfile
import tempfile
import unittest

import stage

ROOT = stage.ROOT
NEEDED = [
    "README.md", "LICENSE", "CHANGELOG.md", "Cargo.lock", "rust-toolchain.toml",
    "Dockerfile", "docker-compose.yml", ".env", ".dockerignore",
    "compose/prometheus.yml", "compose/loki.yaml", "compose/tempo.yaml", "compose/collector.yaml", "compose/nginx.conf",
    "compose/grafana/provisioning/datasources/datasources.yaml", "grafana/dashboards/flaky-server.json",
    "prometheus-rules/flaky.yaml", "prometheus-rules/tests/flaky.yaml", "docs/runbooks/FlakyServerErrors.md",
    "helm/server/Chart.yaml", "helm/metrics-adapter/Chart.yaml", "terraform/exoscale/main.tf",
    "server/src/main.rs", "loadclient/src/main.rs",
]


class Archive(unittest.TestCase):
    def test_contents(self):
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run(["make", "--silent", "dist", f"DIST={directory}"], cwd=ROOT, check=True, capture_output=True)
            (archive,) = pathlib.Path(directory).glob("*.tar.gz")
            subprocess.run(["sha256sum", "--check", "--status", f"{archive.name}.sha256"], cwd=directory, check=True)
            with tarfile.open(archive) as tar:
                members = {m.name.partition("/")[2]: m for m in tar.getmembers()}
                top = {m.name.partition("/")[0] for m in tar.getmembers()}
        self.assertEqual(top, {archive.name.removesuffix(".tar.gz")})
        for path in NEEDED:
            self.assertIn(path, members)
        tracked = subprocess.run(["git", "ls-tree", "-r", "--name-only", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
        self.assertEqual({n for n, m in members.items() if not m.isdir()} - {""}, set(tracked.stdout.splitlines()))
        # The chart's link to the rules leads to them inside the archive, too.
        self.assertEqual(members["helm/monitoring/rules"].linkname, "../../prometheus-rules")


if __name__ == "__main__":
    unittest.main()
