# `terraform -chdir=terraform/gke` moves the provider into this folder, and a relative path in
# GOOGLE_APPLICATION_CREDENTIALS with it. A key file where the command was typed is therefore read
# here; without one the provider looks for credentials as it always does.
provider "google" {
  project     = var.k8s_project
  region      = local.region
  zone        = var.zone
  credentials = fileexists(local.service_file) ? file(local.service_file) : null
}

locals {
  region       = regex("^(.*)-[a-z]$", var.zone)[0]
  service_file = startswith(var.service_file, "/") ? var.service_file : "${path.cwd}/${var.service_file}"
  labels       = { cluster = var.cluster_name, managed-by = "terraform" }
}

# Off again is nobody's wish: whatever else runs in the project may need them.
resource "google_project_service" "needed" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
  ])

  service            = each.value
  disable_on_destroy = false
}

resource "google_container_cluster" "challenge" {
  name                = var.cluster_name
  location            = var.zone
  deletion_protection = var.deletion_protection
  resource_labels     = local.labels

  release_channel {
    channel = var.release_channel
  }
  min_master_version = var.cluster_version

  maintenance_policy {
    daily_maintenance_window {
      start_time = var.maintenance_start
    }
  }

  networking_mode   = "VPC_NATIVE"
  network           = google_compute_network.challenge.id
  subnetwork        = google_compute_subnetwork.nodes.id
  datapath_provider = "ADVANCED_DATAPATH" # enforces NetworkPolicies

  ip_allocation_policy {
    cluster_secondary_range_name  = local.secondary_ranges.pods
    services_secondary_range_name = local.secondary_ranges.services
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = var.private_endpoint
    master_ipv4_cidr_block  = var.ranges.control_plane
  }

  # Without any block nobody outside the network gets in; with no such argument at all, everybody. Google Cloud's own
  # public addresses, any customer's machines among them, would get in beside these.
  master_authorized_networks_config {
    gcp_public_cidrs_access_enabled = false
    dynamic "cidr_blocks" {
      for_each = var.master_authorized_networks
      content {
        display_name = cidr_blocks.key
        cidr_block   = cidr_blocks.value
      }
    }
  }

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  workload_identity_config {
    workload_pool = "${var.k8s_project}.svc.id.goog"
  }
  enable_shielded_nodes = true

  addons_config {
    horizontal_pod_autoscaling {
      disabled = false
    }
    gce_persistent_disk_csi_driver_config {
      enabled = true
    }
  }

  # Nodes that are not needed go sooner, and pods are packed rather than spread. No pools but those of nodes.tf.
  cluster_autoscaling {
    enabled             = false
    autoscaling_profile = "OPTIMIZE_UTILIZATION"
  }

  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS"]
  }
  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS"]
    managed_prometheus {
      enabled = var.managed_prometheus
    }
  }
  cost_management_config {
    enabled = true
  }

  # GKE makes no cluster without a pool. This one is there for a few minutes, with the same rights.
  remove_default_node_pool = true
  node_pool {
    name               = "default-pool"
    initial_node_count = 1
    node_config {
      machine_type    = "e2-medium"
      disk_size_gb    = 30
      disk_type       = "pd-balanced"
      service_account = google_service_account.nodes.email
      oauth_scopes    = local.oauth_scopes
      shielded_instance_config {
        enable_secure_boot          = true
        enable_integrity_monitoring = true
      }
    }
  }

  lifecycle {
    ignore_changes = [node_pool, initial_node_count]

    precondition {
      condition     = !var.private_endpoint || !contains(values(var.master_authorized_networks), "0.0.0.0/0")
      error_message = "master_authorized_networks: with private_endpoint these are networks that reach the VPC, such as 10.0.0.0/8, and not everybody."
    }
  }

  depends_on = [
    google_project_service.needed,
    google_project_iam_member.nodes,
    google_compute_router_nat.nodes,
  ]
}

# Where the images go. It is removed with the cluster, and the images with it.
resource "google_artifact_registry_repository" "images" {
  repository_id = var.cluster_name
  location      = local.region
  format        = "DOCKER"
  description   = "Images that run in the cluster ${var.cluster_name}"
  labels        = local.labels

  depends_on = [google_project_service.needed]
}
