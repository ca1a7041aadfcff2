locals {
  oauth_scopes = ["https://www.googleapis.com/auth/cloud-platform"]

  # Labels and taints are what helm/server/values-gke.yaml and helm/client/values-gke.yaml ask for.
  # The system pool has no taint: kube-dns, Prometheus, the adapter and whatever comes without
  # tolerations need a place. Others stay off the client pool as long as there is room elsewhere, so
  # that it can go back to no node at all; the clients themselves need no toleration for that.
  taints = {
    system = []
    server = [{ key = "dedicated", value = "server", effect = "NO_SCHEDULE" }]
    client = [{ key = "dedicated", value = "client", effect = "PREFER_NO_SCHEDULE" }]
  }
}

resource "google_service_account" "nodes" {
  account_id   = "${var.cluster_name}-nodes"
  display_name = "Nodes of the GKE cluster ${var.cluster_name}"

  depends_on = [google_project_service.needed]
}

# What GKE says that a node needs: writing logs and metrics. Not Editor, which Compute Engine's default account has.
resource "google_project_iam_member" "nodes" {
  project = var.k8s_project
  role    = "roles/container.defaultNodeServiceAccount"
  member  = "serviceAccount:${google_service_account.nodes.email}"
}

# And to pull images, from this repository only.
resource "google_artifact_registry_repository_iam_member" "nodes" {
  repository = google_artifact_registry_repository.images.repository_id
  location   = google_artifact_registry_repository.images.location
  role       = "roles/artifactregistry.reader"
  member     = "serviceAccount:${google_service_account.nodes.email}"
}

resource "google_container_node_pool" "pool" {
  for_each = var.node_pools

  name               = each.key
  cluster            = google_container_cluster.challenge.id
  initial_node_count = each.value.min

  autoscaling {
    min_node_count = each.value.min
    max_node_count = each.value.max
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  upgrade_settings {
    max_surge       = 1
    max_unavailable = 0
  }

  node_config {
    machine_type    = each.value.machine_type
    disk_size_gb    = each.value.disk_size
    disk_type       = "pd-balanced"
    image_type      = "COS_CONTAINERD"
    spot            = each.value.spot
    service_account = google_service_account.nodes.email
    oauth_scopes    = local.oauth_scopes
    labels          = { load = each.key }
    resource_labels = local.labels
    metadata        = { disable-legacy-endpoints = "true" }

    dynamic "taint" {
      for_each = local.taints[each.key]
      content {
        key    = taint.value.key
        value  = taint.value.value
        effect = taint.value.effect
      }
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    # Pods see their own identity, and not the node's.
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }

  # How many there are is the autoscaler's business once the pool exists.
  lifecycle {
    ignore_changes = [initial_node_count]
  }

  depends_on = [google_artifact_registry_repository_iam_member.nodes]
}
