#!/bin/sh
# Writes the vectors of the HPA's algorithm into a directory: what the stock controller of the
# testbed's Kubernetes itself computes. Its functions are not exported. So its sources, where the
# module cache has them, and ours appear together as one package of the testbed's module, which
# exists for the compiler only (`-overlay`).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=$(cd "$1" && pwd)
cd "$here/../../../../testbed/kubernetes"
theirs=$(go list -f '{{.Dir}}' k8s.io/kubernetes/pkg/controller/podautoscaler)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
	separator='{"Replace":{'
	for file in "$theirs"/*.go "$here"/*_test.go; do
		case $file in "$theirs"/*_test.go) continue ;; esac
		printf '%s"%s/podautoscaler/%s":"%s"' "$separator" "$PWD" "${file##*/}" "$file"
		separator=,
	done
	printf '}}'
} > "$work/overlay.json"
# Built and then run: `go test` would look for the directory that does not exist.
go test -c -vet=off -overlay "$work/overlay.json" -o "$work/generate" ./podautoscaler
VECTORS=$to "$work/generate"
