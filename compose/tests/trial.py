"""docker-compose.yml, really run: by podman, in namespaces of its own, with images of the same names.

    python3 compose/tests/trial.py [Flaky|Counter ...]     PROFILE=dev compiles faster

Everything happens below target/compose and in namespaces that end with this process; nothing can be
pulled and nothing reaches the network. Grafana is left out: it cannot be built from what there is.
"""

import collections
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import stage
import yaml

ROOT = stage.ROOT
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
HOME = ROOT / "target/compose"
TOOLS = HOME / "bin"
TESTBED = ROOT / "target/testbed/bin"
# Seconds that anything may take on a busy machine; what is awaited is a condition.
PATIENCE = 120

CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "{home}/networks"
"""
STORAGE = """\
[storage]
driver = "vfs"
graphroot = "{home}/storage"
runroot = "{home}/run"
"""


def environment():
    return os.environ | {
        "CONTAINERS_CONF": str(HOME / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(HOME / "storage.conf"),
    }


def run(*command, check=True):
    """Standard output of a command that is told about the storage."""
    result = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False)
    if check and result.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def compose(*arguments, check=True):
    return run(podman_compose(), *arguments, check=check)


def podman_compose():
    found = shutil.which("podman-compose") or shutil.which("podman-compose", path=HOME / "venv/bin")
    if not found:
        raise stage.Missing("podman-compose is missing: `make compose-tools` installs it from PyPI")
    return found


def program(path):
    if not path.is_file():
        raise stage.Missing(f"{path} is missing: `make compose-tools` builds it")
    return path


def containers(service):
    return run("podman", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.service={service}").split()


def output(service):
    """What the service's containers printed."""
    text = ""
    for container in containers(service):
        result = subprocess.run(["podman", "logs", container], env=environment(), capture_output=True, text=True, check=True)
        text += result.stdout + result.stderr
    return text


def get(url):
    """Status and text of a page."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def inside(path, **query):
    """A page as Grafana's container would see it, by the services' names; None if there is none."""
    (container,) = containers("prometheus")
    url = f"http://{path}" + ("?" + urllib.parse.urlencode(query) if query else "")
    text = run("podman", "exec", container, "wget", "-qO-", url, check=False)
    return json.loads(text) if text else None


def until(condition, what):
    """The first true value of a condition."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError):
            if value := condition():
                return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {PATIENCE} s: {what}")
        time.sleep(0.5)


def healthy(container):
    """Does what the engine's timer does, which needs systemd."""
    return subprocess.run(["podman", "healthcheck", "run", container], env=environment(), capture_output=True).returncode == 0


def checked(service):
    """Whether the service has a health check that its containers run."""
    (first, *_) = containers(service)
    (inspected,) = json.loads(run("podman", "inspect", first))
    return bool((inspected["Config"].get("Healthcheck") or {}).get("Test"))


class Composed(unittest.TestCase):
    """A profile's services, up before the first test and gone after the last."""

    profile = ""
    services = ()

    @classmethod
    def setUpClass(cls):
        images(cls.services)
        cls.addClassCleanup(cls.down)
        compose("--profile", cls.profile, "up", "--detach", "--no-build", *cls.services)

    @classmethod
    def down(cls):
        if sys.exc_info()[0] or os.environ.get("VERBOSE"):
            print(compose("--profile", cls.profile, "logs", "--tail", "40", check=False))
        compose("--profile", cls.profile, "down", "--volumes", "--timeout", "20")
        left = [run("podman", *what) for what in (["ps", "-aq"], ["volume", "ls", "-q"])]
        assert not any(left), f"left behind: {left}"

    def all_healthy(self):
        for service in self.services:
            if checked(service):
                for container in containers(service):
                    until(lambda c=container: healthy(c), f"{service} is not healthy")

    def hardened(self):
        for service in self.services:
            for container in containers(service):
                (inspected,) = json.loads(run("podman", "inspect", container))
                with self.subTest(service=service):
                    self.assertTrue(inspected["HostConfig"]["ReadonlyRootfs"])
                    self.assertEqual(inspected["EffectiveCaps"] or [], [])
                    self.assertEqual(inspected["State"]["Status"], "running")
                    for ports in inspected["NetworkSettings"]["Ports"].values():
                        self.assertLessEqual({port["HostIp"] for port in ports or []}, {"127.0.0.1"})


