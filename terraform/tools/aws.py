"""Makes aws.json from the published schema of the AWS provider.

The provider itself is on registry.terraform.io and GitHub only. PyPI has cdktf-cdktf-provider-aws, which is generated from
the provider's schema; its version 21.22.1 from the provider's 6.25.0. What it carries for every resource, in JavaScript with
declarations, says each argument's name in Terraform, its type, whether it is required, and whether it is a block:

    pip download --no-deps cdktf-cdktf-provider-aws==21.22.1
    python3 aws.py cdktf_cdktf_provider_aws-21.22.1-py3-none-any.whl > aws.json

It does not say which optional arguments the provider fills in by itself (there `computed` is a comment, which the compiler
drops); here it is `id`, `arn`, what nobody can set, and what FILLED_IN names.
"""

import io
import json
import re
import sys
import tarfile
import zipfile

RESOURCES = (
    "aws_autoscaling_group",
    "aws_autoscaling_policy",
    "aws_launch_template",
    "aws_lb",
    "aws_lb_listener",
    "aws_lb_target_group",
    "aws_security_group",
    "aws_vpc_security_group_egress_rule",
    "aws_vpc_security_group_ingress_rule",
)
DATA_SOURCES = ("aws_ssm_parameter", "aws_subnets", "aws_vpc")
# Optional arguments that the provider fills in and on which the module or its tests depend.
FILLED_IN = {"aws_autoscaling_group": ("desired_capacity",)}
# What a computed attribute's reader is called, for each type.
READERS = {"String": "string", "Number": "number", "Boolean": "bool", "List": "list", "StringMap": "map"}
KINDS = {"string": "string", "number": "number", "boolean": "bool", "stringMap": "map"}

ENTRY = re.compile(
    r"(?P<name>\w+): \{\s*value: [^\n]*\n\s*isBlock: (?P<block>true|false),\s*"
    r'type: "(?P<type>\w+)",\s*storageClassType: "(?P<storage>\w+)",'
)
FIELD = re.compile(r"readonly (\w+)(\?)?: ([^;]+);")


class Module:
    """The two files of a resource."""

    def __init__(self, code, declarations):
        # Behind the code stands its source map, one word of a million characters.
        self.code = code.partition("//# sourceMappingURL")[0]
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
            # Of the provider: an address for each of AWS' 300 services.
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


def main(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
        package = io.BytesIO(archive.read(name))
    folders = {name.replace("_", "-").removeprefix("aws-"): name for name in RESOURCES}
    folders |= {f"data-{name}".replace("_", "-"): name for name in DATA_SOURCES} | {"provider": "aws"}
    files = {}
    with tarfile.open(fileobj=package, mode="r:gz") as archive:
        for member in archive:
            parts = member.name.split("/")
            if len(parts) == 4 and parts[2] in folders and parts[3] in ("index.js", "index.d.ts"):
                files[parts[2], parts[3]] = archive.extractfile(member).read().decode()
            if len(files) == 2 * len(folders):
                break
    made = {"provider": {}, "resources": {}, "data_sources": {}}
    for folder, name in folders.items():
        module = Module(files[folder, "index.js"], files[folder, "index.d.ts"])
        title = "".join(part.capitalize() for part in folder.split("-"))
        interface = "AwsProviderConfig" if folder == "provider" else f"{title}Config"
        found = schema(module, interface, FILLED_IN.get(name, ()))
        if folder == "provider":
            made["provider"] = found
        elif folder.startswith("data-"):
            made["data_sources"][name] = found
        else:
            made["resources"][name] = found
    json.dump(made, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(sys.argv[1])
