"""The charts' README.md are what helm-docs makes of README.md.gotmpl and values.yaml."""

import re
import subprocess
import unittest

from charts import CHARTS, HELM_DIR, ChartTest, tool


def rows(readme):
    """Rows of the table of values: (value, default, meaning)."""
    table = readme.split("## Values\n", 1)[1]
    return re.findall(r"^\| `(.+?)` \| (.*?) \| (.*?) \|$", table, re.MULTILINE)


class Docs(ChartTest):
    def test_every_readme_is_up_to_date(self):
        tool("helm-docs")
        for chart in CHARTS:
            with self.subTest(chart=chart):
                done = subprocess.run(
                    [HELM_DIR / "docs.sh", "--dry-run", "--chart-to-generate", f"helm/{chart}"],
                    capture_output=True, text=True, check=True,
                )
                self.assertEqual(done.stderr, "")
                readme = (HELM_DIR / chart / "README.md").read_text()
                self.assertEqual(done.stdout.rstrip("\n"), readme.rstrip("\n"), "run `make chart-docs`")

    def test_every_value_has_a_meaning(self):
        for chart in CHARTS:
            found = rows((HELM_DIR / chart / "README.md").read_text())
            self.assertGreater(len(found), 2, chart)
            for value, _, meaning in found:
                self.assertTrue(meaning.strip(), f"{chart}: no `# --` comment for {value}")


if __name__ == "__main__":
    unittest.main()
