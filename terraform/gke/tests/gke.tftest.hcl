# What holds of every plan, with the provider mocked: no network, no account.

mock_provider "google" {
  mock_resource "google_compute_network" {
    defaults = { id = "projects/my-project-1234/global/networks/challenge" }
  }
  mock_resource "google_compute_subnetwork" {
    defaults = { id = "projects/my-project-1234/regions/europe-west1/subnetworks/challenge" }
  }
  mock_resource "google_container_cluster" {
    defaults = { id = "projects/my-project-1234/locations/europe-west1-b/clusters/challenge" }
  }
  mock_resource "google_service_account" {
    defaults = { email = "challenge-nodes@my-project-1234.iam.gserviceaccount.com" }
  }
}

variables {
  k8s_project = "my-project-1234"
}

run "the_project_is_all_one_has_to_say" {
  assert {
    condition     = google_container_cluster.challenge.name == "challenge" && google_container_cluster.challenge.location == "europe-west1-b"
    error_message = "cluster challenge in europe-west1-b"
  }
  assert {
    condition     = output.get_credentials == "gcloud container clusters get-credentials challenge --zone europe-west1-b --project my-project-1234"
    error_message = "the command that gives access is the documented one"
  }
  assert {
    condition     = output.registry == "europe-west1-docker.pkg.dev/my-project-1234/challenge"
    error_message = "images go to the cluster's own repository"
  }
  assert {
    condition = alltrue([for part in ["helm install client helm/client ", "helm install server helm/server ", "helm install monitoring ", "helm install metrics-adapter ", "destroy"] :
      strcontains(output.next, part)
    ])
    error_message = "the outputs tell what to install, and how to end it"
  }
  assert {
    # Only the text tells what the channel is asked for; null is the channel's own version.
    condition     = google_container_cluster.challenge.release_channel[0].channel == "REGULAR" && var.cluster_version == null
    error_message = "the release channel chooses the version"
  }
}

run "the_key_is_somewhere_else" {
  command = plan
  variables {
    service_file = "/etc/terraform/key.json"
  }
  assert {
    condition     = local.service_file == "/etc/terraform/key.json"
    error_message = "an absolute path, as it was given"
  }
}

run "another_zone_has_its_own_region" {
  command = plan
  variables {
    zone = "northamerica-northeast1-a"
  }
  assert {
    condition     = google_compute_subnetwork.nodes.region == "northamerica-northeast1" && google_artifact_registry_repository.images.location == "northamerica-northeast1"
    error_message = "network and images are in the zone's region"
  }
}

run "the_network_is_the_clusters_own" {
  assert {
    condition     = google_container_cluster.challenge.networking_mode == "VPC_NATIVE" && !google_compute_network.challenge.auto_create_subnetworks
    error_message = "VPC-native, in a network without subnets that nobody asked for"
  }
  assert {
    condition = google_container_cluster.challenge.network == google_compute_network.challenge.id && (
      google_container_cluster.challenge.subnetwork == google_compute_subnetwork.nodes.id
    )
    error_message = "the cluster is in that network"
  }
  assert {
    condition = { for range in google_compute_subnetwork.nodes.secondary_ip_range : range.range_name => range.ip_cidr_range } == {
      (google_container_cluster.challenge.ip_allocation_policy[0].cluster_secondary_range_name)  = "10.20.0.0/17"
      (google_container_cluster.challenge.ip_allocation_policy[0].services_secondary_range_name) = "10.30.0.0/20"
    }
    error_message = "pods and services have the subnet's secondary ranges"
  }
  assert {
    # A node takes a /24.
    condition     = pow(2, 24 - 17) >= sum([for pool in google_container_node_pool.pool : pool.autoscaling[0].max_node_count])
    error_message = "there are addresses for the pods of all nodes"
  }
  assert {
    condition     = google_compute_subnetwork.nodes.private_ip_google_access
    error_message = "private nodes reach Google's APIs"
  }
  assert {
    condition = google_compute_router_nat.nodes.router == google_compute_router.nodes.name && (
      google_compute_router.nodes.network == google_compute_network.challenge.id &&
      one(google_compute_router_nat.nodes.subnetwork).name == google_compute_subnetwork.nodes.id &&
      one(google_compute_router_nat.nodes.subnetwork).source_ip_ranges_to_nat == toset(["ALL_IP_RANGES"])
    )
    error_message = "private nodes and their pods reach the internet by NAT"
  }
}

run "nodes_are_private_and_the_control_plane_reaches_the_adapter" {
  assert {
    condition = google_container_cluster.challenge.private_cluster_config[0].enable_private_nodes && (
      !google_container_cluster.challenge.private_cluster_config[0].enable_private_endpoint
    )
    error_message = "nodes without public addresses, a control plane with one"
  }
  assert {
    condition = google_compute_firewall.control_plane_to_adapter.direction == "INGRESS" && (
      google_compute_firewall.control_plane_to_adapter.source_ranges == toset([google_container_cluster.challenge.private_cluster_config[0].master_ipv4_cidr_block])
    )
    error_message = "from the control plane"
  }
  assert {
    condition = google_compute_firewall.control_plane_to_adapter.target_service_accounts == toset([google_service_account.nodes.email]) && (
      google_compute_firewall.control_plane_to_adapter.network == google_compute_network.challenge.id
    )
    error_message = "to the nodes"
  }
  assert {
    condition     = [for rule in google_compute_firewall.control_plane_to_adapter.allow : [rule.protocol, rule.ports]] == [["tcp", tolist(["6443"])]]
    error_message = "on the adapter's port, and no other"
  }
}

