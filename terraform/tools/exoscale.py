"""Makes exoscale.json from the published schema of the Exoscale provider.

The provider itself is on registry.terraform.io and GitHub only. PyPI has pulumiverse-exoscale, which is generated from
the provider's schema and says every argument's name, type and whether it is required:

    pip download --no-deps --no-binary :all: pulumiverse-exoscale==0.66.1
    tar xzf pulumiverse_exoscale-0.66.1.tar.gz
    python3 exoscale.py pulumiverse_exoscale-0.66.1 > exoscale.json

Pulumi differs from the provider in three ways, which are undone here: it names blocks in the plural, it makes names
optional, and it leaves out `timeouts`.
"""

import ast
import json
import pathlib
import sys

RESOURCES = {
    "exoscale_compute_instance": "compute_instance",
    "exoscale_instance_pool": "instance_pool",
    "exoscale_nlb": "nlb",
    "exoscale_nlb_service": "nlb_service",
    "exoscale_security_group": "security_group",
    "exoscale_security_group_rule": "security_group_rule",
}
DATA_SOURCES = {"exoscale_template": "get_template"}
BLOCKS = {"healthchecks": "healthcheck", "network_interfaces": "network_interface"}
UNNAMED = {"exoscale_security_group_rule"}


def constructor(module, name):
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for function in node.body:
                if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                    arguments = function.args
                    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults) if arguments.kwonlyargs else (
                        (argument, None) for argument in arguments.args[1:]
                    )
                    return [(a.arg, ast.unparse(a.annotation) if a.annotation else "", d is None) for a, d in pairs]
    raise SystemExit(f"no class {name}")


def kind(annotation):
    for word, name in (("Mapping", "map"), ("Sequence", "set"), ("bool", "bool"), ("int", "number"), ("str", "string")):
        if word in annotation:
            return name
    raise SystemExit(f"what is {annotation}?")


def nested(annotation):
    return next((word for word in annotation.replace('"', "'").split("'") if word.endswith("Args")), None)


def block(package, arguments, computed, inputs):
    attributes, blocks = {}, {}
    for name, annotation, required in arguments:
        inner = nested(annotation)
        if inner and name in BLOCKS:
            blocks[BLOCKS[name]] = {**block(package, constructor(inputs, inner), [], inputs), "required": required}
        elif not inner:
            attributes[name] = {"type": kind(annotation), "mode": "required" if required else "optional"}
    for name, annotation, _ in computed:
        if name not in attributes and not nested(annotation):
            attributes[name] = {"type": kind(annotation), "mode": "computed"}
    return {"attributes": dict(sorted(attributes.items())), "blocks": blocks}


def main(package):
    def parse(name):
        return ast.parse((package / "pulumiverse_exoscale" / f"{name}.py").read_text())

    inputs = parse("_inputs")
    schema = {"resources": {}, "data_sources": {}}
    schema["provider"] = block(package, constructor(parse("provider"), "ProviderArgs"), [], inputs)
    for resource, file in RESOURCES.items():
        title = "".join(part.title() for part in file.split("_"))
        module = parse(file)
        made = block(package, constructor(module, f"{title}Args"), constructor(module, f"_{title}State"), inputs)
        made["attributes"]["id"] = {"type": "string", "mode": "computed"}
        if resource not in UNNAMED:
            made["attributes"]["name"]["mode"] = "required"
        times = {time: {"type": "string", "mode": "optional"} for time in ("create", "delete", "read", "update")}
        made["timeouts"] = times
        schema["resources"][resource] = made
    for source, file in DATA_SOURCES.items():
        module = parse(file)
        (function,) = [n for n in module.body if isinstance(n, ast.FunctionDef) and n.name == file]
        given = {a.arg: ast.unparse(a.annotation) for a in function.args.args if a.arg != "opts"}
        result = constructor(module, "GetTemplateResult")
        attributes = {name: {"type": kind(text), "mode": "optional"} for name, text in given.items()}
        for name, _, _ in result:
            attributes.setdefault(name, {"type": "string", "mode": "computed"})
        # Looked up by the one or the other, known afterwards.
        attributes["id"]["mode"] = attributes["name"]["mode"] = "optional computed"
        attributes["zone"]["mode"] = "required"
        schema["data_sources"][source] = {"attributes": attributes, "blocks": {}}
    json.dump(schema, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
