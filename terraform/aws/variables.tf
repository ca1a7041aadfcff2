variable "image_registry" {
  description = "Registry and path that hold the image server, readable without a login, such as ghcr.io/you."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$", var.image_registry))
    error_message = "image_registry: host and path without a slash at the end, such as ghcr.io/you."
  }
}

variable "image_tag" {
  description = "Tag of the image. Another one replaces the instances."
  type        = string
  default     = "0.1.0"

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag: a tag, and not latest: instances start at different times."
  }
}

variable "name" {
  description = "Name of the group, its load balancer and its template, and prefix of all other names."
  type        = string
  default     = "api"

  validation {
    # Of a load balancer: 32 characters, not internal- at the beginning.
    condition     = can(regex("^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$", var.name)) && !startswith(var.name, "internal-")
    error_message = "name: lower-case letters, digits and '-' between them, at most 32, and not internal-…"
  }
}

variable "zones" {
  description = "Availability zones of the instances and of the load balancer: at least two of the region in AWS_DEFAULT_REGION."
  type        = list(string)
  default     = ["us-east-2a", "us-east-2b", "us-east-2c"]

  validation {
    condition     = length(distinct(var.zones)) == length(var.zones) && length(var.zones) >= 2
    error_message = "zones: at least two, each once; a load balancer needs two."
  }
  validation {
    condition = alltrue([for zone in var.zones : can(regex("^[a-z]+(-[a-z]+)+-[0-9][a-z]$", zone))]) && (
      length(distinct([for zone in var.zones : substr(zone, 0, length(zone) - 1)])) == 1
    )
    error_message = "zones: such as us-east-2a, and all of one region."
  }
}

variable "allowed_cidrs" {
  description = "IPv4 networks whose clients reach the load balancer. By default everybody: it is a public address. Better your own, such as 198.51.100.7/32."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr))])
    error_message = "allowed_cidrs: IPv4 networks such as 198.51.100.7/32 or 198.51.100.0/24."
  }
}

variable "instance_type" {
  description = "Type of the instances, x86-64."
  type        = string
  default     = "t3.micro"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9]+$", var.instance_type)) && !can(regex("^(a1|t4g|[a-z]+[0-9]+g[a-z]*)\\.", var.instance_type))
    error_message = "instance_type: an x86-64 type such as t3.micro; the image has no ARM variant."
  }
}

variable "cpu_credits" {
  description = "For burstable types: unlimited or standard. With standard a new t3.micro has no credits, is held at 10 % of its CPUs, and never reaches the target; see README."
  type        = string
  default     = "unlimited"

  validation {
    condition     = contains(["unlimited", "standard"], var.cpu_credits)
    error_message = "cpu_credits: unlimited or standard."
  }
}

variable "disk_size" {
  description = "Disk of an instance, in GiB."
  type        = number
  default     = 8

  validation {
    condition     = var.disk_size >= 8 && var.disk_size <= 100 && floor(var.disk_size) == var.disk_size
    error_message = "disk_size: 8 to 100, whole; Amazon Linux' image needs 8."
  }
}

variable "size" {
  description = "Fewest and most instances; the latter bounds the bill."
  type = object({
    min = optional(number, 1)
    max = optional(number, 2)
  })
  default = {}

  validation {
    condition     = var.size.min >= 1 && var.size.min <= var.size.max && var.size.max <= 10
    error_message = "size: 1 <= min <= max <= 10."
  }
  validation {
    condition     = floor(var.size.min) == var.size.min && floor(var.size.max) == var.size.max
    error_message = "size: whole numbers."
  }
}

variable "target_cpu" {
  description = "Average CPU utilisation of the group that target tracking keeps, in percent."
  type        = number
  default     = 40

  validation {
    condition     = var.target_cpu >= 1 && var.target_cpu <= 100
    error_message = "target_cpu: 1 to 100, in percent."
  }
}

variable "grace_period" {
  description = "Seconds after the launch in which a failing health check does not end an instance: boot, Docker, image."
  type        = number
  default     = 300

  validation {
    condition     = var.grace_period >= 60 && var.grace_period <= 3600
    error_message = "grace_period: 60 to 3600, in seconds."
  }
}

variable "warmup" {
  description = "Seconds after the launch in which an instance's CPU does not count for scaling."
  type        = number
  default     = 180

  validation {
    condition     = var.warmup >= 0 && var.warmup <= 3600
    error_message = "warmup: 0 to 3600, in seconds."
  }
}

variable "server_args" {
  description = "More arguments of the server, such as [\"--load-limit=100\"]; see server --help."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arg in var.server_args : can(regex("^--[a-z-]+=[A-Za-z0-9:._-]+$", arg))])
    error_message = "server_args: each --name=value, of letters, digits and :._- only, since a shell reads it."
  }
}
