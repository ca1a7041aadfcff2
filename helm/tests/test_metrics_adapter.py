"""The adapter's chart."""

import base64
import re
import tempfile
import unittest

import yaml
from charts import HELM_DIR, ChartTest, container, one, render, run, some

CI = HELM_DIR / "metrics-adapter/ci"


GROUPS = ("custom.metrics.k8s.io", "external.metrics.k8s.io", "metrics.k8s.io")
CUSTOM = {"v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"}
EXTERNAL = {"v1beta1.external.metrics.k8s.io"}
RESOURCE = {"v1beta1.metrics.k8s.io"}
CONTROLLER = [{"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"}]


def registered(objects):
    return {o["metadata"]["name"] for o in some(objects, "APIService")}


class Adapter(ChartTest):
    def test_api_services_point_to_the_service(self):
        for _, objects in self.each_branch("metrics-adapter"):
            service = one(objects, "Service")
            for api in some(objects, "APIService"):
                spec = api["spec"]
                self.assertEqual(api["metadata"]["name"], f"{spec['version']}.{spec['group']}")
                self.assertIn(spec["group"], GROUPS)
                self.assertEqual(spec["groupPriorityMinimum"], 100)
                self.assertEqual(
                    spec["service"],
                    {
                        "name": service["metadata"]["name"],
                        "namespace": service["metadata"]["namespace"],
                        "port": service["spec"]["ports"][0]["port"],
                    },
                )
        priorities = {
            a["spec"]["version"]: a["spec"]["versionPriority"]
            for a in some(render("metrics-adapter"), "APIService")
        }
        self.assertEqual(priorities, {"v1beta1": 100, "v1beta2": 200})

    def test_every_api_service_has_a_ca(self):
        for _, objects in self.each_branch("metrics-adapter"):
            for api in some(objects, "APIService"):
                injected = "cert-manager.io/inject-ca-from" in api["metadata"].get("annotations", {})
                self.assertNotEqual(injected, "caBundle" in api["spec"])
                if not injected:
                    bundle = base64.b64decode(api["spec"]["caBundle"]).decode()
                    self.assertTrue(bundle.startswith("-----BEGIN CERTIFICATE-----"))

    def test_generated_certificate_is_signed_by_the_ca_and_names_the_service(self):
        objects = render("metrics-adapter")
        data = one(objects, "Secret")["data"]
        self.assertEqual(set(data), {"ca.crt", "tls.crt", "tls.key"})
        for api in some(objects, "APIService"):
            self.assertEqual(api["spec"]["caBundle"], data["ca.crt"])
        with tempfile.TemporaryDirectory() as directory:
            for name, value in data.items():
                with open(f"{directory}/{name}", "wb") as file:
                    file.write(base64.b64decode(value))
            # As kube-apiserver checks it.
            run(
                "openssl", "verify", "-CAfile", f"{directory}/ca.crt", "-purpose", "sslserver",
                "-verify_hostname", "metrics-adapter.metrics-adapter.svc", f"{directory}/tls.crt",
            )
            public = [
                run("openssl", "x509", "-in", f"{directory}/tls.crt", "-noout", "-pubkey").stdout,
                run("openssl", "pkey", "-in", f"{directory}/tls.key", "-pubout").stdout,
            ]
            self.assertEqual(public[0], public[1])

    def test_each_tls_type_mounts_its_secret(self):
        for values, secret in (
            ("default-values.yaml", "metrics-adapter-tls"),
            ("existing-secret-values.yaml", "my-serving-certificate"),
            ("cert-manager-values.yaml", "metrics-adapter-tls"),
        ):
            with self.subTest(values=values):
                objects = render("metrics-adapter", CI / values)
                volumes = one(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
                self.assertIn(secret, [v["secret"]["secretName"] for v in volumes if "secret" in v])
                self.assertEqual(bool(some(objects, "Secret")), values == "default-values.yaml")
                self.assertEqual(bool(some(objects, "Certificate")), "cert-manager" in values)

    def test_cert_manager_issues_for_the_service_name(self):
        objects = render("metrics-adapter", CI / "cert-manager-values.yaml")
        certificate = one(objects, "Certificate", "metrics-adapter")
        self.assertIn("metrics-adapter.metrics-adapter.svc", certificate["spec"]["dnsNames"])
        one(objects, "Issuer", certificate["spec"]["issuerRef"]["name"])
        for api in some(objects, "APIService"):
            self.assertEqual(
                api["metadata"]["annotations"]["cert-manager.io/inject-ca-from"],
                "metrics-adapter/metrics-adapter",
            )
        external = render("metrics-adapter", CI / "cert-manager-issuer-values.yaml")
        self.assertEqual(some(external, "Issuer"), [])
        self.assertEqual(one(external, "Certificate")["spec"]["issuerRef"]["name"], "internal-ca")

    def test_an_existing_secret_needs_its_ca(self):
        self.assert_refused(
            "metrics-adapter", "tls.ca", "--set", "tls.type=existingSecret,tls.existingSecret.name=x"
        )
        self.assert_refused("metrics-adapter", "tls.existingSecret.name", "--set", "tls.type=existingSecret")
        self.assert_refused("metrics-adapter", "/tls/type", "--set", "tls.type=none")

    def test_rbac_is_complete(self):
        objects = render("metrics-adapter")
        account = one(objects, "ServiceAccount")["metadata"]["name"]
        adapter = {"kind": "ServiceAccount", "name": account, "namespace": "metrics-adapter"}
        bindings = {
            o["roleRef"]["name"]: o
            for o in some(objects, "ClusterRoleBinding") + some(objects, "RoleBinding")
        }
        self.assertEqual(bindings["system:auth-delegator"]["subjects"], [adapter])
        reader = bindings["extension-apiserver-authentication-reader"]
        self.assertEqual((reader["kind"], reader["metadata"]["namespace"]), ("RoleBinding", "kube-system"))
        self.assertEqual(reader["roleRef"]["kind"], "Role")
        self.assertEqual(reader["subjects"], [adapter])
        self.assertEqual(bindings["metrics-adapter:resource-reader"]["subjects"], [adapter])
        self.assertEqual(
            bindings["metrics-adapter:metrics-reader"]["subjects"],
            CONTROLLER,
        )
        self.assertEqual(
            one(objects, "ClusterRole", "metrics-adapter:resource-reader")["rules"],
            [
                {
                    "apiGroups": [""],
                    "resources": ["pods", "nodes", "namespaces", "services"],
                    "verbs": ["get", "list", "watch"],
                },
                {
                    "apiGroups": ["apiextensions.k8s.io"],
                    "resources": ["customresourcedefinitions"],
                    "verbs": ["list", "watch"],
                },
                {
                    "apiGroups": ["apiregistration.k8s.io"],
                    "resources": ["apiservices"],
                    "verbs": ["list", "watch"],
                },
            ],
        )
        self.assertEqual(
            one(objects, "ClusterRole", "metrics-adapter:metrics-reader")["rules"],
            [{"apiGroups": ["custom.metrics.k8s.io"], "resources": ["*"], "verbs": ["get"]}],
        )

    def test_every_role_that_is_bound_exists(self):
        known = {"system:auth-delegator", "extension-apiserver-authentication-reader"}
        for _, objects in self.each_branch("metrics-adapter", "monitoring"):
            roles = {o["metadata"]["name"] for o in some(objects, "ClusterRole")} | known
            for binding in some(objects, "ClusterRoleBinding") + some(objects, "RoleBinding"):
                self.assertIn(binding["roleRef"]["name"], roles)

    def test_explanations_are_for_nobody_by_default(self):
        name = "metrics-adapter:explain"
        objects = render("metrics-adapter")
        role = one(objects, "ClusterRole", name)
        self.assertEqual(role["rules"], [{"nonResourceURLs": ["/explain/*"], "verbs": ["get"]}])
        self.assertNotIn("aggregationRule", role)
        labels = [l for l in role["metadata"]["labels"] if "aggregate-to" in l]
        self.assertEqual(labels, [])
        bound = [b["roleRef"]["name"] for b in some(objects, "ClusterRoleBinding")]
        self.assertNotIn(name, bound)
        for switch in ("explain=false", "rbac.create=false"):
            without = render("metrics-adapter", sets=(switch,))
            self.assertNotIn(name, [r["metadata"]["name"] for r in some(without, "ClusterRole")])

    def test_more_kinds_and_single_metrics(self):
        objects = render("metrics-adapter", CI / "custom-rules-values.yaml")
        rules = one(objects, "ClusterRole", "metrics-adapter:resource-reader")["rules"]
        self.assertEqual(
            rules[3],
            {
                "apiGroups": ["apps"],
                "resources": ["deployments", "statefulsets"],
                "verbs": ["get", "list", "watch"],
            },
        )
        reader = one(objects, "ClusterRole", "metrics-adapter:metrics-reader")["rules"][0]
        self.assertEqual(reader["resources"], ["pods/http_requests_per_second", "metrics"])

    def test_rules(self):
        config = yaml.safe_load(one(render("metrics-adapter"), "ConfigMap")["data"]["config.yaml"])
        self.assertEqual(list(config), ["rules"])
        self.assertEqual(
            [(r["name"]["as"], r["metricsQuery"]) for r in config["rules"]],
            [
                (
                    "travelaudience_gserver_operations_ops_per_second",
                    "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
                ),
                (
                    "travelaudience_gserver_operations_ops_duration_mean_seconds",
                    "avg(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
                ),
            ],
        )
        # The series that they ask for are recorded under these very names.
        recorded = (HELM_DIR.parent / "prometheus-rules/server.yaml").read_text()
        for rule in config["rules"]:
            series = rule["seriesQuery"].split('"')[1].strip("^$")
            self.assertIn(f"record: {series}\n", recorded)
        for values, count in (("custom-rules-values.yaml", 3), ("only-custom-rules-values.yaml", 1)):
            config = yaml.safe_load(
                one(render("metrics-adapter", CI / values), "ConfigMap")["data"]["config.yaml"]
            )
            self.assertEqual(len(config["rules"]), count)
        self.assert_refused("metrics-adapter", "rules: without default", "--set", "rules.default=false")

    def test_each_section_registers_its_group(self):
        for values, wanted in (
            ("default-values.yaml", CUSTOM),
            ("only-custom-rules-values.yaml", CUSTOM),
            ("external-rules-values.yaml", EXTERNAL),
            ("resource-rules-values.yaml", CUSTOM | RESOURCE),
            ("existing-rules-values.yaml", CUSTOM | EXTERNAL | RESOURCE),
            ("bare-values.yaml", set()),
        ):
            with self.subTest(values=values):
                self.assertEqual(registered(render("metrics-adapter", CI / values)), wanted)
        # Of an existing ConfigMap the chart knows nothing more.
        self.assertEqual(registered(render("metrics-adapter", sets=("rules.existing=x",))), CUSTOM)
        both = ("rules.existing=x", "rules.external[0].seriesQuery=y", "rules.resource.window=1m")
        self.assertEqual(registered(render("metrics-adapter", sets=both)), CUSTOM)
        for group, gone in (("custom", CUSTOM), ("external", EXTERNAL), ("resource", RESOURCE)):
            sets = (f"apiService.{group}=false", "rules.external[0].seriesQuery=y", "rules.resource.window=1m")
            left = (CUSTOM | EXTERNAL | RESOURCE) - gone
            self.assertEqual(registered(render("metrics-adapter", sets=sets)), left)
        self.assert_refused("metrics-adapter", "/apiService/external", "--set", "apiService.external=maybe")

    def test_sections_of_the_file(self):
        def sections(values):
            objects = render("metrics-adapter", CI / values)
            return yaml.safe_load(one(objects, "ConfigMap")["data"]["config.yaml"])

        external = sections("external-rules-values.yaml")
        self.assertEqual(list(external), ["externalRules"])
        self.assertEqual(external["externalRules"][0]["seriesQuery"], 'queue_messages_ready{namespace!=""}')
        resource = sections("resource-rules-values.yaml")
        self.assertEqual(list(resource), ["rules", "resourceRules"])
        self.assertEqual(set(resource["resourceRules"]), {"cpu", "memory", "window"})
        given = yaml.safe_load((CI / "resource-rules-values.yaml").read_text())["rules"]["resource"]
        self.assertEqual(resource["resourceRules"], given)

    def test_roles_of_external_metrics(self):
        objects = render("metrics-adapter", CI / "external-rules-values.yaml")
        name = "metrics-adapter:external-metrics-reader"
        # kube-apiserver asks for the verb list: see ExternalMetrics' authorization attributes.
        self.assertEqual(
            one(objects, "ClusterRole", name)["rules"],
            [
                {
                    "apiGroups": ["external.metrics.k8s.io"],
                    "resources": ["queue_messages_ready"],
                    "verbs": ["get", "list"],
                }
            ],
        )
        (subject,) = one(objects, "ClusterRoleBinding", name)["subjects"]
        self.assertEqual(subject["name"], "system:kube-controller-manager")
        names = {o["metadata"]["name"] for o in some(objects, "ClusterRole")}
        self.assertNotIn("metrics-adapter:metrics-reader", names)
        self.assertNotIn("metrics-adapter:resource-metrics-reader", names)

    def test_roles_of_resource_metrics(self):
        objects = render("metrics-adapter", CI / "resource-rules-values.yaml")
        name = "metrics-adapter:resource-metrics-reader"
        role = one(objects, "ClusterRole", name)
        self.assertEqual(
            role["rules"],
            [{"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}],
        )
        for to in ("view", "edit", "admin"):
            label = f"rbac.authorization.k8s.io/aggregate-to-{to}"
            self.assertEqual(role["metadata"]["labels"][label], "true")
        self.assertEqual(one(objects, "ClusterRoleBinding", name)["subjects"], CONTROLLER)

    def test_discovery(self):
        def arguments(values):
            return container(render("metrics-adapter", CI / values))["args"]

        self.assertIn("--discovery=compact", arguments("resource-rules-values.yaml"))
        self.assertNotIn("--discovery", str(arguments("default-values.yaml")))
        self.assert_refused("metrics-adapter", "/discovery", "--set", "discovery=none")

    def test_files_of_flags_are_mounted(self):
        objects = render("metrics-adapter", CI / "private-ca-values.yaml")
        mounts = {m["mountPath"]: m["name"] for m in container(objects)["volumeMounts"]}
        spec = one(objects, "Deployment")["spec"]["template"]["spec"]
        self.assertIn(mounts["/etc/prometheus-ca"], [v["name"] for v in spec["volumes"]])
        self.assertEqual(len(mounts), 3)
        self.assertEqual(spec["dnsPolicy"], "Default")

    def test_the_nodes_network(self):
        def deployment(*sets):
            return one(render("metrics-adapter", sets=sets), "Deployment")["spec"]

        admin = "--admin-address=0.0.0.0:8081"
        spec = deployment("hostNetwork.enabled=true")
        rolling = spec["strategy"]["rollingUpdate"]
        self.assertEqual((rolling["maxSurge"], rolling["maxUnavailable"]), (0, 1))
        spec = spec["template"]["spec"]
        self.assertIs(spec["hostNetwork"], True)
        self.assertEqual(spec["dnsPolicy"], "ClusterFirstWithHostNet")
        self.assertIn(admin, spec["containers"][0]["args"])
        for sets, told in (
            (("hostNetwork.enabled=true", "scrape=false"), False),
            (("scrape=false",), True),
        ):
            args = deployment(*sets)["template"]["spec"]["containers"][0]["args"]
            self.assertEqual(admin in args, told, sets)

    def test_existing_rules(self):
        objects = render("metrics-adapter", CI / "existing-rules-values.yaml")
        self.assertEqual(some(objects, "ConfigMap"), [])
        volumes = one(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
        self.assertIn({"name": "config", "configMap": {"name": "my-adapter-config"}}, volumes)

    def test_other_rules_roll_the_pods(self):
        def checksum(values):
            template = one(render("metrics-adapter", CI / values), "Deployment")["spec"]["template"]
            return template["metadata"]["annotations"]["checksum/config"]

        self.assertNotEqual(checksum("default-values.yaml"), checksum("custom-rules-values.yaml"))

    def test_arguments(self):
        objects = render("metrics-adapter")
        self.assertEqual(
            container(objects)["args"],
            [
                "--config=/etc/metrics-adapter/config/config.yaml",
                "--prometheus-url=http://prometheus.monitoring.svc:9090",
                "--secure-port=6443",
                "--tls-cert-file=/etc/metrics-adapter/tls/tls.crt",
                "--tls-private-key-file=/etc/metrics-adapter/tls/tls.key",
                "--admin-address=0.0.0.0:8081",
                "--metrics-relist-interval=1m",
                "--shutdown-delay-duration=5s",
                "-v=4",
            ],
        )
        for argument in container(objects)["args"]:
            path = argument.partition("=")[2]
            if path.startswith("/etc/"):
                mounts = [m["mountPath"] for m in container(objects)["volumeMounts"]]
                self.assertTrue(any(path.startswith(f"{m}/") for m in mounts), path)
        everything = container(render("metrics-adapter", CI / "everything-values.yaml"))["args"]
        self.assertIn("--prometheus-url=https://thanos.example.com/prefix", everything)
        self.assertEqual(everything[-1], "--metrics-max-age=10m")

    def test_updates_never_leave_the_api_without_a_pod(self):
        spec = one(render("metrics-adapter"), "Deployment")["spec"]
        self.assertEqual(spec["replicas"], 2)
        self.assertEqual(spec["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 0})
        self.assertEqual(spec["template"]["spec"]["terminationGracePeriodSeconds"], 30)

    def test_pods_are_spread(self):
        def unsatisfiable(*sets):
            spec = one(render("metrics-adapter", sets=sets), "Deployment")["spec"]["template"]["spec"]
            constraints = spec.get("topologySpreadConstraints", [])
            for constraint in constraints:
                # Or the pods of an update would be kept away from the nodes of those that go.
                self.assertEqual(constraint["matchLabelKeys"], ["pod-template-hash"])
            return {c["topologyKey"]: c["whenUnsatisfiable"] for c in constraints}

        node, zone = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
        soft = {node: "ScheduleAnyway", zone: "ScheduleAnyway"}
        self.assertEqual(unsatisfiable(), soft)
        self.assertEqual(unsatisfiable("topologySpread=required"), {**soft, node: "DoNotSchedule"})
        self.assertEqual(unsatisfiable("topologySpread=false"), {})
        self.assert_refused("metrics-adapter", "/topologySpread", "--set", "topologySpread=maybe")

    def test_the_drain_fits_the_grace_period(self):
        for delay, grace in (("5s", 20), ("1m", 75), ("1m5s", 80), ("500ms", 15), ("0s", 15)):
            values = f"shutdownDelayDuration={delay},terminationGracePeriodSeconds="
            with self.subTest(delay=delay):
                spec = one(render("metrics-adapter", sets=(f"{values}{grace}",)), "Deployment")["spec"]
                self.assertEqual(spec["template"]["spec"]["terminationGracePeriodSeconds"], grace)
                self.assert_refused(
                    "metrics-adapter", f"is less than shutdownDelayDuration ({delay})", "--set", f"{values}{grace - 1}"
                )

    def test_probes_ask_the_https_port(self):
        probes = (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz"))
        for probe, path in probes:
            get = container(render("metrics-adapter"))[probe]["httpGet"]
            self.assertEqual(get, {"path": path, "port": "https", "scheme": "HTTPS"})
        without = container(render("metrics-adapter", sets=("startupProbe=null",)))
        self.assertNotIn("startupProbe", without)

    def test_the_image_is_the_program_and_the_roots(self):
        root = HELM_DIR.parent
        image = (root / "Dockerfile").read_text().split("\nFROM scratch AS metrics-adapter\n")[1].split("\nFROM ")[0]
        lines = [line for line in image.splitlines() if line.startswith(("COPY", "ADD", "RUN", "USER", "EXPOSE", "ENTRYPOINT"))]
        roots, build = "/etc/ssl/certs/ca-certificates.crt", "COPY --from=build-metrics-adapter"
        user = one(render("metrics-adapter"), "Deployment")["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
        self.assertEqual(
            lines,
            [
                f"{build} {roots} {roots}",
                f"{build} /out/bin/metrics-adapter /metrics-adapter",
                f"USER {user}:{user}",
                "EXPOSE 6443 8081",
                'ENTRYPOINT ["/metrics-adapter"]',
            ],
        )

    def test_private_gke_clusters_reach_the_port(self):
        objects = render("metrics-adapter", HELM_DIR / "metrics-adapter/values-gke-private.yaml")
        self.assertIn("--secure-port=10250", container(objects)["args"])
        ports = {p["name"]: p["containerPort"] for p in container(objects)["ports"]}
        self.assertEqual(ports["https"], 10250)


if __name__ == "__main__":
    unittest.main()
