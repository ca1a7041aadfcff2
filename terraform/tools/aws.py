"""Makes aws.json from the published schema of the AWS provider.

The provider itself is on registry.terraform.io and GitHub only. PyPI has cdktf-cdktf-provider-aws, whose version 21.22.1 is
generated from the provider's 6.25.0; cdktf.py says how it is read:

    pip download --no-deps cdktf-cdktf-provider-aws==21.22.1
    python3 aws.py cdktf_cdktf_provider_aws-21.22.1-py3-none-any.whl > aws.json
"""

import sys

import cdktf

RESOURCES = (
    "aws_autoscaling_group",
    "aws_autoscaling_policy",
    "aws_launch_template",
    "aws_lb",
    "aws_lb_listener",
    "aws_lb_target_group",
    "aws_security_group",
    "aws_vpc_security_group_egress_rule",
    "aws_vpc_security_group_ingress_rule",
)
DATA_SOURCES = ("aws_ssm_parameter", "aws_subnets", "aws_vpc")
# Optional arguments that the provider fills in and on which the module or its tests depend.
FILLED_IN = {"aws_autoscaling_group": ("desired_capacity",)}

if __name__ == "__main__":
    cdktf.convert(sys.argv[1], "aws", RESOURCES, DATA_SOURCES, FILLED_IN)
