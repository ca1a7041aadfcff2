resource "exoscale_security_group" "pool" {
  name        = "${var.name}-pool"
  description = "Members of the instance pool"
}

resource "exoscale_security_group" "monitoring" {
  name        = "${var.name}-monitoring"
  description = "The monitoring instance"
}

# The load balancer hands on its clients' addresses, so the port has to be open to all of them.
resource "exoscale_security_group_rule" "web" {
  security_group_id = exoscale_security_group.pool.id
  description       = "Web, through the load balancer"
  type              = "INGRESS"
  protocol          = "TCP"
  cidr              = "0.0.0.0/0"
  start_port        = local.ports.web
  end_port          = local.ports.web
}

resource "exoscale_security_group_rule" "node_exporter" {
  security_group_id      = exoscale_security_group.pool.id
  description            = "Node exporter, for Prometheus only"
  type                   = "INGRESS"
  protocol               = "TCP"
  user_security_group_id = exoscale_security_group.monitoring.id
  start_port             = local.ports.node_exporter
  end_port               = local.ports.node_exporter
}

resource "exoscale_security_group_rule" "admin" {
  for_each = local.admin_cidr == null ? {} : {
    prometheus     = { group = exoscale_security_group.monitoring.id, port = local.ports.prometheus }
    grafana        = { group = exoscale_security_group.monitoring.id, port = local.ports.grafana }
    monitoring-ssh = { group = exoscale_security_group.monitoring.id, port = local.ports.ssh }
    pool-ssh       = { group = exoscale_security_group.pool.id, port = local.ports.ssh }
  }

  security_group_id = each.value.group
  description       = "Administrator: ${each.key}"
  type              = "INGRESS"
  protocol          = "TCP"
  cidr              = local.admin_cidr
  start_port        = each.value.port
  end_port          = each.value.port
}