class Flaky(Composed):
    profile = "flaky"
    services = ("server", "client", "prometheus", "loki", "tempo", "collector")

    def test_health_checks_and_hardening(self):
        self.all_healthy()
        self.hardened()

    def test_prometheus_sees_everything(self):
        def targets():
            _, text = get("http://127.0.0.1:9090/api/v1/targets")
            return {t["labels"]["job"]: t["health"] for t in json.loads(text)["data"]["activeTargets"]}

        jobs = dict.fromkeys(["server", "client", "prometheus", "collector", "loki", "tempo"], "up")
        until(lambda: targets() == jobs, "not all targets are up")
        _, text = get("http://127.0.0.1:9090/api/v1/rules")
        (group,) = json.loads(text)["data"]["groups"]
        self.assertEqual(len(group["rules"]), 3)

    def query(self, expression):
        _, text = get("http://127.0.0.1:9090/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        return json.loads(text)["data"]["result"]

    def test_the_client_reports(self):
        """Endpoint, duration, success and what went wrong, per request."""
        for pattern in [r'"GET \S*/status" .*success=true code=200', r'"POST \S*/flaky" .*success=true code=202']:
            line = until(lambda p=pattern: re.search(rf".*{p}.*", output("client")), f"no line like {pattern}")
            print("   ", line[0])

    def test_the_probe_is_measured_on_both_sides(self):
        for expression in [
            'probe_requests_total{app="client",endpoint=~".*/status"} > 2',
            'probe_requests_total{app="client",endpoint=~".*/flaky"} > 0',
            'http_server_request_duration_seconds_count{app="server",http_route="/status"} > 2',
        ]:
            until(lambda e=expression: self.query(e), expression)

    def test_every_panel_gets_an_answer(self):
        """Expressions of the dashboard, asked as Grafana would; with data where there must be some."""
        board = json.loads((ROOT / "grafana/dashboards/flaky-server.json").read_text())
        for panel in board["panels"]:
            for target in panel["targets"]:
                if target["datasource"]["type"] == "prometheus":
                    text = target["expr"].replace("$__rate_interval", "1m").replace("$job", "server").replace("$probe", "client")
                    until(lambda e=text: self.query(e), f"{panel['title']}: {text}")

    def test_every_alert_is_evaluated_and_has_something_to_judge(self):
        """As Prometheus itself says; and without its threshold, of a ratio what is divided by, there is data."""

        def evaluated():
            _, text = get("http://127.0.0.1:9090/api/v1/rules")
            (group,) = json.loads(text)["data"]["groups"]
            return {rule["name"]: rule["health"] for rule in group["rules"]}

        (group,) = yaml.safe_load((ROOT / "prometheus-rules/flaky.yaml").read_text())["groups"]
        until(lambda: evaluated() == {rule["alert"]: "ok" for rule in group["rules"]}, "not all alerts are evaluated")
        for rule in group["rules"]:
            whole, threshold = re.fullmatch(r"(.*)\n(> [\d.]+)\n", rule["expr"], re.DOTALL).groups()
            # Nobody has to fail for the test, so what counts failures may be without series.
            judged = whole.rpartition("\n/\n")[2]
            until(lambda e=judged: self.query(e), f"{rule['alert']} {threshold}: {judged}")

    def test_a_request_of_the_client_is_found_in_logs_and_traces(self):
        """A trace id that the client printed: its spans are in Tempo, the server's line is in Loki."""

        def services(trace):
            found = inside(f"tempo:3200/api/traces/{trace}") or {}
            attributes = [a for batch in found.get("batches", []) for a in batch["resource"]["attributes"]]
            return {a["value"]["stringValue"] for a in attributes if a["key"] == "service.name"}

        def logged(trace):
            selector = f'{{service_name=~".+"}} | trace_id="{trace}"'
            found = inside("loki:3100/loki/api/v1/query_range", query=selector, since="15m") or {}
            return {stream["stream"]["service_name"] for stream in found.get("data", {}).get("result", [])}

        # Until the collector is up nothing can be sent, so not every one is whole.
        def whole():
            log = output("server")
            printed = re.findall(r"trace_id=([0-9a-f]{32})", output("client"))
            told = [trace for trace in printed if f'"traceID":"{trace}"' in log]
            return next(
                (t for t in told[-4:] if services(t) == {"server", "loadclient"} and logged(t) == {"server"}), None
            )

        trace = until(whole, "no trace of the client's is in the server's log, in Tempo and in Loki")
        print(f"    trace {trace}: in the client's report, the server's log, Tempo and Loki")

    def test_response_times_have_exemplars(self):
        def exemplars():
            query = urllib.parse.urlencode(
                {"query": "http_server_request_duration_seconds_bucket", "start": time.time() - 900, "end": time.time()}
            )
            _, text = get(f"http://127.0.0.1:9090/api/v1/query_exemplars?{query}")
            return [e["labels"].get("trace_id") for series in json.loads(text)["data"] for e in series["exemplars"]]

        found = until(exemplars, "Prometheus has no exemplar")
        self.assertRegex(found[0], "^[0-9a-f]{32}$")


class Counter(Composed):
    profile = "counter"
    services = ("counter", "redis", "load-balancer")
    url = "http://127.0.0.1:8083/"
    answer = re.compile(
        r"You are talking to instance ([0-9a-f]{12}):8083\.\n"
        r"This is request (\d+) to this instance and request (\d+) to the cluster\.\n"
    )

    def ask(self, _=None):
        status, text = get(self.url)
        match = self.answer.fullmatch(text)
        self.assertTrue(status == 200 and match, f"{status} {text!r}")
        return match[1], int(match[2]), int(match[3])

    def test_conversation(self):
        self.assertEqual(len(containers("counter")), 3)
        # Before anything was asked: health checks must not count.
        self.all_healthy()
        self.hardened()
        instances = collections.Counter()
        for number in range(1, 7):
            instance, own, cluster = self.ask()
            instances[instance] += 1
            self.assertEqual((own, cluster), (instances[instance], number))
        self.assertEqual(sorted(instances.values()), [2, 2, 2], "they take turns")

        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(self.ask, range(594)))
        self.assertEqual(sorted(cluster for _, _, cluster in answers), list(range(7, 601)))
        last = collections.Counter()
        for instance, own, _ in answers:
            last[instance] = max(last[instance], own)
        self.assertEqual((len(last), sum(last.values())), (3, 600))
        print("    600 requests over", dict(last))


