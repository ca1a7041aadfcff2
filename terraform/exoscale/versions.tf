terraform {
  # 1.7: tests with a mocked provider.
  required_version = ">= 1.7, < 2.0"

  required_providers {
    exoscale = {
      source  = "exoscale/exoscale"
      version = ">= 0.62, < 1.0"
    }
  }
}
