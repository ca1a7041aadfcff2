output "url" {
  description = "The web application, through the load balancer."
  value       = "http://${exoscale_nlb.web.ip_address}"
}

output "prometheus_url" {
  description = "Prometheus, from admin_ip."
  value       = "http://${exoscale_compute_instance.monitoring.public_ip_address}:${local.ports.prometheus}"
}

output "grafana_url" {
  description = "Grafana, from admin_ip; the user is admin."
  value       = "http://${exoscale_compute_instance.monitoring.public_ip_address}:${local.ports.grafana}"
}

output "instance_pool_id" {
  description = "The instance pool."
  value       = exoscale_instance_pool.web.id
}

output "next" {
  description = "What to do now, and what to do before going home."
  value       = <<-EOT
    wait for the backends:  until curl -fsS http://${exoscale_nlb.web.ip_address}/health; do sleep 5; done
    make load:              for i in $(seq 10); do while :; do curl -fsS http://${exoscale_nlb.web.ip_address}/load; done & done
    Grafana's password:     ssh ubuntu@${exoscale_compute_instance.monitoring.public_ip_address} sudo cat /srv/monitoring/grafana.env
    STOP THE BILL:          terraform destroy
  EOT
}
