"""The programs of docs/gke.md that cannot run here: `stand_in.py PROGRAM ARGUMENTS…`.

Each call is written down, and refused when it names something that no call before it has made. What is remembered is in
$STAGE/memory; charts are rendered by the real Helm, and plans made by the real Terraform, which gets the answer `yes`.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import yaml

STAGE = pathlib.Path(os.environ["STAGE"])
MEMORY = STAGE / "memory"
STATE = STAGE / "root/terraform/gke/terraform.tfstate"
KINDS = {
    "apiservice": "APIService",
    "deployment": "Deployment",
    "hpa": "HorizontalPodAutoscaler",
    "service": "Service",
}
# What gcloud's documentation lists, with the flags that are used. None of them is forgiving about a misspelled one.
GCLOUD = {
    "artifacts docker images list": (),
    "auth activate-service-account": ("--key-file",),
    "auth configure-docker": ("--quiet",),
    "auth login": (),
    "auth revoke": (),
    "billing projects describe": (),
    "billing projects link": ("--billing-account",),
    "components install": (),
    "compute addresses list": ("--project",),
    "compute disks list": ("--project",),
    "compute firewall-rules list": ("--project",),
    "compute forwarding-rules list": ("--project",),
    "compute regions describe": ("--project", "--flatten", "--format"),
    "config get-value": (),
    "container clusters describe": ("--zone", "--project", "--format"),
    "container clusters get-credentials": ("--zone", "--project"),
    "iam service-accounts create": ("--project", "--display-name"),
    "iam service-accounts delete": ("--project", "--account"),
    "iam service-accounts keys create": ("--iam-account",),
    "projects add-iam-policy-binding": ("--member", "--role", "--condition", "--quiet"),
    "projects create": (),
    "projects delete": ("--account",),
    "services enable": ("--project",),
    "services list": ("--enabled", "--project"),
}
# Flags without a value.
SWITCHES = {"--all-namespaces", "--create-namespace", "--enabled", "--quiet", "--reuse-values", "--wait", "--watch"}


def refuse(message):
    sys.exit(f"{' '.join(sys.argv[1:])}: {message}")


def require(condition, message):
    if not condition:
        refuse(message)


def remember(name, value):
    with open(MEMORY / name, "a", encoding="utf-8") as file:
        file.write(value + "\n")


def remembered(name):
    path = MEMORY / name
    return path.read_text().splitlines() if path.exists() else []


def parse(arguments):
    """Words, and options by name."""
    words, options = [], {}
    rest = iter(arguments)
    for argument in rest:
        if argument.startswith("-"):
            name, equals, value = argument.partition("=")
            options[name] = value if equals else True if name in SWITCHES else next(rest)
        else:
            words.append(argument)
    return words, options


def attributes(kind):
    """Attributes of a resource in Terraform's state."""
    state = json.loads(STATE.read_text())
    return [i["attributes"] for r in state["resources"] if r["type"] == kind for i in r["instances"]]


def gcloud(arguments):
    words, options = parse(arguments)
    known = [command for command in GCLOUD if " ".join(words).startswith(command + " ") or " ".join(words) == command]
    require(known, "no such command of gcloud")
    command = max(known, key=len)
    operands = words[len(command.split()) :]
    for option in options:
        require(option in GCLOUD[command], f"{command} has no option {option}")
    project = options.get("--project")
    require(project is None or project in remembered("projects"), f"no project {project}")
    match command:
        case "projects create":
            remember("projects", *operands)
        case "projects add-iam-policy-binding" | "projects delete" | "billing projects link" | "billing projects describe":
            require(operands[0] in remembered("projects"), "no such project")
            if command == "projects add-iam-policy-binding":
                require(options["--member"].removeprefix("serviceAccount:") in remembered("accounts"), "no such member")
                remember("roles", options["--role"])
        case "services enable":
            for service in operands:
                remember("services", service)
        case "iam service-accounts create":
            require("iam.googleapis.com" in remembered("services"), "the API is off")
            remember("accounts", f"{operands[0]}@{project}.iam.gserviceaccount.com")
        case "iam service-accounts delete" | "auth revoke":
            require(operands[0] in remembered("accounts"), "no such account")
        case "iam service-accounts keys create":
            require(options["--iam-account"] in remembered("accounts"), "no such account")
            pathlib.Path(operands[0]).write_text('{"type": "service_account"}')
        case "auth activate-service-account":
            require(pathlib.Path(options["--key-file"]).is_file(), "no key file")
        case "config get-value":
            require(operands == ["account"], "what of the configuration?")
            print("you@example.com")
        case "auth configure-docker":
            (repository,) = attributes("google_artifact_registry_repository")
            require(operands == [f"{repository['location']}-docker.pkg.dev"], "not the registry's host")
            remember("logins", *operands)
        case "compute regions describe":
            require("compute.googleapis.com" in remembered("services"), "the API is off")
            (operand,) = operands
            require(re.fullmatch(r"[a-z]+-[a-z]+\d", operand), "no region")
            print("METRIC  USAGE  LIMIT\nCPUS  0.0  24.0")
        case "container clusters get-credentials" | "container clusters describe":
            (cluster,) = attributes("google_container_cluster")
            require(operands == [cluster["name"]] and options["--zone"] == cluster["location"], "no such cluster")
            if command.endswith("get-credentials"):
                remember("credentials", cluster["name"])


