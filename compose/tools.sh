#!/bin/sh
# Builds what `make compose-check` and `make compose-test` need and no package has: Loki and Tempo
# from their Go modules, and podman-compose from PyPI. Into target/compose; what is there stays.
#
# Go checks every module's content: Loki's against its checksum database, which does not know
# Tempo's commit, so its sums (of grafana/grafana's go.sum, which requires the same) are below.
set -eu
cd "$(dirname "$0")/.."
home=$PWD/target/compose
mkdir -p "$home/bin" "$home/venv"

if ! command -v podman-compose >/dev/null && [ ! -x "$home/venv/bin/podman-compose" ]; then
  python3 -m venv "$home/venv"
  "$home/venv/bin/pip" install --quiet podman-compose==1.6.0
fi

# A command of a module with replace directives only builds as the main module: in a copy.
build() { # program module version directory-of-main
  [ ! -x "$home/bin/$1" ] || return 0
  source=$(cd "$home/download" && go mod download -json "$2@$3" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  rm -rf "$home/${1:?}"
  cp -r "$source" "$home/$1"
  chmod -R u+w "$home/$1"
  (
    cd "$home/$1"
    rm -rf vendor
    # Loki's pkg/push is a module of its own, which the copy lacks and the proxy has.
    [ "$1" != loki ] || go mod edit -dropreplace github.com/grafana/loki/pkg/push
    CGO_ENABLED=0 nice -n 15 go build -mod=mod -buildvcs=false -p 1 -trimpath -ldflags '-s -w' \
      -o "$home/bin/$1" "./$4"
  )
  rm -rf "$home/${1:?}"
}

mkdir -p "$home/download"
cat >"$home/download/go.mod" <<'EOF'
module download

go 1.26

require github.com/grafana/tempo v1.5.1-0.20241001135150-ed943d7a56b2
EOF
cat >"$home/download/go.sum" <<'EOF'
github.com/grafana/tempo v1.5.1-0.20241001135150-ed943d7a56b2 h1:XMreZ1SPjLpd9zhql5FXKFYwAcgBzS2E2MOPx4n+FyY=
github.com/grafana/tempo v1.5.1-0.20241001135150-ed943d7a56b2/go.mod h1:UKONJhBCxmL+0ri27VMledCVzZIJqnl6Ah24A5vCRzs=
EOF
build loki github.com/grafana/loki/v3 v3.7.8 cmd/loki
# The commit of 2024-10-01, between 2.6.0 and 2.6.1: Tempo's own tags are no Go versions.
build tempo github.com/grafana/tempo v1.5.1-0.20241001135150-ed943d7a56b2 cmd/tempo
