# What holds of every plan, with the provider mocked: no network, no account.

mock_provider "aws" {
  mock_data "aws_vpc" {
    defaults = { id = "vpc-0123456789abcdef0" }
  }
  mock_data "aws_subnets" {
    defaults = { ids = ["subnet-a", "subnet-b", "subnet-c"] }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { insecure_value = "ami-0123456789abcdef0" }
  }
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-2:1:loadbalancer/app/api/1", dns_name = "api-1.us-east-2.elb.amazonaws.com" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-2:1:targetgroup/api/1" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 7 }
  }
}

variables {
  image_registry = "registry.example/team"
}

run "first_apply" {
  assert {
    # The provider fills desired_capacity in, so only the text tells that nobody sets it.
    condition = aws_autoscaling_group.web.min_size == 1 && aws_autoscaling_group.web.max_size == 2 && (
      length(regexall("(?m)^\\s*desired_capacity\\s*=", file("main.tf"))) == 0
    )
    error_message = "one instance to two; with a number of its own an apply would undo what the policy has decided"
  }
  assert {
    condition     = aws_autoscaling_group.web.vpc_zone_identifier == toset(["subnet-a", "subnet-b", "subnet-c"])
    error_message = "the group spreads over all zones"
  }
  assert {
    condition = aws_autoscaling_policy.cpu.policy_type == "TargetTrackingScaling" && (
      aws_autoscaling_policy.cpu.target_tracking_configuration[0].target_value == 40 &&
      aws_autoscaling_policy.cpu.target_tracking_configuration[0].predefined_metric_specification[0].predefined_metric_type == "ASGAverageCPUUtilization"
    )
    error_message = "40 % of the group's CPU are tracked"
  }
  assert {
    condition     = aws_autoscaling_group.web.health_check_type == "ELB" && aws_autoscaling_group.web.target_group_arns == toset([aws_lb_target_group.web.arn])
    error_message = "the load balancer's health checks decide"
  }
  assert {
    condition = one([for check in aws_lb_target_group.web.health_check : [check.path, check.matcher, check.port]]) == ["/health", "200", "traffic-port"] && (
      aws_lb_target_group.web.port == 8080
    )
    error_message = "health is /health on 8080"
  }
  assert {
    condition     = aws_lb_listener.web.port == 80 && aws_lb_listener.web.default_action[0].target_group_arn == aws_lb_target_group.web.arn
    error_message = "the load balancer listens on 80 and forwards to the group"
  }
  assert {
    condition     = output.url == "http://api-1.us-east-2.elb.amazonaws.com/" && strcontains(output.next, "terraform destroy")
    error_message = "the outputs tell where it is, and how to end it"
  }
}

run "a_change_of_the_template_replaces_the_instances" {
  assert {
    # A number and not $Latest: otherwise the group would not change with the template.
    condition     = aws_autoscaling_group.web.launch_template[0].version == "7"
    error_message = "the group follows the template's newest version by its number"
  }
  assert {
    condition = aws_autoscaling_group.web.instance_refresh[0].strategy == "Rolling" && (
      aws_autoscaling_group.web.instance_refresh[0].preferences[0].min_healthy_percentage == 100 &&
      aws_autoscaling_group.web.instance_refresh[0].preferences[0].max_healthy_percentage == 200 &&
      aws_autoscaling_group.web.instance_refresh[0].preferences[0].auto_rollback
    )
    error_message = "never fewer than there were, and back if it fails"
  }
}

run "the_only_instance_is_replaced_without_a_second_one" {
  command = plan
  variables {
    size = { max = 1 }
  }
  assert {
    condition = aws_autoscaling_group.web.instance_refresh[0].preferences[0].min_healthy_percentage == 0 && (
      aws_autoscaling_group.web.instance_refresh[0].preferences[0].max_healthy_percentage == 100
    )
    error_message = "never more than one"
  }
}

run "the_template" {
  assert {
    condition = aws_launch_template.web.metadata_options[0].http_tokens == "required" && (
      aws_launch_template.web.metadata_options[0].http_put_response_hop_limit == 1
    )
    error_message = "metadata by IMDSv2 only, and for no container"
  }
  assert {
    condition     = aws_launch_template.web.monitoring[0].enabled
    error_message = "a data point a minute"
  }
  assert {
    condition     = aws_launch_template.web.block_device_mappings[0].ebs[0].encrypted == "true"
    error_message = "the volume is encrypted"
  }
  assert {
    condition     = aws_launch_template.web.instance_type == "t3.micro" && aws_launch_template.web.credit_specification[0].cpu_credits == "unlimited"
    error_message = "a t3.micro that may go on when its credits are used up"
  }
  assert {
    condition     = aws_launch_template.web.key_name == null && aws_launch_template.web.image_id == "ami-0123456789abcdef0"
    error_message = "the published image, and no key"
  }
  assert {
    condition     = toset([for it in aws_launch_template.web.tag_specifications : it.resource_type]) == toset(["instance", "volume"])
    error_message = "instances and volumes are tagged"
  }
}

