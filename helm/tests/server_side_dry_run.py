"""Applies every branch of every chart to a real kube-apiserver, as a dry run: nothing is changed.

    testbed exec -- python3 helm/tests/server_side_dry_run.py

Needs helm and a kubectl that reaches the cluster. Everything is rendered for namespace default (dry
runs need one that exists). Kinds of cert-manager are left out, each with a line that says so, unless
the cluster has cert-manager. Ends with 1 when an object was refused.
"""

import subprocess
import sys

import yaml
from charts import branches, load_all, template, tool


def kubectl(*arguments, stdin=None):
    return subprocess.run(
        [tool("kubectl"), *arguments], input=stdin, capture_output=True, text=True, check=False
    )


def main():
    groups = kubectl("api-versions")
    if groups.returncode != 0:
        print(f"no cluster: {groups.stderr.strip()}", file=sys.stderr)
        return 1
    served = set(groups.stdout.split())
    refused = 0
    for chart, values in branches():
        objects = load_all(template(chart, "--values", values, namespace="default").stdout)
        accepted = []
        for document in objects:
            if document["apiVersion"].startswith("cert-manager.io/") and document["apiVersion"] not in served:
                name = document["metadata"]["name"]
                print(f"{chart} {values.name}: {document['kind']} {name} left out: the cluster has no cert-manager")
            else:
                accepted.append(document)
        done = kubectl(
            "apply", "--dry-run=server", "--validate=strict", "--server-side", "--force-conflicts",
            "--filename=-", stdin=yaml.safe_dump_all(accepted),
        )
        warnings = [line for line in done.stderr.splitlines() if line.startswith("Warning:")]
        applied = len(done.stdout.splitlines())
        if done.returncode != 0 or warnings or applied != len(accepted):
            refused += 1
            print(f"{chart} {values.name}: refused\n{done.stdout}{done.stderr}")
        else:
            print(f"{chart} {values.name}: {applied} objects accepted")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
