# Clients reach the load balancer, the load balancer reaches the instances, and they reach HTTPS:
# the registry and Amazon Linux' repositories. Everything else is closed, SSH included. Name
# resolution, time and metadata are AWS' own and pass every security group.
resource "aws_security_group" "load_balancer" {
  name        = "${var.name}-load-balancer"
  description = "The load balancer of ${var.name}"
  vpc_id      = data.aws_vpc.default.id
}

resource "aws_security_group" "web" {
  name        = "${var.name}-web"
  description = "The instances of ${var.name}"
  vpc_id      = data.aws_vpc.default.id
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer" {
  for_each = toset(var.allowed_cidrs)

  security_group_id = aws_security_group.load_balancer.id
  description       = "HTTP, from clients"
  ip_protocol       = "tcp"
  cidr_ipv4         = each.value
  from_port         = local.ports.public
  to_port           = local.ports.public
}

resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "Requests and health checks, to the instances"
  ip_protocol                  = "tcp"
  referenced_security_group_id = aws_security_group.web.id
  from_port                    = local.ports.web
  to_port                      = local.ports.web
}

resource "aws_vpc_security_group_ingress_rule" "web" {
  security_group_id            = aws_security_group.web.id
  description                  = "Requests and health checks, from the load balancer"
  ip_protocol                  = "tcp"
  referenced_security_group_id = aws_security_group.load_balancer.id
  from_port                    = local.ports.web
  to_port                      = local.ports.web
}

resource "aws_vpc_security_group_egress_rule" "web_https" {
  security_group_id = aws_security_group.web.id
  description       = "HTTPS, to the registry and to the repositories of packages"
  ip_protocol       = "tcp"
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = local.ports.https
  to_port           = local.ports.https
}