run "no_credits_where_there_are_none" {
  command = plan
  variables {
    instance_type = "c7i.large"
  }
  assert {
    condition     = length(aws_launch_template.web.credit_specification) == 0
    error_message = "c7i knows no credits"
  }
}

run "user_data_starts_the_versioned_image" {
  variables {
    image_tag   = "1.2.3"
    server_args = ["--load-limit=100"]
  }
  assert {
    condition     = startswith(base64decode(aws_launch_template.web.user_data), "#cloud-config\n")
    error_message = "user data is cloud-config"
  }
  assert {
    condition     = yamldecode(base64decode(aws_launch_template.web.user_data)).packages == ["docker"]
    error_message = "Docker is installed"
  }
  assert {
    condition = strcontains(yamldecode(base64decode(aws_launch_template.web.user_data)).write_files[0].content,
      "docker pull --quiet registry.example/team/server:1.2.3"
    )
    error_message = "the image is pulled by its version"
  }
  assert {
    condition = alltrue([for part in ["--publish 8080:8080", "--read-only", "--cap-drop ALL", "registry.example/team/server:1.2.3 --roles=web --load-limit=100\n"] :
      strcontains(replace(yamldecode(base64decode(aws_launch_template.web.user_data)).write_files[0].content, "&& exec ", "\n"), part)
    ])
    error_message = "the container has the role web, and no rights"
  }
  assert {
    condition     = length(aws_launch_template.web.user_data) < 16384
    error_message = "user data is too long for EC2"
  }
}

run "only_the_load_balancer_reaches_the_instances" {
  assert {
    condition = aws_vpc_security_group_ingress_rule.web.referenced_security_group_id == aws_security_group.load_balancer.id && (
      aws_vpc_security_group_ingress_rule.web.cidr_ipv4 == null && aws_vpc_security_group_ingress_rule.web.from_port == 8080 &&
      aws_vpc_security_group_ingress_rule.web.to_port == 8080
    )
    error_message = "8080, from the load balancer"
  }
  assert {
    condition = aws_vpc_security_group_egress_rule.load_balancer.referenced_security_group_id == aws_security_group.web.id && (
      aws_vpc_security_group_egress_rule.load_balancer.cidr_ipv4 == null
    )
    error_message = "the load balancer reaches the instances only"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.web_https.from_port == 443 && aws_vpc_security_group_egress_rule.web_https.to_port == 443
    error_message = "the instances reach HTTPS only"
  }
  assert {
    condition     = aws_launch_template.web.vpc_security_group_ids == toset([aws_security_group.web.id]) && aws_lb.web.security_groups == toset([aws_security_group.load_balancer.id])
    error_message = "each has its own group, and no other"
  }
}

run "clients_are_those_that_were_allowed" {
  command = plan
  variables {
    allowed_cidrs = ["198.51.100.7/32", "203.0.113.0/24"]
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.load_balancer : rule.cidr_ipv4]) == toset(["198.51.100.7/32", "203.0.113.0/24"])
    error_message = "these two networks, and nobody else"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.load_balancer : rule.from_port == 80 && rule.to_port == 80])
    error_message = "port 80 only"
  }
}

run "a_region_without_these_zones_is_told" {
  command = plan
  variables {
    zones = ["eu-west-1a", "eu-west-1b"]
  }
  expect_failures = [data.aws_subnets.zones]
}

run "nonsense_is_refused" {
  command = plan
  variables {
    image_registry = "ghcr.io/you/"
    image_tag      = "latest"
    name           = "internal-api"
    zones          = ["us-east-2a"]
    allowed_cidrs  = ["198.51.100.7"]
    instance_type  = "t4g.micro"
    cpu_credits    = "many"
    disk_size      = 4
    size           = { min = 3 }
    target_cpu     = 0.4
    grace_period   = 5
    warmup         = -1
    server_args    = ["--roles=web; reboot"]
  }
  expect_failures = [
    var.image_registry, var.image_tag, var.name, var.zones, var.allowed_cidrs, var.instance_type, var.cpu_credits,
    var.disk_size, var.size, var.target_cpu, var.grace_period, var.warmup, var.server_args,
  ]
}

run "zones_of_two_regions_are_refused" {
  command = plan
  variables {
    zones = ["us-east-2a", "us-east-1b"]
  }
  expect_failures = [var.zones]
}
