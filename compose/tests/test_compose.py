"""docker-compose.yml, the Dockerfile and the configuration files, as far as that can be told without
running them; `make compose-check` and `make compose-test` go further."""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

import stage
import yaml

ROOT = stage.ROOT
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


def run(tool, package, *arguments, **options):
    return subprocess.run([stage.tool(tool, package), *arguments], capture_output=True, text=True, check=False, **options)


class Replica:
    """A server on a Unix socket that counts its requests, and gives each an answer or just hangs up."""

    def __init__(self, path, answer):
        self.requests = 0
        self.answer = answer
        self.socket = socket.create_server(str(path), family=socket.AF_UNIX)
        path.chmod(0o777)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            with connection:
                if not connection.recv(65536):
                    return
                self.requests += 1
                connection.sendall(self.answer)

    def close(self):
        """Ends the thread, with a connection that asks nothing."""
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self.socket.getsockname())
        self.thread.join()
        self.socket.close()


def ask(path):
    """The beginning of the answer to a GET."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        return connection.makefile("rb").read(12)


class Services(unittest.TestCase):

    def test_profiles(self):
        members = {}
        for name, service in SERVICES.items():
            for profile in service["profiles"]:
                members.setdefault(profile, set()).add(name)
        self.assertEqual(
            members,
            {
                "flaky": {"server", "client", "prometheus", "grafana", "loki", "tempo", "collector"},
                "probe": {"server", "client"},
                "counter": {"counter", "redis", "load-balancer"},
            },
        )
        # What starts when no profile is named.
        self.assertIn("\nCOMPOSE_PROFILES=flaky\n", (ROOT / ".env").read_text())
        for name, service in SERVICES.items():
            for needed in service.get("depends_on", []):
                self.assertLessEqual(set(service["profiles"]), set(SERVICES[needed]["profiles"]), f"{name} needs {needed}")

    def test_every_service_is_pinned_hardened_bounded_and_comes_back(self):
        for name, service in SERVICES.items():
            with self.subTest(service=name):
                self.assertRegex(service["image"], r"^(localhost|quay\.io|docker\.io)/[\w./-]+:v?\d+\.\d+\.\d+(-alpine)?$")
                self.assertEqual(service["restart"], "unless-stopped")
                self.assertIs(service["read_only"], True)
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
                self.assertEqual(set(service["deploy"]["resources"]["limits"]), {"cpus", "memory"})
                self.assertRegex(service["user"], r"^[1-9]\d*:\d+$")
                # Its image has nothing that could ask.
                self.assertEqual("healthcheck" in service, name != "collector")

    def test_ports(self):
        published = {n: [p.removeprefix("${BIND_ADDRESS:-127.0.0.1}:") for p in s.get("ports", [])] for n, s in SERVICES.items()}
        self.assertEqual(
            {name: ports for name, ports in published.items() if ports},
            {
                "server": ["8080:8080"],
                "prometheus": ["9090:9090"],
                "grafana": ["3000:3000"],
                "collector": ["4317:4317", "4318:4318"],
                "load-balancer": ["8083:80"],
            },
        )

    def test_grafana_calls_nobody_as_in_the_chart(self):
        chart = (ROOT / "helm/monitoring/templates/grafana-deployment.yaml").read_text()
        switches = dict(re.findall(r'- name: (GF_(?:ANALYTICS|PLUGINS)_\w+)\n *value: "(\w+)"', chart))
        self.assertIn("GF_PLUGINS_PREINSTALL_DISABLED", switches)
        environment = SERVICES["grafana"]["environment"]
        self.assertEqual({name: environment.get(name) for name in switches}, switches)

    def test_the_counters_settings(self):
        counter, redis = SERVICES["counter"], SERVICES["redis"]
        self.assertEqual(counter["deploy"]["replicas"], 3)
        self.assertEqual(counter["environment"]["APP_SERVER_PORT"], "8083")
        # A name that is set would be the same for all three.
        self.assertNotIn("APP_SERVER_HOST", counter["environment"])
        self.assertNotIn("hostname", counter)
        command = redis["command"]
        self.assertEqual(command[command.index("--save") + 1], "")
        self.assertEqual(command[command.index("--appendonly") + 1], "no")
        self.assertNotIn("volumes", redis)

    def test_the_load_balancer_learns_of_new_replicas(self):
        self.assertEqual(SERVICES["load-balancer"]["depends_on"]["counter"], {"condition": "service_healthy", "restart": True})

    def test_mounted_files_exist_and_are_not_writable(self):
        for name, service in SERVICES.items():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("./"):
                    self.assertTrue((ROOT / source).exists(), f"{name}: {source}")
                    self.assertTrue(volume.endswith(":ro"), f"{name}: {volume}")
                else:
                    self.assertIn(source, COMPOSE["volumes"])

    def test_every_image_of_ours_is_a_target_of_the_dockerfile(self):
        for name, service in SERVICES.items():
            if "build" in service:
                self.assertEqual(service["image"], f"localhost/{service['build']['target']}:0.1.0", name)
                self.assertIn(service["build"]["target"], stage.OURS)


class Dockerfile(unittest.TestCase):
    def setUp(self):
        text = (ROOT / "Dockerfile").read_text()
        self.source, *self.stages = re.split(r"(?m)^FROM (?!docker\.io)", text)
        self.finals = {re.search(r"AS (\S+)", s)[1]: s for s in self.stages if s.startswith("scratch")}

    def test_there_is_a_target_per_program(self):
        self.assertEqual(set(self.finals), set(stage.OURS))
        for name, text in self.finals.items():
            with self.subTest(target=name):
                self.assertIn(f"COPY --from=build-{name} /out/bin/{name} /{name}\n", text)
                self.assertIn(f'ENTRYPOINT ["/{name}"]', text)
                self.assertIn("\nUSER 65532:65532\n", text)
                for label in ("title", "description", "licenses", "version", "revision"):
                    self.assertIn(f"org.opencontainers.image.{label}=", text)

    def test_roots_of_trust_where_tls_is_spoken(self):
        # By themselves, or to an OTLP receiver.
        manifests = {name: (ROOT / stage.OURS[name] / "Cargo.toml").read_text() for name in stage.OURS}
        with_tls = {name for name, text in manifests.items() if "rustls" in text or '"otel"' in text}
        self.assertEqual({n for n, text in self.finals.items() if "ca-certificates.crt" in text}, with_tls)

    def test_the_version_and_the_toolchain_are_the_workspaces(self):
        version = re.search(r'(?m)^version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text())[1]
        toolchain = re.search(r'channel = "([\d.]+)"', (ROOT / "rust-toolchain.toml").read_text())[1]
        self.assertIn(f"FROM docker.io/library/rust:{toolchain}-bookworm AS source", self.source)
        self.assertIn(f"RUSTUP_TOOLCHAIN={toolchain}", self.source)
        for name, text in self.finals.items():
            self.assertIn(f"ARG VERSION={version}\n", text, name)

    def test_builds_are_locked_and_cached(self):
        builds = [s for s in self.stages if s.startswith("source")]
        self.assertEqual(len(builds), len(stage.OURS))
        for text in builds:
            self.assertIn("cargo install --locked --path", text)
            for cache in ("/usr/local/cargo/registry", "/src/target"):
                self.assertIn(f"--mount=type=cache,target={cache},sharing=locked", text)


class Docker(unittest.TestCase):
    """BuildKit's and docker compose's own readers, as a program (compose/lint)."""

    @classmethod
    def setUpClass(cls):
        place = tempfile.TemporaryDirectory()
        cls.addClassCleanup(place.cleanup)
        cls.program = pathlib.Path(place.name) / "lint"
        command = [stage.tool("go", "golang-go"), "build", "-buildvcs=false", "-o", cls.program, "."]
        subprocess.run(command, cwd=ROOT / "compose/lint", check=True)

    def lint(self, **files):
        """Exit code and messages, with other contents in the place of the repository's."""
        with tempfile.TemporaryDirectory() as directory:
            for name in ("Dockerfile", "docker-compose.yml", ".env"):
                (pathlib.Path(directory) / name).write_text(files.get(name.strip(".").split("-")[0], (ROOT / name).read_text()))
            return subprocess.run([self.program, directory], capture_output=True, text=True, check=False)

    def test_they_accept_both(self):
        result = self.lint()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for name in [*stage.OURS, *SERVICES]:
            self.assertIn(name, result.stdout)

    def test_they_would_notice(self):
        for wrong, problem in [
            ({"Dockerfile": "FROM scratch AS server\nCOPPY . /\n"}, "unknown instruction: COPPY"),
            ({"Dockerfile": "FROM scratch as server\nENTRYPOINT /server\n"}, "FromAsCasing"),
            ({"docker": "services: {client: {image: x, depends_on: [server]}}"}, 'depends on undefined service "server"'),
            ({"docker": "services: {client: {image: x, restarts: always}}"}, "restarts"),
        ]:
            with self.subTest(problem=problem):
                result = self.lint(**wrong)
                self.assertEqual(result.returncode, 1)
                self.assertIn(problem, result.stderr)


