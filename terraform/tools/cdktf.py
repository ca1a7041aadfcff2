"""Reads a provider's schema out of a cdktf package.

The packages on PyPI (cdktf-cdktf-provider-NAME) are generated from the provider's schema. What they carry for every resource,
in JavaScript with declarations, says each argument's name in Terraform, its type, whether it is required, and whether it is a
block. It does not say which optional arguments the provider fills in by itself (there `computed` is a comment, which the
compiler drops); here it is `id`, what nobody can set, and what the caller's FILLED_IN names.
"""

import io
import json
import re
import sys
import tarfile
import zipfile

# What a computed attribute's reader is called, for each type.
READERS = {"String": "string", "Number": "number", "Boolean": "bool", "List": "list", "StringMap": "map"}
KINDS = {"string": "string", "number": "number", "boolean": "bool", "stringMap": "map"}

ENTRY = re.compile(
    r"(?P<name>\w+): \{\s*value: [^\n]*\n\s*isBlock: (?P<block>true|false),\s*"
    r'type: "(?P<type>\w+)",\s*storageClassType: "(?P<storage>\w+)",'
)
# A large resource has its blocks in files of their own.
PART = re.compile(r"package/lib/(?P<folder>[\w-]+)/(index-structs/)?(?P<name>index|structs\d+)\.(?P<kind>js|d\.ts)")
FIELD = re.compile(r"readonly (\w+)(\?)?: ([^;]+);")


class Module:
    """Code and declarations of a resource."""

    def __init__(self, code, declarations):
        self.code = code
        self.declarations = re.sub(r"/\*\*.*?\*/", "", declarations, flags=re.DOTALL)

    def fields(self, interface):
        """What an interface declares, by name without case: whether it is required, and its type."""
        body = re.search(rf"interface {interface}(?: extends [\w.]+)? \{{(.*?)\n\}}", self.declarations, re.DOTALL)
        if body is None:
            raise SystemExit(f"no interface {interface}")
        return {name.lower(): (not optional, kind) for name, optional, kind in FIELD.findall(body[1])}

    def block(self, interface, entries):
        """A block whose arguments are written by `entries`, a piece of code."""
        fields = self.fields(interface)
        attributes, blocks, timeouts = {}, {}, None
        for entry in ENTRY.finditer(entries):
            name, storage = entry["name"], entry["storage"]
            plain = name.replace("_", "").lower()
            # TypeScript's own words, such as `self`, have a longer name there.
            required, declared = fields[plain if plain in fields else f"{plain}attribute"]
            # Of AWS' provider: an address for each of its 300 services.
            if name == "endpoints":
                continue
            if name == "timeouts":
                times = FIELD.findall(re.search(r"interface \w+Timeouts \{(.*?)\n\}", self.declarations, re.DOTALL)[1])
                timeouts = {time: {"type": "string", "mode": "optional"} for time, _, _ in times}
            elif entry["block"] == "true":
                inner = storage.removesuffix("List")
                writer = inner[0].lower() + inner[1:] + "ToHclTerraform"
                body = re.search(rf"function {writer}\(struct\) \{{(.*?)\n\}}\n", self.code, re.DOTALL)
                nested = self.block(inner, body[1])
                nested["nesting"] = entry["type"]
                nested["required"] = required
                if "[]" not in declared:
                    nested["max"] = 1
                blocks[name] = nested
            else:
                kind = entry["type"] if entry["type"] in ("list", "set") else KINDS.get(storage)
                # Blocks that may be written as attributes, and numbers in lists: none of them is used here.
                if kind is None or storage in ("numberList",) or storage[0].isupper():
                    continue
                attributes[name] = {"type": kind, "mode": "required" if required else "optional"}
        made = {"attributes": attributes, "blocks": blocks}
        if timeouts is not None:
            made["timeouts"] = timeouts
        return made


def schema(module, interface, filled_in=()):
    entries = module.code[module.code.index("synthesizeHclAttributes() {") :]
    made = module.block(interface, entries)
    owner = re.search(r"\nclass \w+ extends cdktf\.Terraform(?:Resource|DataSource|Provider) \{.*", module.code, re.DOTALL)[0]
    found = re.findall(r"return this\.get(\w+)Attribute\('(\w+)'\)", owner)
    found += [("List", name) for name in re.findall(r"Fn\.tolist\(this\.getListAttribute\('(\w+)'\)\)", owner)]
    for reader, name in found:
        if name not in made["attributes"] and name not in made["blocks"] and reader in READERS:
            made["attributes"][name] = {"type": READERS[reader], "mode": "computed"}
    for name in ("id", "arn", *filled_in):
        if made["attributes"].get(name, {}).get("mode") == "optional":
            made["attributes"][name]["mode"] = "optional computed"
    made["attributes"] = dict(sorted(made["attributes"].items()))
    return made


def convert(wheel, provider, resources, data_sources, filled_in):
    """Writes the schema of these resources and data sources as JSON to standard output."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
        package = io.BytesIO(archive.read(name))
    folders = {name.replace("_", "-").removeprefix(f"{provider}-"): name for name in resources}
    folders |= {f"data-{name}".replace("_", "-"): name for name in data_sources} | {"provider": provider}
    files = {folder: {"js": "", "d.ts": ""} for folder in folders}
    with tarfile.open(fileobj=package, mode="r:gz") as archive:
        for member in archive:
            found = PART.fullmatch(member.name)
            if found is None or found["folder"] not in files:
                continue
            # Behind the code stands its source map, one word of a million characters.
            text = archive.extractfile(member).read().decode().partition("//# sourceMappingURL")[0]
            # The resource's own file goes last: what follows its class is the class.
            made = files[found["folder"]]
            made[found["kind"]] = made[found["kind"]] + text if found["name"] == "index" else text + made[found["kind"]]
    made = {"provider": {}, "resources": {}, "data_sources": {}}
    for folder, name in folders.items():
        module = Module(files[folder]["js"], files[folder]["d.ts"])
        title = "".join(part.capitalize() for part in folder.split("-"))
        interface = f"{provider.capitalize()}ProviderConfig" if folder == "provider" else f"{title}Config"
        found = schema(module, interface, filled_in.get(name, ()))
        if folder == "provider":
            made["provider"] = found
        elif folder.startswith("data-"):
            made["data_sources"][name] = found
        else:
            made["resources"][name] = found
    json.dump(made, sys.stdout, indent=1)
    print()
