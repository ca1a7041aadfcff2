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

# Private nodes have no address of their own to leave with, and images are outside: Prometheus' on quay.io, Grafana's on
# docker.io, kubectl's for `helm test` on registry.k8s.io.
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

# kube-apiserver passes requests for custom.metrics.k8s.io on to the adapter's pods. A cluster made at 1.29 or later (Private
# Service Connect) does so through konnectivity-agent, from pod to pod, and has its internal endpoint in this range: the rule
# is then without use and without harm. A private cluster made before peers VPCs: its control plane has this range, and GKE's
# own rule opens 443 and 10250 only.
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