run "access_can_be_narrowed" {
  command = plan
  variables {
    master_authorized_networks = { office = "198.51.100.7/32" }
    adapter_port               = 8443
  }
  assert {
    condition = [for block in google_container_cluster.challenge.master_authorized_networks_config[0].cidr_blocks : [block.display_name, block.cidr_block]] == [
      ["office", "198.51.100.7/32"]
    ]
    error_message = "this network, and nobody else"
  }
  assert {
    condition     = google_container_cluster.challenge.master_authorized_networks_config[0].gcp_public_cidrs_access_enabled == false
    error_message = "not Google Cloud's own public addresses either"
  }
  assert {
    condition     = google_compute_firewall.control_plane_to_adapter.allow == toset([{ protocol = "tcp", ports = tolist(["8443"]) }])
    error_message = "another port for the adapter"
  }
}

run "a_control_plane_without_a_public_address" {
  command = plan
  variables {
    private_endpoint           = true
    master_authorized_networks = {}
  }
  assert {
    condition = google_container_cluster.challenge.private_cluster_config[0].enable_private_endpoint && (
      length(google_container_cluster.challenge.master_authorized_networks_config) == 1 &&
      length(google_container_cluster.challenge.master_authorized_networks_config[0].cidr_blocks) == 0
    )
    error_message = "private, and an empty list is not everybody"
  }
}

run "a_private_control_plane_for_everybody_is_refused" {
  command = plan
  variables {
    private_endpoint = true
  }
  expect_failures = [google_container_cluster.challenge]
}

run "pools_have_the_labels_and_taints_of_the_charts" {
  assert {
    condition     = toset(keys(google_container_node_pool.pool)) == toset(["system", "server", "client"])
    error_message = "three pools"
  }
  assert {
    condition     = alltrue([for name, pool in google_container_node_pool.pool : pool.name == name && pool.node_config[0].labels.load == name])
    error_message = "each with the label load"
  }
  assert {
    condition     = length(google_container_node_pool.pool["system"].node_config[0].taint) == 0
    error_message = "the cluster's own pods need a pool without a taint"
  }
  assert {
    condition = [for taint in google_container_node_pool.pool["server"].node_config[0].taint : [taint.key, taint.value, taint.effect]] == [
      ["dedicated", "server", "NO_SCHEDULE"]
    ]
    error_message = "the server pool is for the server"
  }
  assert {
    condition = [for taint in google_container_node_pool.pool["client"].node_config[0].taint : [taint.key, taint.value, taint.effect]] == [
      ["dedicated", "client", "PREFER_NO_SCHEDULE"]
    ]
    error_message = "the client pool has a taint of its own, which no client has to tolerate"
  }
}

run "pools_scale" {
  assert {
    condition = { for name, pool in google_container_node_pool.pool : name => [pool.autoscaling[0].min_node_count, pool.autoscaling[0].max_node_count] } == {
      system = [1, 3]
      server = [1, 5]
      client = [0, 3]
    }
    error_message = "each pool between its bounds, and the client's down to nothing"
  }
  assert {
    # The provider fills node_count in, so only the text tells that nobody sets it.
    condition = alltrue([for name, pool in google_container_node_pool.pool : pool.initial_node_count == var.node_pools[name].min]) && (
      length(regexall("(?m)^\\s*node_count\\s*=", file("nodes.tf"))) == 0
    )
    error_message = "each pool begins with its fewest; with a number of its own an apply would undo what the autoscaler has decided"
  }
  assert {
    condition     = google_container_cluster.challenge.cluster_autoscaling[0].autoscaling_profile == "OPTIMIZE_UTILIZATION"
    error_message = "idle nodes go soon"
  }
  assert {
    condition     = google_container_cluster.challenge.cluster_autoscaling[0].enabled == false
    error_message = "GKE makes no pools of its own"
  }
  assert {
    condition     = alltrue([for pool in google_container_node_pool.pool : pool.management[0].auto_repair && pool.management[0].auto_upgrade])
    error_message = "broken nodes are replaced, old ones upgraded"
  }
}

run "pools_can_be_changed_one_by_one" {
  command = plan
  variables {
    node_pools = { server = { max = 12, machine_type = "n2-standard-4", spot = true } }
  }
  assert {
    condition = google_container_node_pool.pool["server"].autoscaling[0].max_node_count == 12 && (
      google_container_node_pool.pool["server"].autoscaling[0].min_node_count == 1 &&
      google_container_node_pool.pool["server"].node_config[0].machine_type == "n2-standard-4" &&
      google_container_node_pool.pool["server"].node_config[0].spot
    )
    error_message = "what was said, and the defaults of the rest"
  }
  assert {
    condition     = google_container_node_pool.pool["system"].autoscaling[0].max_node_count == 3
    error_message = "the other pools stay"
  }
}

