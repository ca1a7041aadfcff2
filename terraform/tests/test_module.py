"""What holds of the modules' files: errors name their variable, documents name every input."""

import re
import unittest

import stage

MODULES = ("aws", "exoscale", "gke")


def variables(module):
    text = (stage.ROOT / "terraform" / module / "variables.tf").read_text()
    return dict(re.findall(r'(?ms)^variable "(\w+)" \{\n(.*?)^\}', text))


def inputs(module):
    """Default in the document's table, by name of the input."""
    page = (stage.ROOT / "terraform" / module / "README.md").read_text()
    rows = re.findall(r"(?m)^\| (`.*?) \| (.*?) \|", page.partition("## Inputs")[2].partition("\n## ")[0])
    # A row may have several names, which then have the same default.
    return [(name, default) for names, default in rows for name in re.findall(r"`(\w+)`", names)]


def default(body):
    """A variable's default as its table has it: `-` without one; of a text its quotes are left out."""
    found = re.search(r"(?m)^  default += (.*)$", body)
    if not found:
        return "-"
    text = found[1]
    return f"`{text[1:-1]}`" if re.fullmatch(r'"[^"]+"', text) else f"`{text}`"


class Modules(unittest.TestCase):
    def test_every_refusal_begins_with_the_variable_that_it_is_about(self):
        refusals = 0
        for module in MODULES:
            for name, body in variables(module).items():
                for message in re.findall(r'error_message = "([^"]*)', body):
                    self.assertTrue(message.startswith(f"{name}: "), f"{module}: {message}")
                    refusals += 1
        self.assertGreater(refusals, 30)

    def test_every_variable_has_a_type_a_description_and_a_row(self):
        for module in MODULES:
            self.assertEqual(
                sorted(inputs(module)), sorted((name, default(body)) for name, body in variables(module).items()), module
            )
            for name, body in variables(module).items():
                self.assertRegex(body, r"(?m)^  description = ", name)
                self.assertRegex(body, r"(?m)^  type +=", name)

    def test_every_variable_of_gke_with_a_rule_is_refused_once(self):
        tests = (stage.GKE / "tests/gke.tftest.hcl").read_text()
        for name, body in variables("gke").items():
            if "validation" in body:
                self.assertIn(f"var.{name}", "".join(re.findall(r"expect_failures = \[(.*?)\]", tests, re.DOTALL)), name)

    def test_a_second_apply_of_gke_has_nothing_to_do(self):
        said = stage.applied().play("terraform -chdir=terraform/gke plan -no-color -var k8s_project=my-project-1234")
        self.assertIn("No changes.", said)

    def test_every_output_of_gke_is_named(self):
        page = (stage.GKE / "README.md").read_text()
        for name in re.findall(r'(?m)^output "(\w+)"', (stage.GKE / "outputs.tf").read_text()):
            self.assertIn(f"`{name}`", page)


if __name__ == "__main__":
    unittest.main()