def images(services):
    """Builds the services' images under the names that the file has for them."""
    (HOME / "images").mkdir(exist_ok=True)
    builder = stage.Stage(HOME / "images", environment())
    names = {name: service["image"] for name, service in COMPOSE["services"].items()}
    ours = {names[s].removeprefix("localhost/").partition(":")[0] for s in services if names[s].startswith("localhost/")}
    if ours:
        builder.ours(stage.compile_programs(sorted(ours)))
    for service, (find, rest) in THEIRS.items():
        if service in services:
            dockerfile = f"FROM scratch\nCOPY root/ /\nENV PATH=/usr/sbin:/usr/bin:/bin\n{rest}\n"
            builder.theirs(names[service], service, find(), dockerfile)


# Where each one's programs are found, and what its image says of them.
THEIRS = {
    "prometheus": (
        lambda: {"/bin/prometheus": program(TESTBED / "prometheus")},
        'RUN mkdir /prometheus && chown 65534:65534 /prometheus\nENTRYPOINT ["/bin/prometheus"]',
    ),
    "loki": (
        lambda: {"/usr/bin/loki": program(TOOLS / "loki")},
        'RUN mkdir /loki && chown 10001:10001 /loki\nENTRYPOINT ["/usr/bin/loki"]',
    ),
    "tempo": (
        lambda: {"/tempo": program(TOOLS / "tempo")},
        'RUN mkdir -p /var/tempo && chown 10001:10001 /var/tempo\nENTRYPOINT ["/tempo"]',
    ),
    "collector": (
        lambda: {"/otelcol-contrib": program(TESTBED / "collector")},
        'ENTRYPOINT ["/otelcol-contrib"]',
    ),
    "redis": (
        lambda: {
            "/usr/bin/redis-server": stage.tool("redis-server", "redis-server"),
            "/usr/bin/redis-cli": stage.tool("redis-cli", "redis-tools"),
        },
        "WORKDIR /data",
    ),
    "load-balancer": (
        lambda: {"/usr/sbin/nginx": stage.tool("nginx", "nginx-light")},
        "RUN mkdir -p /var/log/nginx /var/lib/nginx",
    ),
}


def clear():
    """Removes what a run keeps, its own or one that was cut."""
    for directory in ("storage", "run", "networks", "images"):
        shutil.rmtree(HOME / directory, ignore_errors=True)


def main():
    for name, package in [("podman", "podman"), ("buildah", "buildah"), ("runc", "runc"), ("busybox", "busybox-static")]:
        stage.tool(name, package)
    stage.tool("/usr/lib/podman/netavark", "netavark")
    stage.tool("/usr/lib/podman/aardvark-dns", "aardvark-dns")
    podman_compose()
    return isolated(__file__)


def isolated(script):
    """Runs the tests of the script that was started, in namespaces of its own; the exit code."""
    if os.environ.get("COMPOSE_TRIAL") != "inside":
        # Interfaces, mounts and processes end with the namespaces.
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        command += [sys.executable, script, *sys.argv[1:]]
        # Told to end, it ends what it started, too: an exception makes subprocess.run do so.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        clear()
        code = subprocess.run(command, env=os.environ | {"COMPOSE_TRIAL": "inside"}, check=False).returncode
        clear()
        return code
    HOME.mkdir(parents=True, exist_ok=True)
    (HOME / "containers.conf").write_text(CONTAINERS.format(home=HOME))
    (HOME / "storage.conf").write_text(STORAGE.format(home=HOME))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # Where podman keeps networks and locks; those of the machine are not ours.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    result = unittest.main(exit=False, verbosity=2, failfast=False).result
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except stage.Missing as missing:
        sys.exit(f"compose-test: {missing}")
