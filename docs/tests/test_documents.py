"""All documents: what they link to exists, and so does every make target that they tell people to run."""

import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TRACKED = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
DOCUMENTS = [path for path in TRACKED if path.endswith(".md")]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"(?m)^([a-z0-9-]+):(?!=)", MAKEFILE))
# As GitHub does: inline code and emphasis lose their marks, the text of a link stays.
MARKS = re.compile(r"[`*]|\[([^\]]*)\]\([^)]*\)")


def without_code(text):
    """A document's text with fenced blocks and inline code blanked: neither holds links."""
    text = re.sub(r"(?ms)^( *)(```+).*?^\1\2 *$", "", text)
    return re.sub(r"`[^`\n]*`", "", text)


def slug(heading):
    """The anchor that GitHub gives a heading."""
    text = MARKS.sub(lambda found: found[1] or "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(text):
    """All anchors of a document; of equal headings the later ones are numbered."""
    found, seen = set(), {}
    for heading in re.findall(r"(?m)^#{1,6} +(.*?) *#* *$", re.sub(r"(?ms)^( *)(```+).*?^\1\2 *$", "", text)):
        anchor = slug(heading)
        found.add(f"{anchor}-{seen[anchor]}" if anchor in seen else anchor)
        seen[anchor] = seen.get(anchor, 0) + 1
    return found


def links(text):
    """Targets of links and pictures, inline and by reference."""
    text = without_code(text)
    inline = re.findall(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)", text)
    return inline + re.findall(r"(?m)^\[[^\]]+\]:\s+(\S+)", text)


def problem(document, link):
    """What is wrong with a link of a document, or None."""
    path, _, anchor = link.partition("#")
    target = (ROOT / document).parent / path if path else ROOT / document
    if not target.exists():
        return f"{document}: {link}: there is no such file"
    if not target.resolve().is_relative_to(ROOT):
        return f"{document}: {link}: leaves the repository"
    if anchor and target.suffix == ".md" and anchor not in anchors(target.read_text()):
        return f"{document}: {link}: there is no such heading"
    return None


class Links(unittest.TestCase):
    def test_every_relative_link_leads_somewhere(self):
        found, problems = 0, []
        for document in DOCUMENTS:
            for link in links((ROOT / document).read_text()):
                if re.match(r"[a-z][a-z0-9+.-]*:", link):
                    continue
                found += 1
                problems.append(problem(document, link))
        self.assertEqual([it for it in problems if it], [])
        self.assertGreater(found, 30)

    def test_wrong_links_are_found(self):
        self.assertIn("no such file", problem("README.md", "docs/nowhere.md"))
        self.assertIn("no such heading", problem("README.md", "docs/access.md#nothing-of-the-kind"))
        self.assertIn("no such heading", problem("docs/access.md", "#nothing-of-the-kind"))
        self.assertIn("leaves the repository", problem("README.md", "../.."))
        self.assertIsNone(problem("README.md", "docs/access.md#whether-they-may"))

    def test_anchors_are_githubs(self):
        text = "# A `b`: C's *d*\n\n```\n# not one\n```\n## [Link](x.md) & more\n## Twice\n## Twice\n"
        self.assertEqual(anchors(text), {"a-b-cs-d", "link--more", "twice", "twice-1"})

    def test_links_are_found_and_code_is_not(self):
        text = "[a](b.md) ![p](c.svg \"title\") `[d](e.md)`\n```\n[f](g.md)\n```\n[h]: i.md\n"
        self.assertEqual(links(text), ["b.md", "c.svg", "i.md"])

    def test_documents_that_are_named_exist(self):
        """Also those that are named without a link."""
        named = set()
        for document in DOCUMENTS:
            text = (ROOT / document).read_text()
            for path in re.findall(r"(?<![\w/.-])(?:docs|helm|prometheus-rules|testbed|terraform)/[\w./-]+\.md\b", text):
                named.add(path)
                self.assertTrue((ROOT / path).exists(), f"{document}: {path}")
        self.assertIn("docs/flags.md", named)


class Make(unittest.TestCase):
    def test_every_target_that_is_named_exists(self):
        named = set()
        for document in DOCUMENTS:
            text = (ROOT / document).read_text()
            # Commands: in a block at the beginning of a line, in a sentence between backticks.
            blocks = re.findall(r"(?ms)^ *```.*?^ *```", text)
            lines = [command for block in blocks for command in re.findall(r"(?m)^ *(?:\$ )?make ([^\n#|;&]*)", block)]
            lines += re.findall(r"`make\s([^`]*)`", text)
            for words in lines:
                # VARIABLE='its value, of several words'
                words = re.sub(r"[A-Z]+='[^']*'", "", words)
                targets = [word for word in words.split() if re.fullmatch(r"[a-z][a-z0-9-]*", word)]
                self.assertTrue(set(targets) <= TARGETS, f"{document}: make {words}")
                named |= set(targets)
        self.assertLessEqual({"demo", "test", "dist", "images", "test-versions"}, named)


if __name__ == "__main__":
    unittest.main()
