#!/usr/bin/env bash
# How long GET / takes while its burn pool is full: fills the pool, then asks 100 times a second for
# 20 s. The first line is the load client's report, the others say that the pool was full. Fails if it
# was not, or if one answer in a hundred takes longer than 50 ms: burns have a lower priority than
# answers, which wait for slices of the scheduler at most, and not for burns to end.
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
report=$(load --duration=20s --rate=100)
burns=$(curl --silent "http://$admin/metrics" | grep '^server_hit_burns')
echo "$report"
echo "$burns"

p99=$(sed -n 's/.* p99_ms=\([0-9.]*\) .*/\1/p' <<<"$report")
waiting=$(sed -n 's/^server_hit_burns_waiting //p' <<<"$burns")
if [[ ${waiting:-0} == 0 ]]; then
    echo "bench-home: no burn waits: the pool was not full" >&2
    exit 1
fi
if ! awk -v p99="${p99:-inf}" 'BEGIN { exit !(p99 ~ /^[0-9.]+$/ && p99 + 0 <= 50) }'; then
    echo "bench-home: p99 is ${p99:-unknown} ms, more than 50 ms" >&2
    exit 1
fi
