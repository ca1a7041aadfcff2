variable "exoscale_key" {
  description = "API key of the account, EXO…"
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^EXO[0-9A-Za-z]+$", var.exoscale_key))
    error_message = "exoscale_key: an API key starts with EXO and has letters and digits only."
  }
}

variable "exoscale_secret" {
  description = "Secret of that API key."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^[0-9A-Za-z_=-]+$", var.exoscale_secret))
    error_message = "exoscale_secret: a secret is not empty and has letters, digits, '_', '-' and '=' only."
  }
}

variable "autoscaler_key" {
  description = "API key that the monitoring instance gets, and its secret. By default the account's; better one whose role may only list and scale, see README."
  type        = object({ key = string, secret = string })
  sensitive   = true
  default     = null

  validation {
    condition = var.autoscaler_key == null || (
      can(regex("^EXO[0-9A-Za-z]+$", var.autoscaler_key.key)) &&
      can(regex("^[0-9A-Za-z_=-]+$", var.autoscaler_key.secret))
    )
    error_message = "autoscaler_key: both key (EXO…) and secret are needed."
  }
}

variable "zone" {
  description = "Zone of everything."
  type        = string
  default     = "at-vie-1"

  validation {
    condition = contains([
      "ch-gva-2", "ch-dk-2", "de-fra-1", "de-muc-1", "at-vie-1", "at-vie-2", "bg-sof-1", "hr-zag-1",
    ], var.zone)
    error_message = "zone: not a zone of Exoscale."
  }
}

variable "name" {
  description = "Name of the instance pool and prefix of all other names."
  type        = string
  default     = "autoscaling"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.name))
    error_message = "name: lower-case letters, digits and '-', at most 31."
  }
}

variable "template" {
  description = "Template of all instances: an Ubuntu whose archive has docker.io and docker-compose-v2."
  type        = string
  default     = "Linux Ubuntu 24.04 LTS 64-bit"
}

variable "pool" {
  description = "The instance pool: instance type, disk in GiB, size at its creation, and the bounds within which the autoscaler keeps it."
  type = object({
    instance_type = optional(string, "standard.micro")
    disk_size     = optional(number, 10)
    size          = optional(number, 1)
    min_size      = optional(number, 1)
    max_size      = optional(number, 4)
  })
  default = {}

  validation {
    condition     = var.pool.min_size >= 1 && var.pool.min_size <= var.pool.size && var.pool.size <= var.pool.max_size
    error_message = "pool: 1 <= min_size <= size <= max_size."
  }
  validation {
    # A test account's limit, and a bound on the bill.
    condition     = var.pool.max_size <= 20
    error_message = "pool: max_size is at most 20."
  }
  validation {
    condition     = var.pool.disk_size >= 10
    error_message = "pool: disk_size is at least 10."
  }
}

variable "monitoring" {
  description = "The monitoring instance: instance type and disk in GiB."
  type = object({
    instance_type = optional(string, "standard.small")
    disk_size     = optional(number, 10)
  })
  default = {}

  validation {
    condition     = var.monitoring.disk_size >= 10
    error_message = "monitoring: disk_size is at least 10."
  }
}

variable "admin_ip" {
  description = "IPv4 address or CIDR that reaches Prometheus, Grafana and SSH. Empty: nobody does."
  type        = string
  default     = ""

  validation {
    condition     = var.admin_ip == "" || can(cidrhost(var.admin_ip, 0)) || can(cidrhost("${var.admin_ip}/32", 0))
    error_message = "admin_ip: an IPv4 address or a CIDR such as 198.51.100.7 or 198.51.100.0/24."
  }
}

variable "ssh_key" {
  description = "Name of an SSH key that the account has already. Empty: no login."
  type        = string
  default     = ""
}

variable "image_registry" {
  description = "Registry and path that hold server, servicediscovery and autoscaler, readable without a login, such as ghcr.io/you."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$", var.image_registry))
    error_message = "image_registry: host and path without a slash at the end, such as ghcr.io/you."
  }
}

variable "image_tag" {
  description = "Tag of those three images."
  type        = string
  default     = "0.1.0"

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag: a tag, and not latest: members of the pool start at different times."
  }
}

variable "alert_sender" {
  description = "Who sends the webhooks: grafana or alertmanager."
  type        = string
  default     = "grafana"

  validation {
    condition     = contains(["grafana", "alertmanager"], var.alert_sender)
    error_message = "alert_sender: grafana or alertmanager."
  }
}

variable "grafana_password" {
  description = "Password of Grafana's user admin. By default the instance makes one up, which `terraform output next` tells how to read."
  type        = string
  sensitive   = true
  default     = null

  validation {
    condition     = var.grafana_password == null || can(regex("^[0-9A-Za-z_.+/=-]{8,}$", var.grafana_password))
    error_message = "grafana_password: at least 8 letters, digits or _.+/=-."
  }
}
