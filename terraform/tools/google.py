"""Makes google.json from the published schema of the Google Cloud provider.

The provider itself is on registry.terraform.io and GitHub only. PyPI has cdktf-cdktf-provider-google, whose version 16.12.1 is
generated from the provider's 6.50.0; cdktf.py says how it is read:

    pip download --no-deps cdktf-cdktf-provider-google==16.12.1
    python3 google.py cdktf_cdktf_provider_google-16.12.1-py3-none-any.whl > google.json
"""

import sys

import cdktf

RESOURCES = (
    "google_artifact_registry_repository",
    "google_artifact_registry_repository_iam_member",
    "google_compute_firewall",
    "google_compute_network",
    "google_compute_router",
    "google_compute_router_nat",
    "google_compute_subnetwork",
    "google_container_cluster",
    "google_container_node_pool",
    "google_project_iam_member",
    "google_project_service",
    "google_service_account",
)
DATA_SOURCES = ()
# Optional arguments that the provider fills in and on which the module or its tests depend.
FILLED_IN = {
    "google_compute_network": ("project",),
    "google_container_cluster": ("cluster_ipv4_cidr", "node_version", "project"),
    "google_container_node_pool": ("node_count", "version"),
    "google_service_account": ("project",),
}

if __name__ == "__main__":
    cdktf.convert(sys.argv[1], "google", RESOURCES, DATA_SOURCES, FILLED_IN)