run "nodes_may_little" {
  assert {
    condition = alltrue([for config in concat(
      [for pool in google_container_node_pool.pool : pool.node_config[0]],
      [google_container_cluster.challenge.node_pool[0].node_config[0]],
      ) : config.service_account == google_service_account.nodes.email && (
      config.shielded_instance_config[0].enable_secure_boot && config.shielded_instance_config[0].enable_integrity_monitoring
    )])
    error_message = "every node, the first pool's too, has its own account and is shielded"
  }
  assert {
    condition     = google_container_cluster.challenge.enable_shielded_nodes && google_container_cluster.challenge.remove_default_node_pool
    error_message = "shielded nodes, and none of GKE's own pool"
  }
  assert {
    condition     = google_project_iam_member.nodes.role == "roles/container.defaultNodeServiceAccount"
    error_message = "nodes write logs and metrics, and nothing else"
  }
  assert {
    condition = google_artifact_registry_repository_iam_member.nodes.role == "roles/artifactregistry.reader" && (
      google_artifact_registry_repository_iam_member.nodes.repository == google_artifact_registry_repository.images.repository_id
    )
    error_message = "nodes read this repository"
  }
  assert {
    condition = toset([google_project_iam_member.nodes.member, google_artifact_registry_repository_iam_member.nodes.member]) == toset([
      "serviceAccount:challenge-nodes@my-project-1234.iam.gserviceaccount.com"
    ])
    error_message = "both roles are the nodes' account's"
  }
  assert {
    condition = google_container_cluster.challenge.workload_identity_config[0].workload_pool == "my-project-1234.svc.id.goog" && (
      alltrue([for pool in google_container_node_pool.pool : pool.node_config[0].workload_metadata_config[0].mode == "GKE_METADATA"])
    )
    error_message = "pods have identities of their own, and do not see the node's"
  }
  assert {
    condition     = !google_container_cluster.challenge.master_auth[0].client_certificate_config[0].issue_client_certificate
    error_message = "no client certificate, which nobody could revoke"
  }
}

run "nothing_is_lost_or_billed_by_accident" {
  assert {
    condition     = google_container_cluster.challenge.deletion_protection
    error_message = "the cluster is protected"
  }
  assert {
    condition     = !google_container_cluster.challenge.monitoring_config[0].managed_prometheus[0].enabled
    error_message = "no samples are billed that nobody asked for"
  }
  assert {
    condition     = google_container_cluster.challenge.cost_management_config[0].enabled
    error_message = "the bill tells namespaces apart"
  }
  assert {
    condition     = alltrue([for service in google_project_service.needed : !service.disable_on_destroy])
    error_message = "APIs stay on for others"
  }
  assert {
    condition     = google_container_cluster.challenge.maintenance_policy[0].daily_maintenance_window[0].start_time == "03:00"
    error_message = "upgrades come at night"
  }
  assert {
    condition = google_container_cluster.challenge.resource_labels.cluster == "challenge" && (
      alltrue([for pool in google_container_node_pool.pool : pool.node_config[0].resource_labels.cluster == "challenge"])
    )
    error_message = "what is billed has the cluster's label"
  }
}

run "nonsense_is_refused" {
  command = plan
  variables {
    k8s_project                = "My Project"
    service_file               = "key.p12"
    cluster_name               = "node_pool"
    zone                       = "europe-west1"
    release_channel            = "LATEST"
    cluster_version            = "latest"
    maintenance_start          = "3am"
    master_authorized_networks = { office = "198.51.100.7" }
    ranges                     = { control_plane = "172.16.0.0/24" }
    node_pools                 = { server = { min = 5, max = 2 } }
    adapter_port               = 0
  }
  expect_failures = [
    var.k8s_project, var.service_file, var.cluster_name, var.zone, var.release_channel, var.cluster_version,
    var.maintenance_start, var.master_authorized_networks, var.ranges, var.node_pools, var.adapter_port,
  ]
}

run "networks_that_overlap_are_refused" {
  command = plan
  variables {
    ranges = { services = "10.20.64.0/20" }
  }
  expect_failures = [var.ranges]
}

run "a_network_that_is_none_is_refused" {
  command = plan
  variables {
    ranges = { nodes = "10.10.0.0" }
  }
  expect_failures = [var.ranges]
}

run "a_system_pool_that_may_vanish_is_refused" {
  command = plan
  variables {
    node_pools = { system = { min = 0 } }
  }
  expect_failures = [var.node_pools]
}

run "machines_for_other_images_are_refused" {
  command = plan
  variables {
    node_pools = { server = { machine_type = "t2a-standard-2" } }
  }
  expect_failures = [var.node_pools]
}

run "a_disk_too_small_for_the_node_is_refused" {
  command = plan
  variables {
    node_pools = { client = { disk_size = 5 } }
  }
  expect_failures = [var.node_pools]
}
