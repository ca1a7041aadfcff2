#!/bin/sh
# Writes every chart's README.md, from its README.md.gotmpl and the comments in its values.yaml, with the
# helm-docs that helm/tests/tools.sh builds. With arguments, these go to helm-docs as well: --dry-run.
set -eu
cd "$(dirname "$0")/.."
exec target/charts/bin/helm-docs --log-level warning --chart-search-root helm --sort-values-order file \
  --template-files ./values.gotmpl --template-files README.md.gotmpl "$@"
