variable "k8s_project" {
  description = "Google Cloud project ID, such as my-project-1234 (not its name, not its number)."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.k8s_project))
    error_message = "k8s_project: the project's ID: 6 to 30 lower-case letters, digits and '-', a letter first."
  }
}

variable "service_file" {
  description = "Key file of the service account that Terraform acts as, relative to where terraform is run. Without such a file: GOOGLE_APPLICATION_CREDENTIALS, or gcloud's application default credentials."
  type        = string
  default     = "service-account.json"

  validation {
    condition     = endswith(var.service_file, ".json")
    error_message = "service_file: a key file, such as service-account.json."
  }
}

variable "cluster_name" {
  description = "Name of the cluster, its network and its repository of images."
  type        = string
  default     = "challenge"

  validation {
    # Of the service account that is named after it: 30 characters, -nodes included.
    condition     = can(regex("^[a-z]([a-z0-9-]{0,22}[a-z0-9])?$", var.cluster_name))
    error_message = "cluster_name: lower-case letters, digits and '-' between them, at most 24, a letter first."
  }
}

variable "zone" {
  description = "Zone of the control plane and of all nodes."
  type        = string
  default     = "europe-west1-b"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", var.zone))
    error_message = "zone: a zone such as europe-west1-b; a region is not one."
  }
}

variable "release_channel" {
  description = "Which versions GKE upgrades to by itself: RAPID, REGULAR or STABLE."
  type        = string
  default     = "REGULAR"

  validation {
    condition     = contains(["RAPID", "REGULAR", "STABLE"], var.release_channel)
    error_message = "release_channel: RAPID, REGULAR or STABLE."
  }
}

variable "cluster_version" {
  description = "Oldest Kubernetes version of the control plane, such as 1.33; the release channel must have it. By default the channel's own."
  type        = string
  default     = null

  validation {
    condition     = var.cluster_version == null || can(regex("^1\\.[0-9]+(\\.[0-9]+(-gke\\.[0-9]+)?)?$", var.cluster_version))
    error_message = "cluster_version: such as 1.33, 1.33.5 or 1.33.5-gke.1201000."
  }
}

variable "maintenance_start" {
  description = "When a day's four hours of maintenance begin, HH:MM in GMT."
  type        = string
  default     = "03:00"

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", var.maintenance_start))
    error_message = "maintenance_start: a time HH:MM from 00:00 to 23:59."
  }
}

variable "master_authorized_networks" {
  description = "Who reaches the control plane, beside the nodes: name to IPv4 network. By default everybody who can prove who they are. Better your own, such as { office = \"198.51.100.7/32\" }."
  type        = map(string)
  default     = { everybody = "0.0.0.0/0" }

  validation {
    condition     = alltrue([for cidr in values(var.master_authorized_networks) : can(cidrnetmask(cidr))])
    error_message = "master_authorized_networks: IPv4 networks such as 198.51.100.7/32 or 198.51.100.0/24."
  }
}

variable "private_endpoint" {
  description = "Whether the control plane has no public address at all. Then Terraform works as before, but kubectl and helm only from within the network."
  type        = bool
  default     = false
}

variable "ranges" {
  description = "Networks, all in the cluster's own VPC. A node takes a /24 of `pods`; `control_plane` is a /28, for the control plane's internal endpoint."
  type = object({
    nodes         = optional(string, "10.10.0.0/22")
    pods          = optional(string, "10.20.0.0/17")
    services      = optional(string, "10.30.0.0/20")
    control_plane = optional(string, "172.16.0.0/28")
  })
  default = {}

  validation {
    condition     = alltrue([for cidr in values(var.ranges) : can(cidrnetmask(cidr))])
    error_message = "ranges: IPv4 networks such as 10.10.0.0/22."
  }
  validation {
    condition     = endswith(var.ranges.control_plane, "/28")
    error_message = "ranges: control_plane is a /28, such as 172.16.0.0/28; GKE takes no other size."
  }
  validation {
    # Two networks overlap when the larger one's prefix of both is the same.
    condition = try(alltrue([
      for pair in setproduct(keys(var.ranges), keys(var.ranges)) : pair[0] == pair[1] || length(distinct([
        for name in pair : cidrhost(join("/", [
          split("/", var.ranges[name])[0],
          min([for other in pair : tonumber(split("/", var.ranges[other])[1])]...),
        ]), 0)
      ])) == 2
    ]), false)
    error_message = "ranges: no two of them may overlap."
  }
}

variable "node_pools" {
  description = "Of each pool: fewest and most nodes, machine type, disk in GiB, and whether its nodes are Spot, which cost less and may be taken away at any time."
  type = object({
    system = optional(object({
      min          = optional(number, 1)
      max          = optional(number, 3)
      machine_type = optional(string, "e2-standard-2")
      disk_size    = optional(number, 30)
      spot         = optional(bool, false)
    }), {})
    server = optional(object({
      min          = optional(number, 1)
      max          = optional(number, 5)
      machine_type = optional(string, "e2-standard-2")
      disk_size    = optional(number, 30)
      spot         = optional(bool, false)
    }), {})
    client = optional(object({
      min          = optional(number, 0)
      max          = optional(number, 3)
      machine_type = optional(string, "e2-standard-2")
      disk_size    = optional(number, 30)
      spot         = optional(bool, true)
    }), {})
  })
  default = {}

  validation {
    condition     = alltrue([for pool in values(var.node_pools) : pool.min >= 0 && pool.max >= 1 && pool.min <= pool.max && pool.max <= 20])
    error_message = "node_pools: 0 <= min <= max, and 1 <= max <= 20."
  }
  validation {
    condition     = alltrue([for pool in values(var.node_pools) : floor(pool.min) == pool.min && floor(pool.max) == pool.max])
    error_message = "node_pools: whole numbers of nodes."
  }
  validation {
    condition     = var.node_pools.system.min >= 1 && !var.node_pools.system.spot
    error_message = "node_pools: system has at least one node, and no Spot ones: kube-dns and Prometheus have no other place."
  }
  validation {
    condition     = alltrue([for pool in values(var.node_pools) : can(regex("^[a-z][a-z0-9]*-[a-z0-9-]+$", pool.machine_type)) && !can(regex("^(t2a|c4a|n4a|a4x)-", pool.machine_type))])
    error_message = "node_pools: an x86-64 machine type such as e2-standard-2."
  }
  validation {
    condition     = alltrue([for pool in values(var.node_pools) : pool.disk_size >= 20 && pool.disk_size <= 200 && floor(pool.disk_size) == pool.disk_size])
    error_message = "node_pools: disk_size is 20 to 200 GiB, whole."
  }
}

variable "adapter_port" {
  description = "Port that metrics-adapter's pods listen on, the chart's listenPort; a firewall rule lets control_plane reach it, which private clusters made before 1.29 need."
  type        = number
  default     = 6443

  validation {
    condition     = var.adapter_port >= 1 && var.adapter_port <= 65535 && floor(var.adapter_port) == var.adapter_port
    error_message = "adapter_port: 1 to 65535."
  }
}

variable "managed_prometheus" {
  description = "Whether Google's managed collection of Prometheus metrics runs. It is billed by sample, and helm/monitoring does without it."
  type        = bool
  default     = false
}

variable "deletion_protection" {
  description = "Whether `terraform destroy` refuses to delete the cluster."
  type        = bool
  default     = true
}
