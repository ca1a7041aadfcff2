# What the instances do at their first boot. The files are those of exoscale/, as they are:
# compressed, since user data is limited to 32 KiB.
locals {
  sources = "${path.module}/../../exoscale"

  # Started again until it succeeds: right after boot the registry or its name may not be reachable.
  compose_up = <<-EOT
    #!/bin/sh
    cd "$1" || exit 1
    for attempt in $(seq 60); do
      docker compose up --detach --quiet-pull && exit 0
      sleep 5
    done
    exit 1
  EOT

  cloud_config = {
    package_update = true
    packages       = ["docker.io", "docker-compose-v2"]
  }

  pool_files = {
    "/srv/pool/compose.yaml" = file("${local.sources}/pool/compose.yaml")
    "/srv/pool/.env"         = "SERVER_IMAGE=${var.image_registry}/server:${var.image_tag}\n"
  }

  pool_user_data = "#cloud-config\n${yamlencode(merge(local.cloud_config, {
    write_files = concat(local.compose_script, [for path, content in local.pool_files : {
      path = path, permissions = "0644", encoding = "gz+b64", content = base64gzip(content)
    }])
    runcmd = [["/usr/local/sbin/compose-up", "/srv/pool"]]
  }))}"

  compose_script = [{
    path = "/usr/local/sbin/compose-up", permissions = "0755", encoding = "gz+b64", content = base64gzip(local.compose_up)
  }]

  # Alert rules, contact points and policies of Grafana only if Grafana is the sender; likewise the
  # file by which Prometheus finds Alertmanager. Never both: every alert would count twice.
  sender_files = {
    grafana = {
      "grafana/provisioning/alerting/scaling.yaml" = file("${local.sources}/monitoring/grafana/provisioning/alerting/scaling.yaml")
    }
    alertmanager = {
      "alertmanager.yml"                = file("${local.sources}/monitoring/alertmanager.yml")
      "alertmanagers/alertmanager.json" = jsonencode([{ targets = ["alertmanager:9093"], labels = {} }])
    }
  }

  monitoring_files = merge(
    { for path in concat(
      ["compose.yaml", "prometheus.yml"],
      tolist(fileset("${local.sources}/monitoring", "rules/*.yaml")),
      tolist(fileset("${local.sources}/monitoring", "grafana/provisioning/{datasources,dashboards}/*.yaml")),
      tolist(fileset("${local.sources}/monitoring", "grafana/dashboards/*.json")),
    ) : path => file("${local.sources}/monitoring/${path}") },
    local.sender_files[var.alert_sender],
    { ".env" = join("", [
      "SERVICEDISCOVERY_IMAGE=${var.image_registry}/servicediscovery:${var.image_tag}\n",
      "AUTOSCALER_IMAGE=${var.image_registry}/autoscaler:${var.image_tag}\n",
      "MIN_POOL_SIZE=${var.pool.min_size}\n",
      "MAX_POOL_SIZE=${var.pool.max_size}\n",
      var.alert_sender == "alertmanager" ? "COMPOSE_PROFILES=alertmanager\n" : "",
    ]) },
  )

  # Root's alone. The names are those that both programs read.
  secret_files = merge(
    { "exoscale.env" = join("", [
      "EXOSCALE_KEY=${var.autoscaler_key == null ? var.exoscale_key : var.autoscaler_key.key}\n",
      "EXOSCALE_SECRET=${var.autoscaler_key == null ? var.exoscale_secret : var.autoscaler_key.secret}\n",
      "EXOSCALE_ZONE=${var.zone}\n",
      "EXOSCALE_INSTANCEPOOL_ID=${exoscale_instance_pool.web.id}\n",
      "TARGET_PORT=${local.ports.node_exporter}\n",
      "LISTEN_PORT=8090\n",
    ]) },
    nonsensitive(var.grafana_password == null) ? {} : {
      "grafana.env" = "GF_SECURITY_ADMIN_PASSWORD=${var.grafana_password}\n"
    },
  )

  # Keeps a password that is there already.
  make_password = join(" ", [
    "test -s /srv/monitoring/grafana.env ||",
    "(umask 077; echo GF_SECURITY_ADMIN_PASSWORD=$(openssl rand -hex 16) > /srv/monitoring/grafana.env)",
  ])

  monitoring_user_data = "#cloud-config\n${yamlencode(merge(local.cloud_config, {
    write_files = concat(
      local.compose_script,
      [for path, content in local.monitoring_files : {
        path = "/srv/monitoring/${path}", permissions = "0644", encoding = "gz+b64", content = base64gzip(content)
      }],
      [for path, content in local.secret_files : {
        path = "/srv/monitoring/${path}", permissions = "0600", encoding = "gz+b64", content = base64gzip(content)
      }],
    )
    runcmd = [
      # The service discovery agent runs as this user and replaces its file in there.
      ["install", "-d", "-o", "65532", "-g", "65532", "-m", "0755", "/srv/service-discovery"],
      ["install", "-d", "-m", "0755", "/srv/monitoring/alertmanagers", "/srv/monitoring/grafana/provisioning/alerting"],
      ["sh", "-c", local.make_password],
      ["/usr/local/sbin/compose-up", "/srv/monitoring"],
    ]
  }))}"
}
