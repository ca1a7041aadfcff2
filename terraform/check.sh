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

# Namespace, name and version in the registry: versions that the modules accept, and whose schemas those are.
for provider in exoscale/exoscale/0.66.1 hashicorp/aws/6.25.0 hashicorp/google/6.50.0; do
  path=${provider%/*} version=${provider##*/}
  built=$work/terraform-provider-${path#*/}
  (cd terraform/tools && CGO_ENABLED=0 go build -trimpath -buildvcs=false \
    -ldflags "-X main.provider=$path" -o "$built" .)
  for registry in registry.terraform.io registry.opentofu.org; do
    folder=$work/plugins/$registry/$provider/$platform
    mkdir -p "$folder"
    cp "$built" "$folder/terraform-provider-${path#*/}_v$version"
  done
done

# In a copy, so that the checkout stays as it is.
rm -rf "$work/copy"
mkdir -p "$work/copy/terraform" "$work/copy/exoscale"
cp -R exoscale/monitoring exoscale/pool "$work/copy/exoscale/"
for module in exoscale aws gke; do
  copy=$work/copy/terraform/$module
  cp -R "terraform/$module" "$copy"
  rm -rf "$copy/.terraform" "$copy"/*.tfstate* "$copy"/*.tfvars "$copy/.terraform.lock.hcl"
  (cd "$copy" && "$program" init -backend=false -input=false -plugin-dir="$work/plugins" >"$work/init.log") || {
    cat "$work/init.log"
    exit 1
  }
  (cd "$copy" && "$program" validate && "$program" test)
done

# A check that lets everything pass is worth nothing: a wrong name, a missing one and a wrong type are found.
# refused FILE SED TEXT: with FILE changed by SED, validate fails and says TEXT.
variants=0
refused() {
  copy=$work/copy/$1
  sed "$2" "$1" >"$copy"
  if cmp -s "$1" "$copy" || (cd "${copy%/*}" && "$program" validate -no-color) >"$work/refused.log" 2>&1; then
    echo "check.sh: validate accepted $1 after sed '$2'" >&2
    exit 1
  fi
  tr -d '\n│' <"$work/refused.log" | grep -q "$3" || {
    cat "$work/refused.log"
    exit 1
  }
  cp "$1" "$copy"
  variants=$((variants + 1))
}
main=terraform/aws/main.tf
refused $main 's/http_tokens /http_token /' 'Unsupported argument'
refused $main 's/target_tracking_configuration {/target_tracking {/' 'Unsupported block type'
refused $main '/target_value /d' 'Missing required argument'
refused $main 's/target_value = .*/target_value = "forty"/' 'a number is required'
refused $main 's/strategy = "Rolling"/strategy = "Rolling"\n    strategies = []/' 'Unsupported argument'
main=terraform/gke/main.tf nodes=terraform/gke/nodes.tf
refused $main 's/workload_pool = /pool = /' 'Unsupported argument'
refused $main 's/workload_identity_config {/workload_identity {/' 'Unsupported block type'
refused $main '/    channel = /d' 'Missing required argument'
refused $nodes 's/max_node_count = .*/max_node_count = "many"/' 'a number is required'
refused $nodes 's/enable_secure_boot /secure_boot /' 'Unsupported argument'
echo "$variants broken variants were refused"
