#!/bin/sh
# Format, validation and tests of the Terraform modules, without network and account:
#
#   terraform/check.sh [TERRAFORM]
#
# TERRAFORM is terraform 1.7 or later, or OpenTofu 1.8 or later; without it, the terraform in PATH,
# or else OpenTofu, built from its Go module (once; ten minutes on two busy cores). The provider is
# terraform/tools, its published schema and nothing else. Everything happens in target/terraform.
set -eu

cd "$(dirname "$0")/.."
work=$PWD/target/terraform
program=${1:-$(command -v terraform || true)}
if [ -z "$program" ]; then
  program=$work/tofu
  (cd terraform/opentofu && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' \
    -o "$program" github.com/opentofu/opentofu/cmd/tofu)
fi
platform=$(go env GOOS)_$(go env GOARCH)
# Nothing of the caller's own configuration may have a say.
export TF_CLI_CONFIG_FILE="$work/terraformrc" CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1
unset TF_CLI_ARGS TF_WORKSPACE TF_DATA_DIR TF_PLUGIN_CACHE_DIR

mkdir -p "$work"
: >"$TF_CLI_CONFIG_FILE"
"$program" version
"$program" fmt -check -diff -recursive terraform

# A version that the modules accept; the schema is of 0.66.1.
for registry in registry.terraform.io registry.opentofu.org; do
  folder=$work/plugins/$registry/exoscale/exoscale/0.66.1/$platform
  mkdir -p "$folder"
  (cd terraform/tools && CGO_ENABLED=0 go build -trimpath -buildvcs=false \
    -o "$folder/terraform-provider-exoscale_v0.66.1" .)
done

# In a copy, so that the checkout stays as it is.
rm -rf "$work/copy"
mkdir -p "$work/copy/terraform" "$work/copy/exoscale"
cp -R terraform/exoscale "$work/copy/terraform/"
rm -rf "$work/copy/terraform/exoscale/.terraform" "$work"/copy/terraform/exoscale/*.tfstate* \
  "$work"/copy/terraform/exoscale/*.tfvars "$work/copy/terraform/exoscale/.terraform.lock.hcl"
cp -R exoscale/monitoring exoscale/pool "$work/copy/exoscale/"
cd "$work/copy/terraform/exoscale"
"$program" init -backend=false -input=false -plugin-dir="$work/plugins" >"$work/init.log" || {
  cat "$work/init.log"
  exit 1
}
"$program" validate
"$program" test
