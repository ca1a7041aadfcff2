# Region and credentials come from AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
provider "aws" {
  default_tags {
    tags = local.tags
  }
}

locals {
  tags  = { project = var.name, managed-by = "terraform" }
  image = "${var.image_registry}/server:${var.image_tag}"
  ports = { public = 80, web = 8080, https = 443 }
}

data "aws_vpc" "default" {
  default = true
}

data "aws_subnets" "zones" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
  filter {
    name   = "availability-zone"
    values = var.zones
  }
  filter {
    name   = "default-for-az"
    values = ["true"]
  }

  lifecycle {
    postcondition {
      condition     = length(self.ids) == length(var.zones)
      error_message = "zones: the default VPC of the region in AWS_DEFAULT_REGION has no default subnet in each of ${join(", ", var.zones)}."
    }
  }
}

# Amazon Linux 2023, which has Docker in its own repositories. AWS publishes the newest image's ID here.
data "aws_ssm_parameter" "machine_image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

resource "aws_launch_template" "web" {
  name                   = var.name
  description            = "Runs ${local.image}"
  image_id               = data.aws_ssm_parameter.machine_image.insecure_value
  instance_type          = var.instance_type
  user_data              = base64encode(local.user_data)
  update_default_version = true
  vpc_security_group_ids = [aws_security_group.web.id]

  # A burst is not over when the credits are, see README. Only burstable types know this.
  dynamic "credit_specification" {
    for_each = can(regex("^t[0-9]", var.instance_type)) ? [var.cpu_credits] : []
    content {
      cpu_credits = credit_specification.value
    }
  }

  # One data point a minute, not one in five: target tracking waits for three of them.
  monitoring {
    enabled = true
  }

  # Session-oriented requests only, and none from inside a container, which is one hop further away.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_size
      encrypted             = true
      delete_on_termination = true
    }
  }

  # The provider's default tags reach the template only.
  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume"])
    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = var.name })
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_autoscaling_group" "web" {
  name                = var.name
  min_size            = var.size.min
  max_size            = var.size.max
  vpc_zone_identifier = data.aws_subnets.zones.ids
  target_group_arns   = [aws_lb_target_group.web.arn]

  # An instance that the load balancer gives up is replaced; not before it had time to boot, to
  # install Docker and to pull the image.
  health_check_type         = "ELB"
  health_check_grace_period = var.grace_period
  # Until then its CPU, busy with just that, does not count.
  default_instance_warmup = var.warmup

  # `apply` ends when the address answers, or tells that it does not.
  min_elb_capacity          = var.size.min
  wait_for_capacity_timeout = "10m"

  launch_template {
    id      = aws_launch_template.web.id
    version = aws_launch_template.web.latest_version
  }

  # A new image, or any other change of the template, replaces the instances: first one more, then
  # one less, and back to the old template if the new one does not become healthy. Where there may
  # be one only, for instance because the account has no quota for two, the old one goes first.
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = var.size.max == 1 ? 0 : 100
      max_healthy_percentage = var.size.max == 1 ? 100 : 200
      auto_rollback          = true
    }
  }

  # How many there are is the policy's business: no desired_capacity here.
  depends_on = [
    aws_lb_listener.web,
    aws_vpc_security_group_egress_rule.web_https,
    aws_vpc_security_group_ingress_rule.web,
    aws_vpc_security_group_egress_rule.load_balancer,
  ]

  timeouts {
    delete = "15m"
  }
}

resource "aws_autoscaling_policy" "cpu" {
  name                   = "${var.name}-cpu"
  autoscaling_group_name = aws_autoscaling_group.web.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = var.target_cpu
    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}

resource "aws_lb" "web" {
  name                       = var.name
  load_balancer_type         = "application"
  subnets                    = data.aws_subnets.zones.ids
  security_groups            = [aws_security_group.load_balancer.id]
  drop_invalid_header_fields = true
  # Whoever destroys it means it.
  enable_deletion_protection = false
}

resource "aws_lb_target_group" "web" {
  name     = var.name
  vpc_id   = data.aws_vpc.default.id
  protocol = "HTTP"
  port     = local.ports.web
  # An answer takes milliseconds; five minutes, the default, would only delay scale-in.
  deregistration_delay = 30

  health_check {
    path                = "/health"
    port                = "traffic-port"
    protocol            = "HTTP"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "web" {
  load_balancer_arn = aws_lb.web.arn
  protocol          = "HTTP"
  port              = local.ports.public

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}
