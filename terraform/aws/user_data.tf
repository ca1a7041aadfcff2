# What an instance does at its first boot: installs Docker and starts the image. There are no
# secrets in it, since the image is readable without a login.
locals {
  # --restart and not --rm: after a reboot it is there again.
  run = join(" ", concat(
    ["docker run --detach --name web --restart unless-stopped"],
    ["--publish ${local.ports.web}:${local.ports.web}"],
    ["--read-only --cap-drop ALL --security-opt no-new-privileges"],
    ["--log-driver json-file --log-opt max-size=10m --log-opt max-file=3"],
    # Longer than the server's drain delay and the longest answer together: 5 s + 10 s.
    ["--stop-timeout 30"],
    [local.image, "--roles=web"],
    var.server_args,
  ))

  # Right after boot the registry or its name may not be reachable.
  start = <<-EOT
    #!/bin/sh
    for attempt in $(seq 60); do
      docker pull --quiet ${local.image} && exec ${local.run}
      sleep 5
    done
    exit 1
  EOT

  user_data = "#cloud-config\n${yamlencode({
    package_update = false
    packages       = ["docker"]
    write_files = [{
      path = "/usr/local/sbin/start-web", permissions = "0755", content = local.start
    }]
    runcmd = [
      ["systemctl", "enable", "--now", "docker"],
      ["/usr/local/sbin/start-web"],
    ]
  })}"
}
