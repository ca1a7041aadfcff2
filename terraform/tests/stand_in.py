"""The programs of docs/gke.md that cannot run here: `stand_in.py PROGRAM ARGUMENTS…`.

Each call is written down, and refused when it names something that no call before it has made, or when gcloud's active account
may not do it. What is remembered is in $STAGE/memory; charts are rendered by the real Helm, and plans made by the real Terraform,
which gets the answer `yes`.
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
# What gcloud's documentation lists, with the flags that are used and the permission that it needs. None of them is forgiving
# about a misspelled flag.
GCLOUD = {
    "artifacts docker images list": ((), "artifactregistry.dockerimages.list"),
    "auth activate-service-account": (("--key-file",), None),
    "auth configure-docker": (("--quiet",), None),
    "auth login": ((), None),
    "auth revoke": ((), None),
    "billing projects describe": ((), "resourcemanager.projects.get"),
    "billing projects link": (("--billing-account",), "resourcemanager.projects.createBillingAssignment"),
    "components install": ((), None),
    "compute addresses list": (("--project",), "compute.addresses.list"),
    "compute disks list": (("--project", "--account"), "compute.disks.list"),
    "compute firewall-rules list": (("--project",), "compute.firewalls.list"),
    "compute forwarding-rules list": (("--project",), "compute.forwardingRules.list"),
    "compute project-info describe": (("--project", "--flatten", "--format"), "compute.projects.get"),
    "compute regions describe": (("--project", "--flatten", "--format"), "compute.regions.get"),
    "config get-value": ((), None),
    "container clusters describe": (("--zone", "--project", "--format"), "container.clusters.get"),
    "container clusters get-credentials": (("--zone", "--project"), "container.clusters.get"),
    "iam service-accounts create": (("--project", "--display-name"), "iam.serviceAccounts.create"),
    "iam service-accounts delete": (("--project", "--account"), "iam.serviceAccounts.delete"),
    "iam service-accounts keys create": (("--iam-account",), "iam.serviceAccountKeys.create"),
    "projects add-iam-policy-binding": (
        ("--member", "--role", "--condition", "--quiet"), "resourcemanager.projects.setIamPolicy"
    ),
    "projects create": ((), "resourcemanager.projects.create"),
    "projects delete": (("--account",), "resourcemanager.projects.delete"),
    "services enable": (("--project",), "serviceusage.services.enable"),
    "services list": (("--enabled", "--project"), "serviceusage.services.list"),
}
# Of these permissions, those that a role has, by its page in IAM's reference. People are owners of what they have made.
ROLES = {
    "roles/artifactregistry.admin": {"artifactregistry.dockerimages.list", "artifactregistry.repositories.uploadArtifacts"},
    "roles/compute.networkAdmin": {
        "compute.addresses.list", "compute.firewalls.list", "compute.forwardingRules.list", "compute.projects.get",
        "compute.regions.get",
    },
    "roles/compute.securityAdmin": {"compute.firewalls.list", "compute.projects.get", "compute.regions.get"},
    "roles/container.admin": {"container.clusters.get", "resourcemanager.projects.get"},
    "roles/iam.serviceAccountAdmin": {"iam.serviceAccounts.create", "iam.serviceAccounts.delete"},
    "roles/iam.serviceAccountUser": set(),
    "roles/resourcemanager.projectIamAdmin": {"resourcemanager.projects.get", "resourcemanager.projects.setIamPolicy"},
    "roles/serviceusage.serviceUsageAdmin": {"serviceusage.services.enable", "serviceusage.services.list"},
}
OWNER = "you@example.com"
# Flags without a value.
SWITCHES = {"--all-namespaces", "--create-namespace", "--enabled", "--quiet", "--reset-then-reuse-values", "--wait", "--watch"}


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


def active(asked=None):
    """The account that gcloud acts as: the one that is asked for, or else the one that came last and was not revoked."""
    known = []
    for line in remembered("logins-of-gcloud"):
        event, account = line.split()
        known = [other for other in known if other != account] + ([account] if event == "added" else [])
    # gcloud's own variable for the property `core/account`.
    account = asked or os.environ.get("CLOUDSDK_CORE_ACCOUNT") or (known[-1] if known else None)
    require(account, "You do not currently have an active account selected.")
    require(account in known, f"no credentials of {account}")
    return account


def allow(permission, asked=None):
    """Refuses what the active account, or the one that is asked for, may not do."""
    account = active(asked)
    if account != OWNER:
        given = [line.split() for line in remembered("roles")]
        granted = set().union(*(ROLES[role] for role, member in given if member == account))
        require(permission in granted, f"403: {account} has not {permission}")


def gcloud(arguments):
    words, options = parse(arguments)
    known = [command for command in GCLOUD if " ".join(words).startswith(command + " ") or " ".join(words) == command]
    require(known, "no such command of gcloud")
    command = max(known, key=len)
    operands = words[len(command.split()) :]
    flags, permission = GCLOUD[command]
    for option in options:
        require(option in flags, f"{command} has no option {option}")
    if permission:
        allow(permission, options.get("--account"))
    project = options.get("--project")
    require(project is None or project in remembered("projects"), f"no project {project}")
    match command:
        case "projects create":
            remember("projects", *operands)
        case "projects add-iam-policy-binding" | "projects delete" | "billing projects link" | "billing projects describe":
            require(operands[0] in remembered("projects"), "no such project")
            if command == "projects add-iam-policy-binding":
                member = options["--member"].removeprefix("serviceAccount:")
                require(member in remembered("accounts"), "no such member")
                require(options["--role"] in ROLES, "no such role")
                remember("roles", f"{options['--role']} {member}")
        case "services enable":
            for service in operands:
                remember("services", service)
        case "iam service-accounts create":
            require("iam.googleapis.com" in remembered("services"), "the API is off")
            remember("accounts", f"{operands[0]}@{project}.iam.gserviceaccount.com")
        case "iam service-accounts delete":
            require(operands[0] in remembered("accounts"), "no such account")
        case "auth login":
            remember("logins-of-gcloud", f"added {OWNER}")
        case "auth revoke":
            remember("logins-of-gcloud", f"revoked {active(operands[0])}")
        case "iam service-accounts keys create":
            require(options["--iam-account"] in remembered("accounts"), "no such account")
            key = {"type": "service_account", "client_email": options["--iam-account"]}
            pathlib.Path(operands[0]).write_text(json.dumps(key))
        case "auth activate-service-account":
            require(pathlib.Path(options["--key-file"]).is_file(), "no key file")
            key = json.loads(pathlib.Path(options["--key-file"]).read_text())
            remember("logins-of-gcloud", f"added {key['client_email']}")
        case "config get-value":
            require(operands == ["account"], "what of the configuration?")
            print(active())
        case "auth configure-docker":
            (repository,) = attributes("google_artifact_registry_repository")
            require(operands == [f"{repository['location']}-docker.pkg.dev"], "not the registry's host")
            remember("logins", *operands)
        case "compute regions describe":
            require("compute.googleapis.com" in remembered("services"), "the API is off")
            (operand,) = operands
            require(re.fullmatch(r"[a-z]+-[a-z]+\d", operand), "no region")
            print("METRIC  USAGE  LIMIT\nCPUS  0.0  24.0")
        case "compute project-info describe":
            require("compute.googleapis.com" in remembered("services"), "the API is off")
            print("METRIC  USAGE  LIMIT\nCPUS_ALL_REGIONS  0.0  12.0")
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
        allow("artifactregistry.repositories.uploadArtifacts")
        remember("pushed", arguments[0])
    else:
        refuse("no such command")


def release(name, namespace):
    return MEMORY / f"release-{namespace}-{name}.json"


def helm(arguments):
    """Renders a release instead of installing it; what it was installed with counts for --reset-then-reuse-values."""
    require(remembered("credentials"), "no credentials of a cluster")
    # gke-gcloud-auth-plugin shows the active account's.
    allow("container.clusters.get")
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
        require("--reset-then-reuse-values" in options, "would lose what was set before")
        kept = json.loads(release(name, namespace).read_text())["values"]
    else:
        require(not release(name, namespace).exists(), "installed already")
        require(namespace == "default" or "--create-namespace" in options, "no such namespace")
    values = kept + [a for a in arguments[2:] if a not in ("--wait", "--create-namespace", "--reset-then-reuse-values")]
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
    # gke-gcloud-auth-plugin shows the active account's.
    allow("container.clusters.get")
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
        labels = [
            o["spec"]["template"]["metadata"]["labels"] for n, o in objects() if o["kind"] == "Deployment" and n == namespace
        ]
        if namespace == "kube-system":
            # GKE's own, by which its control plane reaches pods.
            labels.append({"k8s-app": "konnectivity-agent"})
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
