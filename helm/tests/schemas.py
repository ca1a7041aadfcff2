"""The schemas of the kinds that the charts render, strict: what a schema does not name is an error.

Kubernetes' own kinds come from kubernetes-validate, one set for each minor version, made of the OpenAPI
document that this version publishes. Kinds of other projects come from their CRDs. Both are in
target/charts, where tools.sh puts them.
"""

import functools
import json
import pathlib

import yaml
from charts import HELM_DIR

try:
    import jsonschema
    import kubernetes_validate
    import referencing
except ImportError as error:  # pragma: no cover
    raise SystemExit("run helm/tests/tools.sh, and the tests with target/charts/venv/bin/python") from error

# The minor versions of Kubernetes 1 that the charts are for.
MINORS = tuple(range(29, 37))

OWN = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
CRDS = HELM_DIR.parent / "target/charts/crds"


def _file(minor, name):
    return json.loads((OWN / f"v1.{minor}.0-local-strict/{name}.json").read_text())


@functools.cache
def _definitions(minor):
    resource = referencing.Resource.from_contents(_file(minor, "_definitions"))
    return resource @ referencing.Registry()


@functools.cache
def _own(minor, api_version, kind):
    """Validator of one of Kubernetes' own kinds; none when this version has no such kind."""
    group, _, version = api_version.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.split(".")[0], version)))
    try:
        schema = _file(minor, name)
    except FileNotFoundError:
        return None
    return jsonschema.Draft202012Validator(schema, registry=_definitions(minor))


def _strict(schema):
    """A CRD's schema as JSON Schema, in which only what it names is allowed, as with strict decoding."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    strict = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if "properties" in schema:
        strict["properties"] = {key: _strict(value) for key, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            strict[key] = _strict(schema[key])
    return strict


@functools.cache
def _foreign():
    """Validators of all kinds of all CRDs, by (apiVersion, kind)."""
    found = {}
    for file in sorted(CRDS.glob("*/*.yaml")):
        crd = yaml.load(file.read_text(), yaml.CSafeLoader)["spec"]
        for version in crd["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"])
            # A CRD says of metadata no more than that it is an object.
            schema["properties"]["metadata"] = {"type": "object"}
            found[(f"{crd['group']}/{version['name']}", crd["names"]["kind"])] = jsonschema.Draft202012Validator(schema)
    if not found:
        raise AssertionError(f"no CRDs in {CRDS}: run helm/tests/tools.sh")
    return found


def faults(minor, document):
    """What is wrong with an object for Kubernetes 1.`minor`: a line each, with the path; none is right."""
    api_version, kind = document["apiVersion"], document["kind"]
    validator = _foreign().get((api_version, kind)) or _own(minor, api_version, kind)
    if validator is None:
        return [f"no kind {kind} in {api_version}"]
    return [
        f"{kind} {document['metadata'].get('name')}{error.json_path[1:]}: {error.message}"
        for error in validator.iter_errors(document)
    ]