class Configuration(unittest.TestCase):
    """Each by its own program, where there is a package with it."""

    def test_prometheus(self):
        with tempfile.TemporaryDirectory() as directory:
            place = pathlib.Path(directory)
            (place / "rules").mkdir()
            shutil.copy(ROOT / "compose/prometheus.yml", place)
            shutil.copy(ROOT / "prometheus-rules/flaky.yaml", place / "rules")
            result = run("promtool", "prometheus", "check", "config", "prometheus.yml", cwd=place)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("3 rules found", result.stdout)
        # It scrapes services that there are, on ports they expose or listen on.
        config = yaml.safe_load((ROOT / "compose/prometheus.yml").read_text())
        for job in config["scrape_configs"]:
            (target,) = job["static_configs"][0]["targets"]
            host, port = target.split(":")
            if host != "localhost":
                self.assertIn(port, SERVICES[host]["expose"])

    def test_nginx(self):
        with tempfile.TemporaryDirectory() as directory:
            # Names are looked up when the file is checked.
            text = (ROOT / "compose/nginx.conf").read_text().replace("counter:8083", "127.0.0.1:8083").replace("/tmp/", f"{directory}/")
            file = pathlib.Path(directory) / "nginx.conf"
            file.write_text(text)
            result = run("nginx", "nginx-light", "-t", "-q", "-c", file)
            self.assertEqual(result.returncode, 0, result.stderr)

    def test_nginx_asks_one_replica_once(self):
        """Two replicas, of which one breaks each connection once it has read the request: nobody hears of it twice."""
        with tempfile.TemporaryDirectory() as directory:
            place = pathlib.Path(directory)
            # nginx gives up root for its workers.
            place.chmod(0o755)
            text = (ROOT / "compose/nginx.conf").read_text().replace("/tmp/", f"{directory}/")
            for known, here in [
                ("server counter:8083 max_fails=1 fail_timeout=5s;", f"server unix:{place}/good; server unix:{place}/bad max_fails=0;"),
                ("error_log stderr warn;", f"error_log {place}/log warn;"),
                ("listen 80;", f"listen unix:{place}/front;"),
                ("listen 127.0.0.1:8081;", f"listen unix:{place}/health;"),
            ]:
                self.assertEqual(text.count(known), 1, known)
                text = text.replace(known, here)
            (place / "nginx.conf").write_text(text)
            good, bad = Replica(place / "good", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Replica(place / "bad", b"")
            program = [stage.tool("nginx", "nginx-light"), "-c", place / "nginx.conf", "-g", "daemon off;"]
            nginx = subprocess.Popen(program)
            try:
                while nginx.poll() is None and not (place / "front").exists():
                    pass
                answers = [ask(place / "front") for _ in range(10)]
            finally:
                nginx.terminate()
                nginx.wait()
                good.close()
                bad.close()
            self.assertEqual((good.requests, bad.requests), (5, 5))
            self.assertEqual(sorted(set(answers)), [b"HTTP/1.1 200", b"HTTP/1.1 502"])

    def test_redis(self):
        """The server takes the very arguments of the service, and then saves nothing."""
        command = SERVICES["redis"]["command"]
        with tempfile.TemporaryDirectory() as directory:
            socket = f"{directory}/redis.sock"
            arguments = [stage.tool("redis-server", "redis-server"), *command[1:], "--port", "0", "--unixsocket", socket]
            server = subprocess.Popen(arguments, cwd=directory, stdout=subprocess.DEVNULL)
            try:
                cli = [stage.tool("redis-cli", "redis-tools"), "-s", socket]
                while server.poll() is None and subprocess.run([*cli, "ping"], capture_output=True, check=False).returncode:
                    pass
                for key, value in [("save", ""), ("appendonly", "no"), ("protected-mode", "no"), ("maxmemory-policy", "noeviction")]:
                    found = subprocess.run([*cli, "config", "get", key], capture_output=True, text=True, check=True).stdout
                    self.assertEqual(found.split("\n")[:2], [key, value])
            finally:
                server.terminate()
                server.wait()

    def test_data_sources_are_linked_both_ways(self):
        text = (ROOT / "compose/grafana/provisioning/datasources/datasources.yaml").read_text()
        sources = {source["uid"]: source for source in yaml.safe_load(text)["datasources"]}
        self.assertEqual(set(sources), {"prometheus", "loki", "tempo"})
        for uid, source in sources.items():
            host, port = source["url"].removeprefix("http://").split(":")
            self.assertEqual(host, uid)
            self.assertIn(port, [*SERVICES[host].get("expose", []), "9090"])
        self.assertEqual(sources["loki"]["jsonData"]["derivedFields"][0]["datasourceUid"], "tempo")
        self.assertEqual(sources["tempo"]["jsonData"]["tracesToLogsV2"]["datasourceUid"], "loki")
        (exemplars,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
        self.assertEqual(exemplars, {"name": "trace_id", "datasourceUid": "tempo"})
        # Grafana replaces $NAME by the environment's.
        self.assertNotRegex(re.sub(r"#.*", "", text).replace("$$", ""), r"\$")
        board = json.loads((ROOT / "grafana/dashboards/flaky-server.json").read_text())
        chosen = {v["current"]["value"] for v in board["templating"]["list"] if v["type"] == "datasource"}
        self.assertEqual(chosen, set(sources))

    def test_what_the_collector_does_is_connected(self):
        config = yaml.safe_load((ROOT / "compose/collector.yaml").read_text())
        for kind in ("receivers", "processors", "exporters"):
            used = {part for pipeline in config["service"]["pipelines"].values() for part in pipeline[kind]}
            self.assertEqual(used, set(config[kind]), kind)
        self.assertEqual(config["exporters"]["otlp_grpc/tempo"]["endpoint"], "tempo:4317")
        self.assertEqual(config["exporters"]["otlp_http/loki"]["endpoint"], "http://loki:3100/otlp")


if __name__ == "__main__":
    unittest.main()
