"""The adapter's NetworkPolicy, judged as a CNI judges it: which connections of the adapter it lets through."""

import ipaddress
import re
import tempfile
import unittest

from charts import HELM_DIR, ChartTest, container, load_all, one, render, some, template

CI = HELM_DIR / "metrics-adapter/ci"
NAMESPACE = "metrics-adapter"


def pod(namespace, address="10.244.0.9", **labels):
    """A pod as a peer."""
    names = {"kubernetes.io/metadata.name": namespace}
    return {"namespace": names, "labels": labels, "address": address}


def host(address):
    """Something that is no pod: a node, the control plane, a server elsewhere."""
    return {"address": address}


def matches(selector, labels):
    assert set(selector) <= {"matchLabels"}, selector
    return selector.get("matchLabels", {}).items() <= labels.items()


def is_peer(rule, peer):
    """Whether a peer is one that `from` or `to` names."""
    if "ipBlock" in rule:
        address = ipaddress.ip_address(peer["address"])
        block = rule["ipBlock"]
        outside = [ipaddress.ip_network(cidr) for cidr in block.get("except", [])]
        return address in ipaddress.ip_network(block["cidr"]) and not any(address in net for net in outside)
    if "namespace" not in peer:
        return False
    here = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    return matches(rule.get("namespaceSelector", here), peer["namespace"]) and matches(
        rule.get("podSelector", {}), peer["labels"]
    )


def allows(objects, direction, peer, port, protocol="TCP"):
    """Whether the policy lets a connection through; of Ingress, `port` is one of the adapter's."""
    spec = one(objects, "NetworkPolicy")["spec"]
    if direction not in spec["policyTypes"]:
        return True
    names = {p["name"]: p["containerPort"] for p in container(objects)["ports"]}
    side = {"Ingress": "from", "Egress": "to"}[direction]
    for rule in spec[direction.lower()]:
        ports = {(names.get(p["port"], p["port"]), p["protocol"]) for p in rule["ports"]}
        if (port, protocol) in ports and (side not in rule or any(is_peer(r, peer) for r in rule[side])):
            return True
    return False


KONNECTIVITY = pod("kube-system", **{"k8s-app": "konnectivity-agent"})


