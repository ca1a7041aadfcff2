locals {
  secondary_ranges = { pods = "pods", services = "services" }
}

resource "google_compute_network" "challenge" {
  name                    = var.cluster_name
  auto_create_subnetworks = false
  routing_mode            = "REGIONAL"

  depends_on = [google_project_service.needed]
}

resource "google_compute_subnetwork" "nodes" {
  name          = var.cluster_name
  region        = local.region
  network       = google_compute_network.challenge.id
  ip_cidr_range = var.ranges.nodes
  # Google's own APIs, Artifact Registry among them, without the way over NAT.
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = local.secondary_ranges.pods
    ip_cidr_range = var.ranges.pods
  }
  secondary_ip_range {
    range_name    = local.secondary_ranges.services
    ip_cidr_range = var.ranges.services
  }
}

# Private nodes have no address of their own to leave with; quay.io, where Prometheus' image is, is outside.
resource "google_compute_router" "nodes" {
  name    = var.cluster_name
  region  = local.region
  network = google_compute_network.challenge.id
}

resource "google_compute_router_nat" "nodes" {
  name                               = var.cluster_name
  region                             = local.region
  router                             = google_compute_router.nodes.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.nodes.id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# GKE lets the control plane reach private nodes on 443 and 10250 only. kube-apiserver passes requests for
# custom.metrics.k8s.io on to the adapter's pods, which have the nodes' firewall rules.
resource "google_compute_firewall" "control_plane_to_adapter" {
  name                    = "${var.cluster_name}-control-plane-to-adapter"
  network                 = google_compute_network.challenge.id
  description             = "kube-apiserver of ${var.cluster_name} to metrics-adapter"
  direction               = "INGRESS"
  source_ranges           = [var.ranges.control_plane]
  target_service_accounts = [google_service_account.nodes.email]

  allow {
    protocol = "tcp"
    ports    = [tostring(var.adapter_port)]
  }
}
