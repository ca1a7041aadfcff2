#!/bin/sh
# docker compose or podman-compose, whichever is there, with docker-compose.yml.
set -eu
cd "$(dirname "$0")/.."
if docker compose version >/dev/null 2>&1; then
  exec docker compose "$@"
fi
PATH=$PATH:$PWD/target/compose/venv/bin
if command -v podman-compose >/dev/null; then
  exec podman-compose "$@"
fi
echo "compose: neither 'docker compose' nor podman-compose is there; see README.md" >&2
exit 1
