#!/usr/bin/env bash
# How long GET / takes while its burn pool is full: fills the pool, then asks 100 times a second for
# 20 s. The first line is the load client's report, the others say that the pool was full.
#
#   server/bench-home.sh target/release
set -euo pipefail

bin=${1:-target/release}
web=127.0.0.1:18080 admin=127.0.0.1:18081

"$bin/server" --roles=web --web-address="$web" --admin-address="$admin" --drain-delay-seconds=0 \
    --log-level=warn &
server=$!
trap 'kill "$server"; wait "$server"' EXIT

load() {
    "$bin/loadclient" http --url="http://$web/" --threads=8 --admin-address=127.0.0.1:18082 \
        --log-level=warn "$@"
}

until load --duration=1s --rate=1 | grep -q 'codes=200:'; do :; done
load --duration=1s --rate=400 >/dev/null
load --duration=20s --rate=100
curl --silent "http://$admin/metrics" | grep '^server_hit_burns'
