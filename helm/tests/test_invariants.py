"""What must hold for every object of every branch of every chart."""

import re
import unittest

from charts import CHARTS, ChartTest, some


def nulls(value, path=""):
    """Paths of all nulls in a document."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from nulls(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from nulls(inner, f"{path}[{index}]")


def pod_specs(objects):
    """Of Deployments, and of the pods of `helm test`."""
    for deployment in some(objects, "Deployment"):
        yield deployment["spec"]["template"]["spec"]
    for pod in some(objects, "Pod"):
        yield pod["spec"]


def containers(objects):
    for spec in pod_specs(objects):
        yield from spec.get("initContainers", [])
        yield from spec["containers"]


# Deployments whose pods talk to kube-apiserver.
TOKENS = ("metrics-adapter", "custom-metrics", "prometheus")


CLUSTER_WIDE = {"APIService", "ClusterRole", "ClusterRoleBinding"}


class Invariants(ChartTest):
    def test_nothing_is_null(self):
        for _, objects in self.each_branch():
            self.assertTrue(objects)
            for document in objects:
                name = f"{document['kind']} {document['metadata']['name']}"
                self.assertEqual(list(nulls(document, name)), [])

    def test_no_object_twice(self):
        for _, objects in self.each_branch():
            keys = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects]
            self.assertEqual(len(keys), len(set(keys)))

    def test_namespaced_objects_name_their_namespace_and_others_none(self):
        for _, objects in self.each_branch():
            for document in objects:
                self.assertEqual(
                    "namespace" in document["metadata"],
                    document["kind"] not in CLUSTER_WIDE,
                    document["metadata"]["name"],
                )

    def test_no_insecure_skip_tls_verify(self):
        for _, objects in self.each_branch():
            self.assertNotIn("insecureSkipTLSVerify", str(objects))

    def test_pods_meet_the_restricted_pod_security_standard(self):
        for _, objects in self.each_branch():
            for spec in pod_specs(objects):
                self.assertIs(spec["securityContext"]["runAsNonRoot"], True)
                self.assertGreater(spec["securityContext"]["runAsUser"], 0)
                self.assertEqual(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault")
                for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
                    self.assertNotIn(forbidden, spec)
                for volume in spec.get("volumes", []):
                    self.assertNotIn("hostPath", volume)
            for container in containers(objects):
                context = container["securityContext"]
                self.assertIs(context["allowPrivilegeEscalation"], False)
                self.assertIs(context["readOnlyRootFilesystem"], True)
                self.assertEqual(context["capabilities"], {"drop": ["ALL"]})

    def test_containers_have_requests_a_memory_limit_and_probes(self):
        for _, objects in self.each_branch():
            for container in containers(objects):
                self.assertEqual(set(container["resources"]["requests"]), {"cpu", "memory"})
                self.assertIn("memory", container["resources"]["limits"])
                self.assertNotIn("cpu", container["resources"]["limits"])
            for deployment in some(objects, "Deployment"):
                for container in deployment["spec"]["template"]["spec"]["containers"]:
                    # Redis does not speak HTTP.
                    http = container["name"] != "redis"
                    for probe in ("livenessProbe", "readinessProbe"):
                        self.assertEqual("httpGet" in container[probe], http)

    def test_images_are_pinned(self):
        for _, objects in self.each_branch():
            for container in containers(objects):
                self.assertRegex(
                    container["image"], r"^[a-z0-9.:/-]+(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$"
                )

    def test_every_image_names_its_registry(self):
        for _, objects in self.each_branch():
            for container in containers(objects):
                # As container runtimes tell a registry from a folder of Docker Hub.
                self.assertRegex(container["image"], r"^(localhost|[^/]*[.:][^/]*)/")

    def test_only_pods_that_talk_to_the_cluster_get_a_token(self):
        for chart, objects in self.each_branch():
            for deployment in some(objects, "Deployment"):
                spec = deployment["spec"]["template"]["spec"]
                self.assertIs(
                    spec["automountServiceAccountToken"], deployment["metadata"]["name"] in TOKENS
                )
            for pod in some(objects, "Pod"):
                self.assertIs(pod["spec"]["automountServiceAccountToken"], chart == "metrics-adapter")

    def test_pods_of_helm_test_end_and_are_nobody_elses(self):
        tested = set()
        for chart, objects in self.each_branch():
            selectors = [o["spec"]["selector"]["matchLabels"] for o in some(objects, "Deployment")]
            for pod in some(objects, "Pod"):
                tested.add(chart)
                annotations = pod["metadata"]["annotations"]
                self.assertEqual(annotations["helm.sh/hook"], "test")
                self.assertIn("hook-succeeded", annotations["helm.sh/hook-delete-policy"])
                self.assertEqual(pod["spec"]["restartPolicy"], "Never")
                self.assertGreater(pod["spec"]["activeDeadlineSeconds"], 0)
                for selector in selectors:
                    self.assertFalse(selector.items() <= pod["metadata"]["labels"].items())
        # requestcounter may have no template that it could do without.
        self.assertEqual(tested, set(CHARTS) - {"requestcounter"})

    def test_selectors_are_minimal_and_select_the_pods(self):
        for _, objects in self.each_branch():
            pods = [o["spec"]["template"] for o in some(objects, "Deployment")]
            expected = {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
            selectors = [o["spec"]["selector"]["matchLabels"] for o in some(objects, "Deployment")]
            selectors += [o["spec"]["selector"] for o in some(objects, "Service")]
            selectors += [
                o["spec"]["selector"]["matchLabels"] for o in some(objects, "PodDisruptionBudget")
            ]
            selectors += [
                c["labelSelector"]["matchLabels"]
                for pod in pods
                for c in pod["spec"].get("topologySpreadConstraints", [])
            ]
            for selector in selectors:
                self.assertEqual(set(selector), expected)
                selected = [pod for pod in pods if selector.items() <= pod["metadata"]["labels"].items()]
                self.assertEqual(len(selected), 1)

    def test_labels(self):
        for _, objects in self.each_branch():
            for document in objects:
                labels = document["metadata"]["labels"]
                for key in ("name", "instance", "version", "managed-by"):
                    self.assertIn(f"app.kubernetes.io/{key}", labels)
                self.assertIn("helm.sh/chart", labels)
                for key, value in labels.items():
                    self.assertIsInstance(value, str)
                    self.assertRegex(value, r"^([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?$", key)

    def test_budgets_never_block_a_drain(self):
        for _, objects in self.each_branch():
            for budget in some(objects, "PodDisruptionBudget"):
                self.assertNotIn("minAvailable", budget["spec"])
                self.assertNotIn(budget["spec"]["maxUnavailable"], (0, "0%"))
                self.assertEqual(budget["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow")

    def test_ports_that_are_named_exist(self):
        for _, objects in self.each_branch():
            for deployment in some(objects, "Deployment"):
                pod = deployment["spec"]["template"]
                every = set()
                for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
                    names = {port["name"] for port in container["ports"]}
                    every |= names
                    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
                        for check in ("httpGet", "tcpSocket"):
                            if check in container.get(probe, {}):
                                self.assertIn(container[probe][check]["port"], names)
                for service in some(objects, "Service"):
                    if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items():
                        for port in service["spec"]["ports"]:
                            self.assertIn(port["targetPort"], every)

    def test_config_changes_roll_the_pods(self):
        checked = 0
        for _, objects in self.each_branch("metrics-adapter", "monitoring"):
            ours = {(o["kind"], o["metadata"]["name"]) for o in objects}
            for deployment in some(objects, "Deployment"):
                pod = deployment["spec"]["template"]
                sums = [value for key, value in pod["metadata"].get("annotations", {}).items() if "checksum/" in key]
                mounted = set()
                for volume in pod["spec"]["volumes"]:
                    mounted |= {("ConfigMap", volume.get("configMap", {}).get("name"))}
                    # The adapter reads a new certificate by itself.
                    if volume["name"] != "tls":
                        mounted |= {("Secret", volume.get("secret", {}).get("secretName"))}
                self.assertEqual(len(sums), len(mounted & ours), deployment["metadata"]["name"])
                for value in sums:
                    checked += 1
                    self.assertRegex(value, r"^[0-9a-f]{64}$")
        self.assertGreater(checked, 0)

    def test_only_stable_apis(self):
        for _, objects in self.each_branch():
            for document in objects:
                self.assertFalse(
                    re.search(r"v\d+(alpha|beta)\d+$", document["apiVersion"]), document["apiVersion"]
                )


if __name__ == "__main__":
    unittest.main()
