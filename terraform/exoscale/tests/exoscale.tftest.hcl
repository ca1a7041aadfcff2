# What holds of every plan, with the provider mocked: no network, no account.

mock_provider "exoscale" {
  mock_resource "exoscale_instance_pool" {
    defaults = { id = "11111111-1111-4111-8111-111111111111" }
  }
  mock_resource "exoscale_security_group" {
    defaults = { id = "22222222-2222-4222-8222-222222222222" }
  }
  mock_resource "exoscale_nlb" {
    defaults = { id = "33333333-3333-4333-8333-333333333333", ip_address = "192.0.2.80" }
  }
  mock_resource "exoscale_compute_instance" {
    defaults = { public_ip_address = "192.0.2.90" }
  }
}

variables {
  exoscale_key    = "EXOtestkey"
  exoscale_secret = "test-secret"
  image_registry  = "registry.example/course"
}

run "first_apply" {
  assert {
    condition     = exoscale_instance_pool.web.size == 1 && exoscale_instance_pool.web.zone == "at-vie-1"
    error_message = "the pool starts with one member in at-vie-1"
  }
  assert {
    condition     = exoscale_nlb_service.web.port == 80 && exoscale_nlb_service.web.target_port == 8080
    error_message = "the service is port 80 to 8080"
  }
  assert {
    condition = one([for check in exoscale_nlb_service.web.healthcheck :
      [check.mode, check.port, check.uri, check.interval, check.timeout, check.retries]
    ]) == ["http", 8080, "/health", 5, 3, 1]
    error_message = "the health check is the course's"
  }
  assert {
    condition     = exoscale_nlb_service.web.instance_pool_id == exoscale_instance_pool.web.id
    error_message = "the service balances over the pool"
  }
  assert {
    condition = output.url == "http://192.0.2.80" && output.prometheus_url == "http://192.0.2.90:9090" && (
      output.grafana_url == "http://192.0.2.90:3000" && strcontains(output.next, "terraform destroy")
    )
    error_message = "the outputs tell where everything is, and how to end it"
  }
}

# After the autoscaler: whatever the configuration says of the size, the pool keeps its own.
run "apply_does_not_fight_the_autoscaler" {
  variables {
    pool = { size = 3 }
  }
  assert {
    condition     = exoscale_instance_pool.web.size == 1
    error_message = "apply changed the size"
  }
}

run "nobody_gets_in_without_admin_ip" {
  command = plan
  assert {
    condition     = length(exoscale_security_group_rule.admin) == 0
    error_message = "there are rules for an administrator"
  }
  assert {
    condition     = exoscale_security_group_rule.web.start_port == 8080 && exoscale_security_group_rule.web.end_port == 8080
    error_message = "exactly 8080 is open to the world"
  }
  assert {
    condition = exoscale_security_group_rule.node_exporter.cidr == null && (
      exoscale_security_group_rule.node_exporter.user_security_group_id == exoscale_security_group.monitoring.id
    )
    error_message = "the node exporter is for the monitoring instance only"
  }
}

run "an_administrator_reaches_three_ports" {
  command = plan
  variables {
    admin_ip = "198.51.100.7"
    ssh_key  = "laptop"
  }
  assert {
    condition = alltrue([for rule in exoscale_security_group_rule.admin :
      rule.cidr == "198.51.100.7/32" && rule.start_port == rule.end_port && rule.protocol == "TCP" && rule.type == "INGRESS"
    ])
    error_message = "a rule is wider than one port and one address"
  }
  assert {
    condition     = toset([for rule in exoscale_security_group_rule.admin : rule.start_port]) == toset([22, 3000, 9090])
    error_message = "other ports than SSH, Grafana and Prometheus"
  }
  assert {
    condition     = exoscale_instance_pool.web.key_pair == "laptop" && exoscale_compute_instance.monitoring.ssh_keys == toset(["laptop"])
    error_message = "the key opens both"
  }
}

