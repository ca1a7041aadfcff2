"""Every object of every branch fits the schemas of every Kubernetes that the charts are for."""

import copy
import json
import unittest

import yaml
from charts import CHARTS, HELM_DIR, ChartTest, one, render
from schemas import MINORS, faults

OTHERS = ("cert-manager.io/", "monitoring.coreos.com/")


class Schemas(ChartTest):
    def test_every_object_of_every_branch_fits_every_kubernetes(self):
        # Branches have most objects in common.
        distinct, kinds = {}, set()
        for _, objects in self.each_branch():
            for document in objects:
                distinct.setdefault(json.dumps(document, sort_keys=True), self.branch)
        for text, branch in distinct.items():
            document = json.loads(text)
            kinds.add(document["apiVersion"].rpartition("/")[0])
            foreign = document["apiVersion"].startswith(OTHERS)
            for minor in MINORS[-1:] if foreign else MINORS:
                self.assertEqual(faults(minor, document), [], f"{branch}, Kubernetes 1.{minor}")
        # Both sources have been asked.
        self.assertTrue({"apps", "cert-manager.io", "monitoring.coreos.com"} <= kinds, kinds)

    def test_no_template_looks_at_the_version(self):
        # So one rendering stands for all versions; with a look at .Capabilities it would not.
        for chart in CHARTS:
            for file in (HELM_DIR / chart / "templates").rglob("*"):
                if file.is_file():
                    self.assertNotIn(".Capabilities", file.read_text(), file)

    def test_the_oldest_version_is_the_charts(self):
        for chart in CHARTS:
            wanted = yaml.safe_load((HELM_DIR / chart / "Chart.yaml").read_text())["kubeVersion"]
            self.assertEqual(wanted, f">=1.{MINORS[0]}.0-0")

    def test_what_the_original_did_wrong_is_found(self):
        deployment = one(render("client"), "Deployment")

        def with_change(change):
            changed = copy.deepcopy(deployment)
            change(changed)
            return changed

        def container(document):
            return document["spec"]["template"]["spec"]["containers"][0]

        for wrong, said in (
            (lambda it: it.update(apiVersion="extensions/v1beta1"), "no kind Deployment in extensions/v1beta1"),
            (lambda it: container(it)["ports"][0].update(targetPort=8081), "targetPort"),
            (lambda it: it["spec"].update(replicas="1"), "$.spec.replicas"[1:]),
            (lambda it: it["spec"].pop("selector"), "selector"),
        ):
            for minor in MINORS:
                self.assertIn(said, "\n".join(faults(minor, with_change(wrong))))

    def test_a_misspelt_field_of_a_foreign_kind_is_found(self):
        certificate = {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": "a"},
            "spec": {"secretName": "a", "issuerRef": {"name": "a"}, "dnsName": ["a"]},
        }
        (fault,) = faults(MINORS[-1], certificate)
        self.assertIn("dnsName", fault)
        certificate["spec"].pop("dnsName")
        self.assertEqual(faults(MINORS[-1], certificate), [])


if __name__ == "__main__":
    unittest.main()
