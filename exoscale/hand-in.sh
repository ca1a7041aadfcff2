#!/bin/sh
# Lays the course's hand-in out: Terraform at the top, and one folder per image which is its whole
# build context, as the acceptance tests want it.
#
#   exoscale/hand-in.sh DIRECTORY IMAGE_REGISTRY ADMIN_IP [COMMIT]
#
# The sources are those of COMMIT, by default the last one. DIRECTORY must not exist yet.
set -eu

[ $# -eq 3 ] || [ $# -eq 4 ] || { sed -n '5p' "$0" | cut -c5- >&2; exit 64; }
directory=$1 registry=$2 admin_ip=$3 commit=${4:-HEAD}
mkdir -p "$(dirname "$directory")"
mkdir "$directory"
directory=$(cd "$directory" && pwd)
cd "$(dirname "$0")/.."

for image in servicediscovery autoscaler; do
  mkdir "$directory/$image"
  git archive "$commit" | tar -x -C "$directory/$image"
  cp "$directory/$image/exoscale/$image/Dockerfile" "$directory/$image/Dockerfile"
done
mkdir "$directory/exoscale"
git archive "$commit" exoscale/monitoring exoscale/pool | tar -x -C "$directory"
git archive "$commit" terraform/exoscale | tar -x -C "$directory" --strip-components=2
sed -i 's,\.\./\.\./exoscale,exoscale,' "$directory/user_data.tf"
# Read by itself: the tests give the key and the secret only.
printf 'image_registry = "%s"\nadmin_ip       = "%s"\n' "$registry" "$admin_ip" \
  >"$directory/terraform.tfvars"
