"""One test for each way in which the original's Terraform files failed, so that none comes back.

They are named in README.md, in the table of the steps that failed; its numbers are theirs here.
"""

import re
import tempfile
import unittest

import stage

FILES = {path.name: re.sub(r"(?m)^\s*#.*$", "", path.read_text()) for path in sorted(stage.GKE.glob("*.tf"))}
ALL = "\n".join(FILES.values())
DECLARED = set(re.findall(r'(?m)^variable "(\w+)"', ALL))


class Defects(unittest.TestCase):
    def test_01_every_variable_is_declared_and_only_the_project_has_to_be_given(self):
        used = set(re.findall(r"\bvar\.(\w+)", ALL))
        self.assertEqual(used, DECLARED)
        said = stage.validate("main.tf", "var.release_channel", "var.cluster_release")
        self.assertIn("Reference to undeclared input variable", said or "nothing")
        # The version was the one without a declaration; it may be given, and need not be.
        self.assertIn("cluster_version", DECLARED)
        bodies = dict(re.findall(r'(?ms)^variable "(\w+)" \{\n(.*?)^\}', FILES["variables.tf"]))
        self.assertEqual([name for name, body in bodies.items() if not re.search(r"(?m)^  default +=", body)], ["k8s_project"])

    def test_02_names_are_such_as_google_takes(self):
        stages = stage.applied()
        found = 0
        for kind in ("container_cluster", "container_node_pool", "compute_network", "compute_subnetwork", "compute_router",
                     "compute_router_nat", "compute_firewall"):
            for resource in stages.resources(f"google_{kind}").values():
                self.assertRegex(resource["name"], r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", kind)
                found += 1
        self.assertGreaterEqual(found, 9)
        self.assertLessEqual(max(len(name) for name in stages.resources("google_container_node_pool")), 40)
        for resource in stages.resources("google_service_account").values():
            self.assertRegex(resource["account_id"], r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")

    def test_03_pools_scale_within_bounds_that_are_where_they_belong(self):
        for name, pool in stage.applied().resources("google_container_node_pool").items():
            (bounds,) = pool["autoscaling"]
            self.assertLess(bounds["min_node_count"], bounds["max_node_count"], name)
        said = stage.validate("nodes.tf", "  autoscaling {\n", "  max_node_count = 20\n\n  autoscaling {\n")
        self.assertIn('An argument named "max_node_count" is not expected here', said or "nothing")

    def test_04_the_clusters_own_pods_have_a_place(self):
        (cluster,) = stage.applied().resources("google_container_cluster").values()
        self.assertTrue(cluster["remove_default_node_pool"])
        pools = stage.applied().resources("google_container_node_pool").values()
        open_to_all = [p for p in pools if not p["node_config"][0]["taint"] and p["autoscaling"][0]["min_node_count"] >= 1]
        self.assertTrue(open_to_all)

    def test_05_the_client_pool_has_not_the_servers_taint(self):
        pools = stage.applied().resources("google_container_node_pool")
        taints = {name: [(t["key"], t["value"]) for t in pool["node_config"][0]["taint"]] for name, pool in pools.items()}
        self.assertEqual(taints["server"], [("dedicated", "server")])
        self.assertNotIn(("dedicated", "server"), taints["client"])

    def test_06_nobody_gives_up_before_google_does(self):
        # The provider's own limits are 40 minutes for a cluster and 30 for a pool.
        self.assertNotRegex(ALL, r"\btimeouts\b")

    def test_07_the_command_finds_its_files_from_the_repositorys_root(self):
        with tempfile.TemporaryDirectory() as folder:
            played = stage.Stage(folder)
            with self.assertRaisesRegex(AssertionError, "init"):
                played.play(stage.APPLY)
            played.play("terraform -chdir=terraform/gke init")
            with self.assertRaisesRegex(AssertionError, "could not find default credentials: open service-account.json"):
                played.play(stage.APPLY)
            (played.root / "service-account.json").write_text('{"type": "service_account"}')
            self.assertIn("Apply complete!", played.play(stage.APPLY))
        guide = "\n".join(stage.blocks(stage.GUIDE.read_text(), "sh"))
        self.assertLess(guide.index("terraform/gke init"), guide.index("terraform/gke apply"))

    def test_08_the_syntax_is_of_this_decade(self):
        # Quotes around nothing but an expression, a quoted provider, a block as a list.
        needless = r'(?m)"\$\{[^{}]*\}"\s*$'
        self.assertRegex('  name = "${var.cluster_name}"\n  zone = var.zone\n', needless)
        self.assertNotRegex(ALL, needless)
        self.assertNotRegex(ALL, r'(?m)^\s*provider\s*=\s*"')
        self.assertNotRegex(ALL, r"(?m)^\s*(taint|node_config|autoscaling)\s*=")
        self.assertEqual(ALL.count('\nprovider "'), 1)
        self.assertRegex(FILES["versions.tf"], r'required_version = ">= 1\.\d+, < 2\.0"')
        self.assertRegex(FILES["versions.tf"], r'version = "~> 6\.\d+"')
        for old, new, message in (
            ("location            = var.zone", "zone                = var.zone", '"zone" is not expected here'),
            ("  release_channel {\n", "  zone = var.zone\n\n  release_channel {\n", '"zone" is not expected here'),
        ):
            self.assertIn(message, stage.validate("main.tf", old, new) or "nothing")
        block = "    shielded_instance_config {\n"
        said = stage.validate("nodes.tf", block, f"    taint = [{{}}]\n{block}")
        self.assertIn('"taint" is not expected here', said or "nothing")


if __name__ == "__main__":
    unittest.main()
