#!/bin/sh
# Gets what the chart tests need and no package has, into target/charts; what is there stays:
#
#   venv       Python with PyYAML, jsonschema and the schemas of Kubernetes' own kinds (requirements.txt)
#   bin        helm-docs, which writes the charts' README.md
#   crds       the CRDs of the Prometheus operator and of cert-manager, whose kinds the charts render
#
# Go checks every module against its checksum database.
set -eu
cd "$(dirname "$0")/../.."
home=$PWD/target/charts
mkdir -p "$home/bin"

if ! cmp -s helm/tests/requirements.txt "$home/venv/requirements.txt"; then
  "${PYTHON:-/usr/bin/python3}" -m venv --clear "$home/venv"
  "$home/venv/bin/pip" install --quiet --disable-pip-version-check --requirement helm/tests/requirements.txt
  cp helm/tests/requirements.txt "$home/venv/requirements.txt"
fi

# A folder for each version, so that another one is built when it is asked for.
docs=helm-docs-v1.14.2
[ -x "$home/$docs/helm-docs" ] || GOBIN="$home/$docs" CGO_ENABLED=0 nice -n 10 go install -trimpath -ldflags '-s -w' \
  "github.com/norwoodj/helm-docs/cmd/helm-docs@${docs#helm-docs-}"
ln -sf "../$docs/helm-docs" "$home/bin/helm-docs"

crds() { # module version directory file...
  folder=$home/crds/$(basename "$1")-$2
  [ ! -d "$folder" ] || return 0
  source=$(cd "$home" && go mod download -json "$1@$2" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')/$3
  shift 3
  mkdir -p "$folder.new"
  for file; do
    cp "$source/$file.yaml" "$folder.new"
  done
  mv "$folder.new" "$folder"
}
crds github.com/prometheus-operator/prometheus-operator v0.85.0 example/prometheus-operator-crd \
  monitoring.coreos.com_podmonitors monitoring.coreos.com_prometheusrules monitoring.coreos.com_servicemonitors
crds github.com/cert-manager/cert-manager v1.21.2 deploy/crds cert-manager.io_certificates cert-manager.io_issuers
