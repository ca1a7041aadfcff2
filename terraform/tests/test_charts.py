"""Whether what the charts install finds a place on the pools, and the adapter is reached."""

import json
import subprocess
import unittest

import stage
import yaml

CHARTS = {"server": "default", "client": "default", "monitoring": "monitoring", "metrics-adapter": "metrics-adapter"}
# What the guide and the module's outputs install with.
GKE = {
    "server": ["--values", stage.ROOT / "helm/server/values-gke.yaml"],
    "client": ["--values", stage.ROOT / "helm/client/values-gke.yaml"],
    "monitoring": ["--set", "nodeSelector.load=system"],
    "metrics-adapter": ["--set", "nodeSelector.load=system"],
}
# How GKE's API and Kubernetes write an effect.
EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}


def render(chart, arguments=()):
    done = subprocess.run(
        [stage.helm(), "template", chart, stage.ROOT / "helm" / chart, "--namespace", CHARTS[chart], "--kube-version", "1.33.0"]
        + list(arguments),
        capture_output=True, text=True, check=False,
    )
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def pod_specs(objects):
    return [o["spec"]["template"]["spec"] for o in objects if o["kind"] in ("Deployment", "StatefulSet")]


def tolerated(taint, tolerations):
    return any(
        t.get("key", taint["key"]) == taint["key"]
        and (t.get("operator", "Equal") == "Exists" or t.get("value", "") == taint["value"])
        and t.get("effect", EFFECTS[taint["effect"]]) == EFFECTS[taint["effect"]]
        for t in tolerations
    )


def wanted(spec, labels):
    """Whether a node with these labels is one that the pods ask for."""
    if any(labels.get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
        return False
    affinity = spec.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if affinity is None:
        return True
    for expression in (e for term in affinity["nodeSelectorTerms"] for e in term["matchExpressions"]):
        assert expression["operator"] == "In", expression
    return any(
        all(labels.get(e["key"]) in e["values"] for e in term["matchExpressions"]) for term in affinity["nodeSelectorTerms"]
    )


class Charts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pools = stage.applied().resources("google_container_node_pool")

    def places(self, spec):
        """Pools on whose nodes the pods may run."""
        found = set()
        for name, pool in self.pools.items():
            config = pool["node_config"][0]
            strict = [taint for taint in config["taint"] if taint["effect"] != "PREFER_NO_SCHEDULE"]
            if wanted(spec, config["labels"]) and all(tolerated(taint, spec.get("tolerations", [])) for taint in strict):
                found.add(name)
        return found

    def test_each_chart_runs_on_its_pool(self):
        homes = {"server": {"server"}, "client": {"client"}, "monitoring": {"system"}, "metrics-adapter": {"system"}}
        for chart, arguments in GKE.items():
            specs = pod_specs(render(chart, arguments))
            self.assertTrue(specs)
            for spec in specs:
                self.assertEqual(self.places(spec), homes[chart], chart)

    def test_each_chart_as_it_comes_finds_a_place(self):
        for chart in CHARTS:
            for spec in pod_specs(render(chart)):
                self.assertIn("system", self.places(spec), chart)

    def test_the_client_does_not_run_where_the_server_does(self):
        for spec in pod_specs(render("client")) + pod_specs(render("client", GKE["client"])):
            self.assertNotIn("server", self.places(spec))

    def test_most_pods_of_the_server_fit_on_its_pool(self):
        objects = render("server", GKE["server"])
        (most,) = [o["spec"]["maxReplicas"] for o in objects if o["kind"] == "HorizontalPodAutoscaler"]
        (spec,) = pod_specs(objects)
        asked = spec["containers"][0]["resources"]["requests"]["cpu"]
        self.assertRegex(asked, r"^\d+m$")
        pool = self.pools["server"]
        cpus = int(pool["node_config"][0]["machine_type"].rpartition("-")[2])
        # Half of a small node's CPUs for GKE's own pods is more than they take.
        self.assertLessEqual(most * int(asked[:-1]), pool["autoscaling"][0]["max_node_count"] * cpus * 500)

    def test_the_control_plane_reaches_the_port_that_the_adapter_listens_on(self):
        (rule,) = stage.applied().resources("google_compute_firewall").values()
        opened = {port for allowed in rule["allow"] for port in allowed["ports"]}
        for spec in pod_specs(render("metrics-adapter")):
            listens = {str(p["containerPort"]) for p in spec["containers"][0]["ports"] if p["name"] == "https"}
            self.assertEqual(listens, opened)
        private = stage.ROOT / "helm/metrics-adapter/values-gke-private.yaml"
        for spec in pod_specs(render("metrics-adapter", ["--values", private])):
            # What is open in a private cluster made before 1.29.
            self.assertIn(10250, [p["containerPort"] for p in spec["containers"][0]["ports"]])

    def test_another_port_is_told_to_the_chart(self):
        """The output `next` names it when the firewall's is not the chart's own."""
        played = stage.applied()
        said = played.play("terraform -chdir=terraform/gke plan -var k8s_project=my-project-1234 -var adapter_port=8443")
        self.assertIn("--set listenPort=8443", said)
        for spec in pod_specs(render("metrics-adapter", ["--set", "listenPort=8443"])):
            self.assertIn("8443", json.dumps(spec))


if __name__ == "__main__":
    unittest.main()