run "user_data_fits_and_is_yaml" {
  assert {
    condition = length(exoscale_instance_pool.web.user_data) < 32768 && (
      length(exoscale_compute_instance.monitoring.user_data) < 32768
    )
    error_message = "user data is limited to 32 KiB"
  }
  assert {
    condition = startswith(exoscale_instance_pool.web.user_data, "#cloud-config\n") && (
      startswith(exoscale_compute_instance.monitoring.user_data, "#cloud-config\n")
    )
    error_message = "cloud-init looks at the first line"
  }
  assert {
    condition = { for file in yamldecode(exoscale_instance_pool.web.user_data).write_files : file.path => file.permissions } == {
      "/usr/local/sbin/compose-up" = "0755"
      "/srv/pool/compose.yaml"     = "0644"
      "/srv/pool/.env"             = "0644"
    }
    error_message = "a member of the pool has other files"
  }
  assert {
    # Compressed: neither key nor secret can be looked for in the text, but what goes in can.
    condition     = !strcontains(jsonencode(local.pool_files), "test-secret") && !strcontains(jsonencode(local.pool_files), "EXOtestkey")
    error_message = "a member of the pool has secrets"
  }
  assert {
    condition = !strcontains(jsonencode(local.monitoring_files), "test-secret") && (
      !strcontains(jsonencode(yamldecode(exoscale_compute_instance.monitoring.user_data).runcmd), "test-secret")
    )
    error_message = "a secret is in a file for all, or on a command line"
  }
  assert {
    condition = alltrue([for file in yamldecode(exoscale_compute_instance.monitoring.user_data).write_files :
      file.permissions == "0600" if endswith(file.path, "exoscale.env") || endswith(file.path, "grafana.env")
    ])
    error_message = "secrets are root's alone"
  }
  assert {
    condition = [for file in yamldecode(exoscale_compute_instance.monitoring.user_data).write_files :
      file.content if file.path == "/srv/monitoring/exoscale.env"
      ] == [base64gzip(join("\n", [
        "EXOSCALE_KEY=EXOtestkey",
        "EXOSCALE_SECRET=test-secret",
        "EXOSCALE_ZONE=at-vie-1",
        "EXOSCALE_INSTANCEPOOL_ID=11111111-1111-4111-8111-111111111111",
        "TARGET_PORT=9100",
        "LISTEN_PORT=8090",
        "",
    ]))]
    error_message = "the environment is not the one that both programs read"
  }
  assert {
    condition     = local.pool_files["/srv/pool/.env"] == "SERVER_IMAGE=registry.example/course/server:0.1.0\n"
    error_message = "the server's image"
  }
}

run "grafana_sends" {
  assert {
    condition = toset(keys(local.monitoring_files)) == toset([
      ".env",
      "compose.yaml",
      "prometheus.yml",
      "rules/autoscaling.yaml",
      "rules/scaling.yaml",
      "grafana/dashboards/exoscale.json",
      "grafana/provisioning/alerting/scaling.yaml",
      "grafana/provisioning/dashboards/exoscale.yaml",
      "grafana/provisioning/datasources/prometheus.yaml",
    ])
    error_message = "files are missing, or there are others"
  }
  assert {
    condition     = contains(keys(local.monitoring_files), "grafana/provisioning/alerting/scaling.yaml")
    error_message = "Grafana has no alerts"
  }
  assert {
    condition     = !contains(keys(local.monitoring_files), "alertmanagers/alertmanager.json") && !strcontains(local.monitoring_files[".env"], "COMPOSE_PROFILES")
    error_message = "Alertmanager sends as well"
  }
  assert {
    condition     = !contains(keys(local.secret_files), "grafana.env")
    error_message = "there is a password that nobody gave"
  }
}

run "alertmanager_sends" {
  variables {
    alert_sender     = "alertmanager"
    grafana_password = "correct.horse"
    autoscaler_key   = { key = "EXOother", secret = "other-secret" }
  }
  assert {
    condition = contains(keys(local.monitoring_files), "alertmanagers/alertmanager.json") && (
      strcontains(local.monitoring_files[".env"], "COMPOSE_PROFILES=alertmanager\n")
    )
    error_message = "Alertmanager does not run, or is not found"
  }
  assert {
    condition     = !contains(keys(local.monitoring_files), "grafana/provisioning/alerting/scaling.yaml")
    error_message = "Grafana sends as well"
  }
  assert {
    condition     = local.secret_files["grafana.env"] == "GF_SECURITY_ADMIN_PASSWORD=correct.horse\n"
    error_message = "the password does not arrive"
  }
  assert {
    condition     = strcontains(local.secret_files["exoscale.env"], "EXOother") && !strcontains(local.secret_files["exoscale.env"], "EXOtestkey")
    error_message = "the monitoring instance has the account's key in spite of its own"
  }
}

run "wrong_values_are_refused" {
  command = plan
  variables {
    exoscale_key     = "key"
    exoscale_secret  = ""
    autoscaler_key   = { key = "EXOother", secret = "" }
    zone             = "at-vie-3"
    name             = "-x"
    pool             = { size = 5, max_size = 4, disk_size = 1 }
    monitoring       = { disk_size = 1 }
    admin_ip         = "example.com"
    image_registry   = "ghcr.io/you/"
    image_tag        = "latest"
    alert_sender     = "both"
    grafana_password = "short"
  }
  expect_failures = [
    var.exoscale_key,
    var.exoscale_secret,
    var.autoscaler_key,
    var.zone,
    var.name,
    var.pool,
    var.monitoring,
    var.admin_ip,
    var.image_registry,
    var.image_tag,
    var.alert_sender,
    var.grafana_password,
  ]
}

run "the_pool_is_bounded" {
  command = plan
  variables {
    pool = { max_size = 21 }
  }
  expect_failures = [var.pool]
}

run "the_pool_is_never_empty" {
  command = plan
  variables {
    pool = { min_size = 0, size = 0 }
  }
  expect_failures = [var.pool]
}
