#!/bin/sh
# What a release needs of the repository, told before anything is published:
#
#   .github/release.sh check vX.Y.Z    fails unless programs, charts, images and changelog say X.Y.Z
#   .github/release.sh notes vX.Y.Z    the changelog's section of that version
set -eu

cd "$(dirname "$0")/.."
usage() {
  echo "usage: release.sh check|notes vX.Y.Z" >&2
  exit 64
}
[ $# -eq 2 ] || usage
version=${2#v}
case $2 in
  v*.*.*) ;;
  *) usage ;;
esac

# From the version's heading to the next one.
notes() {
  awk -v heading="## $version" '
    index($0, "## ") == 1 { found = ($0 == heading || index($0, heading " ") == 1); next }
    found' CHANGELOG.md
}

check() {
  wrong=0
  says() { # file, what it says, as a grep pattern
    grep -Eq "$2" "$1" || {
      echo "release.sh: $1 does not say $version (no line like '$2')" >&2
      wrong=1
    }
  }
  dots=$(printf %s "$version" | sed 's/\./\\./g')
  says Cargo.toml "^version = \"$dots\"\$"
  for chart in helm/*/Chart.yaml; do
    says "$chart" "^version: \"?$dots\"?\$"
    # Of Prometheus' chart it is Prometheus' version.
    [ "$chart" = helm/monitoring/Chart.yaml ] || says "$chart" "^appVersion: \"?$dots\"?\$"
  done
  says CHANGELOG.md "^## $dots( |\$)"
  [ -n "$(notes | tr -d '[:space:]')" ] || {
    echo "release.sh: CHANGELOG.md has nothing under '## $version'" >&2
    wrong=1
  }
  return "$wrong"
}

case $1 in
  check) check ;;
  notes) notes ;;
  *) usage ;;
esac
