provider "exoscale" {
  key    = var.exoscale_key
  secret = var.exoscale_secret
}

locals {
  ports = {
    web           = 8080
    node_exporter = 9100
    prometheus    = 9090
    grafana       = 3000
    ssh           = 22
  }

  # An address becomes a network of one.
  admin_cidr = var.admin_ip == "" ? null : (can(cidrhost(var.admin_ip, 0)) ? var.admin_ip : "${var.admin_ip}/32")
  ssh_keys   = var.ssh_key == "" ? [] : [var.ssh_key]
  labels     = { project = var.name, managed-by = "terraform" }
}

data "exoscale_template" "ubuntu" {
  zone = var.zone
  name = var.template
}

# The members of the pool. Their number is the autoscaler's business after the creation.
resource "exoscale_instance_pool" "web" {
  zone            = var.zone
  name            = var.name
  description     = "Web servers behind the load balancer, scaled by the autoscaler"
  instance_prefix = var.name
  template_id     = data.exoscale_template.ubuntu.id
  instance_type   = var.pool.instance_type
  disk_size       = var.pool.disk_size
  size            = var.pool.size
  key_pair        = var.ssh_key == "" ? null : var.ssh_key
  labels          = local.labels
  user_data       = local.pool_user_data

  security_group_ids = [exoscale_security_group.pool.id]

  lifecycle {
    # Otherwise the next apply would undo what the autoscaler has decided.
    ignore_changes = [size]
  }

  timeouts {
    create = "10m"
    delete = "10m"
  }
}

resource "exoscale_nlb" "web" {
  zone        = var.zone
  name        = var.name
  description = "Balances over the members of the instance pool"
  labels      = local.labels
}

resource "exoscale_nlb_service" "web" {
  zone             = var.zone
  nlb_id           = exoscale_nlb.web.id
  instance_pool_id = exoscale_instance_pool.web.id
  name             = "web"
  description      = "HTTP"
  protocol         = "tcp"
  strategy         = "round-robin"
  port             = 80
  target_port      = local.ports.web

  healthcheck {
    mode     = "http"
    port     = local.ports.web
    uri      = "/health"
    interval = 5
    timeout  = 3
    retries  = 1
  }
}

# Prometheus, Grafana, service discovery and autoscaler.
resource "exoscale_compute_instance" "monitoring" {
  zone        = var.zone
  name        = "${var.name}-monitoring"
  template_id = data.exoscale_template.ubuntu.id
  type        = var.monitoring.instance_type
  disk_size   = var.monitoring.disk_size
  ssh_keys    = local.ssh_keys
  labels      = local.labels
  user_data   = local.monitoring_user_data

  security_group_ids = [exoscale_security_group.monitoring.id]
}