def docker(arguments):
    command, arguments = arguments[0], arguments[1:]
    if command == "build":
        words, options = parse(arguments)
        require(words == ["."] and pathlib.Path("Dockerfile").is_file(), "no Dockerfile here")
        require(re.search(rf"(?m)^FROM scratch AS {options['--target']}$", pathlib.Path("Dockerfile").read_text()), "no such target")
        require(options.get("--platform") == "linux/amd64", "not for the nodes' machines")
        remember("built", options["-t"])
    elif command == "push":
        require(arguments[0] in remembered("built"), "not built")
        require(arguments[0].partition("/")[0] in remembered("logins"), "not logged in")
        remember("pushed", arguments[0])
    else:
        refuse("no such command")


def release(name, namespace):
    return MEMORY / f"release-{namespace}-{name}.json"


def helm(arguments):
    """Renders a release instead of installing it; what it was installed with counts for --reuse-values."""
    require(remembered("credentials"), "no credentials of a cluster")
    command, arguments = arguments[0], arguments[1:]
    words, options = parse(arguments)
    namespace = options.get("--namespace", "default")
    if command == "uninstall":
        for name in words:
            require(release(name, namespace).exists(), f"no release {name}")
            release(name, namespace).unlink()
        return
    require(command in ("install", "upgrade"), "no such command")
    name, chart = words
    kept = []
    if command == "upgrade":
        require(release(name, namespace).exists(), "no such release")
        require("--reuse-values" in options, "would lose what was set before")
        kept = json.loads(release(name, namespace).read_text())["values"]
    else:
        require(not release(name, namespace).exists(), "installed already")
        require(namespace == "default" or "--create-namespace" in options, "no such namespace")
    values = kept + [a for a in arguments[2:] if a not in ("--wait", "--create-namespace", "--reuse-values")]
    done = subprocess.run(
        [os.environ["STAGE_HELM"], "template", name, chart, *values, "--kube-version", "1.33.0"],
        capture_output=True, text=True, check=False,
    )
    require(done.returncode == 0, done.stderr)
    found = [document for document in yaml.safe_load_all(done.stdout) if document]
    for image in re.findall(r'(?m)^ *image: "?([^"\s]+)', done.stdout):
        remember("images", image)
    release(name, namespace).write_text(json.dumps({"values": values, "namespace": namespace, "objects": found}))


def objects():
    """(namespace, object) of everything that is installed."""
    for path in MEMORY.glob("release-*.json"):
        found = json.loads(path.read_text())
        for document in found["objects"]:
            yield document["metadata"].get("namespace", found["namespace"]), document


def named(kind, name, namespace):
    """The object, which is of a kind without namespaces or in this one."""
    for place, document in objects():
        if document["kind"] == kind and document["metadata"]["name"] == name:
            if kind == "APIService" or place == namespace:
                return document
    refuse(f"no {kind} {name} in {namespace}")


def raw(path):
    """A path of the custom metrics API: its version is registered, its namespace and metric are known."""
    found = re.fullmatch(r"/apis/(custom\.metrics\.k8s\.io)/(v\w+)/namespaces/([\w-]+)/pods/\*/(\w+)", path)
    require(found, "no such path")
    group, version, namespace, metric = found.groups()
    named("APIService", f"{version}.{group}", None)
    require(metric in json.dumps([o for n, o in objects() if n == namespace and o["kind"] == KINDS["hpa"]]), "no HPA asks for it")
    require(any(metric.removesuffix("_per_second") in str(o.get("data")) for _, o in objects()), "no rule makes it")


def kubectl(arguments):
    require(remembered("credentials"), "no credentials of a cluster")
    words, options = parse(arguments)
    namespace, selector = options.get("--namespace", "default"), options.get("--selector", "")
    if "--raw" in options:
        return raw(options["--raw"])
    command, *operands = words
    # What pods and nodes use, which GKE itself tells.
    if command == "top":
        return None
    require(command in ("describe", "get", "logs", "port-forward"), "no such command")
    if operands[0] == "nodes":
        return nodes(selector, options.get("--label-columns"))
    if selector:
        key, _, value = selector.partition("=")
        labels = [o["spec"]["template"]["metadata"]["labels"] for _, o in objects() if o["kind"] == "Deployment"]
        return require(operands in (["pod"], ["pods"]) and value in [found.get(key) for found in labels], "no such pods")
    kind, slash, name = operands[0].partition("/")
    if command == "port-forward":
        ports = [str(port["port"]) for port in named(KINDS[kind], name, namespace)["spec"]["ports"]]
        return require(operands[1].rpartition(":")[2] in ports, "no such port")
    for found in [name] if slash else operands[1:]:
        named(KINDS[kind if kind in KINDS else kind.removesuffix("s")], found, namespace)
    return None


def nodes(selector, column):
    labels = [pool["node_config"][0]["labels"] for pool in attributes("google_container_node_pool")]
    key, _, value = selector.partition("=")
    require(not selector or any(found.get(key) == value for found in labels), "no pool has this label")
    require(column is None or all(column in found for found in labels), "a pool is without this label")


def terraform(arguments):
    done = subprocess.run(
        [os.environ["STAGE_TERRAFORM"], *arguments], input="yes\n", stdout=subprocess.PIPE, text=True, check=False
    )
    sys.stdout.write(done.stdout)
    sys.exit(done.returncode)


def ls(arguments):
    require(all(pathlib.Path(argument).exists() for argument in arguments), "no such file")


if __name__ == "__main__":
    remember("calls", json.dumps(sys.argv[1:]))
    programs = {"docker": docker, "gcloud": gcloud, "helm": helm, "kubectl": kubectl, "ls": ls, "terraform": terraform}
    programs[sys.argv[1]](sys.argv[2:])
