#!/bin/sh
# Writes a CycloneDX bill of materials for each program that has an image: what cargo links into it, with versions,
# licences and checksums, from Cargo.lock.
#
#   .github/sbom.sh CARGO-CYCLONEDX VERSION DIRECTORY
set -eu

[ $# -eq 3 ] || {
  echo "usage: sbom.sh CARGO-CYCLONEDX VERSION DIRECTORY" >&2
  exit 64
}
cd "$(dirname "$0")/.."
tool=$1 version=$2 directory=$3
mkdir -p "$directory"

# cargo-cyclonedx writes one file per binary beside each package's Cargo.toml, also of those without an image.
trap 'find . -path ./target -prune -o -name "*_bin.cdx.json" -exec rm {} +' EXIT
"$tool" cyclonedx --quiet --format json --describe binaries --spec-version 1.5 --no-build-deps
targets=$(sed -n 's/^FROM scratch AS //p' Dockerfile)
for program in $targets; do
  written=$(find . -path ./target -prune -o -name "${program}_bin.cdx.json" -print)
  [ -f "$written" ] || {
    echo "sbom.sh: cargo-cyclonedx wrote nothing for $program" >&2
    exit 1
  }
  file=$directory/$program-$version.cdx.json
  mv "$written" "$file"
  # Each names hundreds of crates; one that does not is none.
  components=$(grep -Ec '"purl": ?"pkg:cargo/' "$file")
  [ "$components" -gt 20 ] || {
    echo "sbom.sh: $file names only $components crates" >&2
    exit 1
  }
  echo "$file: $components crates"
done