class NetworkPolicy(ChartTest):
    def check(self, objects, cases):
        for wanted, *connection in cases:
            with self.subTest(connection=connection):
                self.assertIs(allows(objects, *connection), wanted)

    def test_there_is_one_only_when_it_is_asked_for(self):
        for _, objects in self.each_branch("metrics-adapter"):
            expected = "with network-policy" in self.branch
            self.assertEqual(len(some(objects, "NetworkPolicy")), int(expected))

    def test_it_selects_the_adapter(self):
        objects = render("metrics-adapter", CI / "network-policy-values.yaml")
        labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
        selector = one(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
        self.assertEqual(set(selector), {"app.kubernetes.io/name", "app.kubernetes.io/instance"})
        self.assertLessEqual(selector.items(), labels.items())

    def test_as_it_comes(self):
        prometheus = pod("monitoring", app="prometheus")
        self.check(
            render("metrics-adapter", CI / "network-policy-values.yaml"),
            [
                # kube-apiserver, from wherever; the kubelet.
                (True, "Ingress", host("172.16.0.2"), 6443),
                (True, "Ingress", host("10.0.0.7"), 6443),
                # Its calls through a tunnel, as on GKE.
                (True, "Ingress", KONNECTIVITY, 6443),
                (True, "Ingress", prometheus, 8081),
                (False, "Ingress", pod("default"), 8081),
                (False, "Ingress", host("10.0.0.7"), 8081),
                (False, "Ingress", prometheus, 9090),
                (True, "Egress", pod("kube-system"), 53, "UDP"),
                (True, "Egress", host("169.254.20.10"), 53, "TCP"),
                (True, "Egress", prometheus, 9090),
                (False, "Egress", pod("default"), 9090),
                (True, "Egress", host("172.16.0.2"), 6443),
                (True, "Egress", host("10.96.0.1"), 443),
                (False, "Egress", host("203.0.113.10"), 80),
            ],
        )

    def test_as_narrow_as_it_gets(self):
        control_plane = host("172.16.0.2")
        proxy = pod(NAMESPACE, app="proxy")
        self.check(
            render("metrics-adapter", CI / "network-policy-narrow-values.yaml"),
            [
                (True, "Ingress", control_plane, 6443),
                (True, "Ingress", host("10.0.0.7"), 6443),
                (False, "Ingress", host("10.0.8.7"), 6443),
                (False, "Ingress", pod("default"), 6443),
                (True, "Ingress", pod("monitoring", **{"app.kubernetes.io/name": "prometheus"}), 8081),
                (False, "Ingress", pod("monitoring"), 8081),
                (True, "Ingress", pod(NAMESPACE, app="otel-collector"), 8081),
                (False, "Ingress", pod("default", app="otel-collector"), 8081),
                (True, "Egress", pod("kube-system", **{"k8s-app": "kube-dns"}), 53, "UDP"),
                (True, "Egress", host("169.254.20.10"), 53, "UDP"),
                (False, "Egress", host("8.8.8.8"), 53, "UDP"),
                (True, "Egress", host("203.0.113.10"), 443),
                (False, "Egress", host("203.0.113.11"), 443),
                (True, "Egress", control_plane, 443),
                (False, "Egress", control_plane, 6443),
                (True, "Egress", proxy, 3128),
                (False, "Egress", pod("default", app="proxy"), 3128),
            ],
        )

    def test_parts_can_be_left_out(self):
        policy = "networkPolicy.enabled=true"
        objects = render("metrics-adapter", sets=(policy, "networkPolicy.egress.enabled=false"))
        self.assertTrue(allows(objects, "Egress", host("203.0.113.10"), 80))
        self.assertNotIn("egress", one(objects, "NetworkPolicy")["spec"])
        objects = render("metrics-adapter", sets=(policy, "scrape=false"))
        self.assertFalse(allows(objects, "Ingress", pod("monitoring"), 8081))
        private = render("metrics-adapter", sets=(policy, "listenPort=10250"))
        self.assertTrue(allows(private, "Ingress", host("172.16.0.2"), 10250))
        self.assertFalse(allows(private, "Ingress", host("172.16.0.2"), 6443))

    def test_the_agents_of_a_tunnel_can_be_the_only_callers(self):
        """With the peer that docs/reliability.md gives for GKE."""
        page = (HELM_DIR.parent / "docs/reliability.md").read_text()
        (block,) = [b for b in re.findall(r"(?m)^```yaml\n(.*?)^```$", page, re.DOTALL) if "konnectivity-agent" in b]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(block)
            file.flush()
            objects = load_all(template("metrics-adapter", "--values", file.name).stdout)
        self.check(
            objects,
            [
                (True, "Ingress", KONNECTIVITY, 6443),
                (False, "Ingress", pod("kube-system"), 6443),
                (False, "Ingress", pod("default", **{"k8s-app": "konnectivity-agent"}), 6443),
                (False, "Ingress", host("172.16.0.2"), 6443),
            ],
        )

    def test_prometheus_has_to_be_where_the_policy_leads(self):
        enabled = "networkPolicy.enabled=true"
        for url in (
            "http://prometheus.monitoring",
            "http://prometheus.monitoring.svc",
            "https://prometheus-k8s.monitoring.svc.cluster.local",
            "http://prometheus-0.prometheus.monitoring.svc",
        ):
            with self.subTest(url=url):
                render("metrics-adapter", sets=(enabled, f"prometheus.url={url}"))
        for url in (
            "http://prometheus",
            "http://prometheus.observability.svc",
            "https://prometheus.example.com",
            "https://prometheus.monitoring.example.com",
            "http://203.0.113.10",
        ):
            with self.subTest(url=url):
                other = f"prometheus.url={url}"
                self.assert_refused("metrics-adapter", "networkPolicy.egress.prometheus.to", "--set", f"{enabled},{other}")
                # Not without a policy, nor when somebody said where it is.
                render("metrics-adapter", sets=(other,))
                render("metrics-adapter", sets=(enabled, other, "networkPolicy.egress.enabled=false"))
                to = "networkPolicy.egress.prometheus.to[0].ipBlock.cidr=203.0.113.0/24"
                objects = render("metrics-adapter", sets=(enabled, other, to))
                self.assertTrue(allows(objects, "Egress", host("203.0.113.10"), 9090))
        # A name without a namespace is one of the adapter's own.
        load_all(template("metrics-adapter", "--set", f"{enabled},prometheus.url=http://prometheus", namespace="monitoring").stdout)

    def test_what_cannot_work_is_refused(self):
        enabled = "networkPolicy.enabled=true"
        self.assert_refused("metrics-adapter", "hostNetwork.enabled", "--set", f"{enabled},hostNetwork.enabled=true")
        for value in ("ingress.https[0].cidr=10.0.0.0/8", "egress.prometheus.ports[0]=0", "ingress.http[0].ipBlock.cidr=x"):
            self.assert_refused("metrics-adapter", "networkPolicy", "--set", f"networkPolicy.{value}")
        self.assert_refused("metrics-adapter", "networkPolicy", "--set-json", "networkPolicy.egress.prometheus.ports=[]")


if __name__ == "__main__":
    unittest.main()
