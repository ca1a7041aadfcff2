locals {
  registry    = "${local.region}-docker.pkg.dev/${var.k8s_project}/${google_artifact_registry_repository.images.repository_id}"
  credentials = "gcloud container clusters get-credentials ${google_container_cluster.challenge.name} --zone ${google_container_cluster.challenge.location} --project ${var.k8s_project}"
}

output "registry" {
  description = "Where images are pushed to, and what the charts' image.registry is."
  value       = local.registry
}

output "get_credentials" {
  description = "The command that gives kubectl and helm access."
  value       = local.credentials
}

output "node_service_account" {
  description = "Whom the nodes act as; repositories of other projects have to let it read."
  value       = google_service_account.nodes.email
}

output "next" {
  description = "What to do now, from the repository's root, and what to do before going home."
  value       = <<-EOT
    # access
    ${local.credentials}
    # images
    gcloud auth configure-docker ${local.region}-docker.pkg.dev --quiet
    for t in metrics-adapter server loadclient; do docker build --platform linux/amd64 --target $t -t ${local.registry}/$t:0.1.0 . && docker push ${local.registry}/$t:0.1.0; done
    # charts
    helm install monitoring helm/monitoring --namespace monitoring --create-namespace --set nodeSelector.load=system
    helm install metrics-adapter helm/metrics-adapter --namespace metrics-adapter --create-namespace --set nodeSelector.load=system --set image.registry=${local.registry}${var.adapter_port == 6443 ? "" : " --set listenPort=${var.adapter_port}"}
    helm install server helm/server --values helm/server/values-gke.yaml --set image.registry=${local.registry}
    helm install client helm/client --values helm/client/values-gke.yaml --set image.registry=${local.registry}
    # watch
    kubectl get hpa server --watch
    # STOP THE BILL. Whatever else was given with -var, give both again, or keep it in terraform/gke/terraform.tfvars.
    helm uninstall client server && helm uninstall metrics-adapter --namespace metrics-adapter && helm uninstall monitoring --namespace monitoring
    terraform -chdir=terraform/gke apply -var 'k8s_project=${var.k8s_project}' -var deletion_protection=false
    terraform -chdir=terraform/gke destroy -var 'k8s_project=${var.k8s_project}'
  EOT
}
