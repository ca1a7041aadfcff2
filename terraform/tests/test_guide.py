"""docs/gke.md, played from its first command to its last; and what it says beside them."""

import re
import tempfile
import unittest

import stage

TEXT = stage.GUIDE.read_text()


def section(heading):
    """The text under a heading."""
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


# The page has two beginnings: a project of one's own, and one that somebody else has made.
GIVEN = section("Somebody else's project")
UNTIL_INSTALLED, TEARDOWN = TEXT.replace(GIVEN, "").split("\n## Tear down\n")
# Whatever in running text and tables begins with a program's name.
INLINE = re.compile(r"`((?:docker|gcloud|helm|kubectl|ls|terraform|tofu) [^`\n]+)`")
# What people may do instead, with a browser.
SKIPPED = {"gcloud auth application-default login"}


def script(text):
    return "\n".join(stage.blocks(text, "sh"))


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


class Guide(unittest.TestCase):
    """The page is played once; the tests look at what was left."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.stage = stage.Stage(cls.folder.name)
        names = set(re.findall(r"(?m)^([a-z]+)=", script(UNTIL_INSTALLED)))
        cls.said = plain(cls.stage.play(f"{script(UNTIL_INSTALLED)}\ndeclare -p {' '.join(names)}"))
        # What one bash would know: the account, for instance, that was gcloud's when it was asked.
        cls.variables = "\n".join(re.findall(r"(?m)^declare -- .*$", cls.said))
        cls.pools = cls.stage.resources("google_container_node_pool")
        cls.services = cls.stage.resources("google_project_service")
        cls.calls = cls.stage.calls()
        cls.asides()
        cls.said += plain(cls.stage.play(f"{cls.variables}\n{script(TEARDOWN)}"))

    @classmethod
    def asides(cls):
        """Commands in running text and in tables, tried while everything is installed."""
        cls.tried = set()
        for found in INLINE.finditer(TEXT):
            command = found[1]
            if command in SKIPPED:
                continue
            script = command.replace("\\|", "|").split(" |")[0]
            if found.start() < TEXT.index("## Apply"):
                # Before Terraform's account is gcloud's.
                script = f"export CLOUDSDK_CORE_ACCOUNT=$owner\n{script}"
            if script.startswith("helm install "):
                # In another way than above.
                script = f"helm uninstall {script.split()[2]}\n{script}"
            cls.stage.play(f"{cls.variables}\n{script}")
            cls.tried.add(command)

    def test_the_steps_of_the_task_are_there_as_they_were_given(self):
        for command in (
            "gcloud auth activate-service-account --key-file=service-account.json",
            "GOOGLE_APPLICATION_CREDENTIALS=service-account.json terraform -chdir=terraform/gke apply -var ",
            "gcloud container clusters get-credentials challenge --zone europe-west1-b --project ",
            "helm install client helm/client ",
            "helm install server helm/server ",
        ):
            self.assertIn(f"\n{command}", script(TEXT))

    def test_terraform_says_what_the_page_says_that_it_says(self):
        quoted = re.findall(r"(?:Apply|Destroy) complete! Resources: [^`\n]*", TEXT)
        self.assertEqual(len(quoted), 2)
        for line in quoted:
            self.assertIn(line, self.said)

    def test_commands_in_the_text_work_while_everything_is_installed(self):
        self.assertEqual(self.tried | SKIPPED, set(INLINE.findall(TEXT)))
        self.assertFalse(self.tried & SKIPPED)
        self.assertEqual(len([command for command in self.tried if command.startswith("helm install ")]), 2)

    def test_every_image_that_is_ours_was_pushed(self):
        used = set()
        for call in self.calls:
            if call[:2] in (["helm", "install"], ["helm", "upgrade"]):
                used |= {argument for argument in call if argument.startswith("image.registry=")}
        self.assertEqual(used, {"image.registry=europe-west1-docker.pkg.dev/my-project-1234/challenge"})
        pushed = set((self.stage.memory / "pushed").read_text().split())
        images = set((self.stage.memory / "images").read_text().split())
        self.assertEqual({image for image in images if image.startswith("europe-west1-docker.pkg.dev/")}, pushed)
        self.assertFalse([image for image in images if image.startswith("localhost/")])

    def test_every_role_is_explained_and_given(self):
        table = set(re.findall(r"`([a-zA-Z.]+)`", "".join(re.findall(r"(?m)^\| (`.*?) \|", TEXT.partition("## Quota")[0]))))
        given = {line.split()[0].removeprefix("roles/") for line in (self.stage.memory / "roles").read_text().splitlines()}
        self.assertEqual(table, given)
        self.assertFalse({"owner", "editor"} & given)

    def test_what_somebody_else_has_to_have_done_is_counted(self):
        for name, word in (("services", "four APIs"), ("roles", "eight roles")):
            self.assertIn(word, TEXT)
            count = {"four": 4, "eight": 8}[word.partition(" ")[0]]
            self.assertEqual(len((self.stage.memory / name).read_text().splitlines()), count)

    def test_apis_are_switched_on_by_hand_or_by_terraform(self):
        by_hand = set((self.stage.memory / "services").read_text().split())
        # Without these Terraform can switch on nothing.
        self.assertLessEqual({"serviceusage.googleapis.com", "cloudresourcemanager.googleapis.com"}, by_hand)
        self.assertLessEqual({"container.googleapis.com", "artifactregistry.googleapis.com"}, set(self.services))

    def test_the_quota_is_that_of_the_pools(self):
        def total(bound, size):
            return sum(pool["autoscaling"][0][bound] * size(pool["node_config"][0]) for pool in self.pools.values())

        def cpus(config):
            return int(config["machine_type"].rpartition("-")[2])

        rows = dict(re.findall(r"(?m)^\| `(CPUS|CPUS_ALL_REGIONS|SSD_TOTAL_GB)`[^|]*\| (.*) \|$", TEXT))
        for name, size in (("CPUS", cpus), ("CPUS_ALL_REGIONS", cpus), ("SSD_TOTAL_GB", lambda config: config["disk_size_gb"])):
            idle, most = rows[name].split(" | ")
            self.assertEqual(int(idle), total("min_node_count", size))
            self.assertEqual(int(most.partition(":")[0]), total("max_node_count", size))

    def test_the_picture_and_the_bill_have_the_pools_bounds(self):
        for name, pool in self.pools.items():
            bounds = pool["autoscaling"][0]
            self.assertIn(f"pool {name}, {bounds['min_node_count']} to {bounds['max_node_count']}", TEXT)
        (cost,) = re.findall(r"(?m)^\| nodes, `([\w-]+)` \| (\d+) when idle, \d+ with clients, (\d+) at most", TEXT)
        self.assertEqual(cost[0], {pool["node_config"][0]["machine_type"] for pool in self.pools.values()}.pop())
        for bound, told in (("min_node_count", cost[1]), ("max_node_count", cost[2])):
            self.assertEqual(int(told), sum(pool["autoscaling"][0][bound] for pool in self.pools.values()))

    def test_variables_that_are_named_exist(self):
        declared = set(re.findall(r'(?m)^variable "(\w+)"', (stage.GKE / "variables.tf").read_text()))
        given = set(re.findall(r"-var \"?(\w+)=", TEXT)) | set(re.findall(r"`(\w+) = ", TEXT))
        self.assertGreater(len(given), 3)
        self.assertLessEqual(given - {"spot"}, declared)

    def test_variables_that_are_shown_with_a_value_are_taken(self):
        shown = re.findall(r"`(\w+) = (\{.*?\})`", TEXT)
        self.assertEqual({name for name, _ in shown}, {"master_authorized_networks", "node_pools"})
        values = " ".join(f"-var '{name}={value}'" for name, value in shown)
        said = stage.applied().play(f"terraform -chdir=terraform/gke plan -var k8s_project=my-project-1234 {values}")
        # The cluster and its three pools.
        self.assertIn("4 to change", plain(said))
        stage.applied().play("terraform -chdir=terraform/gke plan -var-file=terraform.tfvars.example")

    def test_links_lead_somewhere(self):
        for place in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXT):
            if not place.startswith("https://"):
                self.assertTrue((stage.GUIDE.parent / place).exists(), place)
        headings = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"(?m)^## (.*)$", TEXT)}
        self.assertLessEqual(set(re.findall(r"\]\(#([^)]+)\)", TEXT)), headings)


class Given(unittest.TestCase):
    """The page's other beginning: with a project and a key that somebody else made, and gcloud without an account."""

    def test_the_page_is_played_from_there(self):
        with tempfile.TemporaryDirectory() as folder:
            played = stage.Stage(folder)
            made = played.play(script(section("A project") + section("A service account for Terraform")) + '\necho "$account"')
            (played.memory / "logins-of-gcloud").unlink()
            rest = script(UNTIL_INSTALLED[UNTIL_INSTALLED.index("\n## Quota\n") :] + TEARDOWN)
            with self.assertRaisesRegex(AssertionError, "do not currently have an active account"):
                played.play(f"project=my-project-1234\n{rest}")
            self.assertIn('leave out the commands with `--account "$owner"`', GIVEN)
            left = "\n".join(line for line in rest.splitlines() if '--account "$owner"' not in line)
            self.assertNotIn("$owner", left)
            said = plain(played.play(f'{script(GIVEN)}\n{left}\necho "$account"'))
            self.assertIn("Destroy complete!", said)
            self.assertEqual(said.splitlines()[-1], made.splitlines()[-1])

    def test_what_terraforms_account_may_not_do_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            played = stage.Stage(folder)
            before = script(section("A project") + section("A service account for Terraform"))
            played.play(before + "\ngcloud compute disks list --project my-project-1234")
            played.play("gcloud auth activate-service-account --key-file=service-account.json")
            played.play("gcloud compute addresses list --project my-project-1234")
            with self.assertRaisesRegex(AssertionError, "403: terraform@.* has not compute.disks.list"):
                played.play("gcloud compute disks list --project my-project-1234")


class Next(unittest.TestCase):
    """The module's output `next` is a script: with the page's project, account and key it runs to its end."""

    def test_it_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            played = stage.Stage(folder)
            played.play(script(UNTIL_INSTALLED.partition("## Reach the cluster")[0]))
            said = played.play("terraform -chdir=terraform/gke output -raw next | tee script | bash -euo pipefail")
            self.assertIn("Destroy complete!", plain(said))
            told = (played.root / "script").read_text()
            installed = [call[2] for call in played.calls() if call[:2] == ["helm", "install"]]
            self.assertEqual(installed, ["monitoring", "metrics-adapter", "server", "client"])
            self.assertIn("-var deletion_protection=false", told)


class Protection(unittest.TestCase):
    def test_destroying_a_protected_cluster_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            played = stage.Stage(folder)
            (played.root / "service-account.json").write_text("{}")
            played.play("terraform -chdir=terraform/gke init")
            played.play("terraform -chdir=terraform/gke apply -var k8s_project=my-project-1234")
            with self.assertRaisesRegex(AssertionError, "deletion_protection"):
                played.play("terraform -chdir=terraform/gke destroy -var k8s_project=my-project-1234")


if __name__ == "__main__":
    unittest.main()
