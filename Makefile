# The commands people and CI use; nobody keeps a second list.
#
#   make demo    a stock HPA scales the show-case server on a real Kubernetes; a report at the end
#   make demo-exoscale  an instance pool scales by its CPU, on a fake Exoscale; no cluster
#   make demo-aws       a group scales by its CPU as on AWS, from 1 to 2 and back; no account
#   make test    everything to know before pushing, the end-to-end tests included
#   make down    removes the cluster and whatever belonged to it

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TESTBED := target/debug/testbed
# Debian's Python sees Debian's packages; another one in PATH does not.
PYTHON ?= /usr/bin/python3

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## /\1\t/' | expand -t 16

.PHONY: demo
demo: testbed ## show the stock HPA scaling the server up and down; writes target/demo/report.html
	$(TESTBED) demo

.PHONY: demo-exoscale
demo-exoscale: testbed ## show alerts scaling an instance pool; writes target/demo-exoscale/demo.svg
	$(TESTBED) demo-exoscale

.PHONY: demo-aws
demo-aws: testbed ## show target tracking scaling a group by its CPU; writes target/demo-aws/demo.svg
	$(TESTBED) demo-aws

.PHONY: helm
helm: ## install the request counter into kubectl's current cluster; ends on localhost:8083
	helm/requestcounter/install.sh

.PHONY: shell
shell: testbed ## a shell in the cluster's network with kubectl and helm
	$(TESTBED) shell

.PHONY: up
up: testbed ## bring the one-node Kubernetes up
	$(TESTBED) setup
	$(TESTBED) build
	$(TESTBED) up

.PHONY: down
down: testbed ## take the cluster down and leave nothing behind
	$(TESTBED) down

.PHONY: test
test: lint workflows setup documents unit rules compose charts terraform e2e ## everything to know before pushing

# Its own optimisation is not worth the minutes: a check takes seconds either way.
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY_ROOT := target/tools/cargo-deny-$(CARGO_DENY_VERSION)
CARGO_DENY := $(CARGO_DENY_ROOT)/bin/cargo-deny
$(CARGO_DENY):
	CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --locked --debug --root $(CARGO_DENY_ROOT) \
		cargo-deny@$(CARGO_DENY_VERSION)

.PHONY: lint
lint: $(CARGO_DENY) ## formatting, clippy, documentation, dependencies
	cargo fmt --all --check
	$(CARGO_DENY) --locked check --hide-inclusion-graph bans licenses sources
	cargo clippy --workspace --all-targets --features metrics-adapter/otel --quiet -- -D warnings
	cargo clippy --package metrics-adapter --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet

ACTIONLINT_VERSION := 1.7.12
ACTIONLINT := target/tools/actionlint-$(ACTIONLINT_VERSION)/actionlint
$(ACTIONLINT):
	GOBIN=$(CURDIR)/$(@D) go install github.com/rhysd/actionlint/cmd/actionlint@v$(ACTIONLINT_VERSION)

ZIZMOR_VERSION := 1.32.0
ZIZMOR_ROOT := target/tools/zizmor-$(ZIZMOR_VERSION)
ZIZMOR := $(ZIZMOR_ROOT)/bin/zizmor
$(ZIZMOR):
	$(PYTHON) -m venv $(ZIZMOR_ROOT)
	$(ZIZMOR_ROOT)/bin/pip install --quiet --disable-pip-version-check zizmor==$(ZIZMOR_VERSION)

.PHONY: workflows-packages workflows-tools
workflows-packages:
	@if ! command -v shellcheck >/dev/null || ! $(PYTHON) -c 'import ensurepip, yaml' 2>/dev/null; then \
		apt-get update --quiet; \
		apt-get install --yes --quiet --no-install-recommends shellcheck python3-yaml python3-venv; fi
$(ZIZMOR): | workflows-packages
workflows-tools: $(ACTIONLINT) $(ZIZMOR) workflows-packages

.PHONY: workflows
workflows: workflows-tools ## public CI's workflows and all shell scripts, offline
	$(ACTIONLINT)
	$(ZIZMOR) --offline --quiet --persona pedantic .github
	git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck
	$(PYTHON) -m unittest discover --quiet .github/tests

.PHONY: documents
documents: ## links, headings and make targets that documents name; troubleshooting's commands
	$(PYTHON) -m unittest discover --quiet docs/tests

.PHONY: advisories
advisories: $(CARGO_DENY) ## known vulnerabilities of the dependencies; fetches their database from GitHub
	$(CARGO_DENY) --locked check --hide-inclusion-graph advisories

.PHONY: setup
setup: testbed ## install the Debian packages that the tests need; build Kubernetes and Helm
	$(TESTBED) setup
	@$(PYTHON) -c 'import yaml' 2>/dev/null || apt-get install --yes --quiet --no-install-recommends python3-yaml openssl
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || apt-get install --yes --quiet --no-install-recommends python3-venv
	@ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || apt-get install --yes --quiet --no-install-recommends libfaketime
	@command -v chromium chromium-browser google-chrome >/dev/null || apt-get install --yes --quiet --no-install-recommends chromium
	$(TESTBED) build

.PHONY: unit
unit: ## unit and integration tests, with a real Prometheus; a short run of every fuzz target
	cargo test --workspace --features metrics-adapter/otel --quiet

SECONDS ?= 60

.PHONY: fuzz
fuzz: ## long runs of the fuzz targets, guided by coverage; TARGET=access SECONDS=600
	fuzz/run.sh $(SECONDS) $(TARGET)

.PHONY: bench-home
bench-home: ## how long the web role's GET / takes while its burn pool is full
	cargo build --quiet --release --package server --package loadclient
	server/bench-home.sh target/release

SIZE ?= small

.PHONY: bench
bench: ## requests/s, latency, CPU and memory beside a static limit; SIZE=small|medium|large|all ARGS=...
	cargo build --quiet --release --package metrics-adapter --package testbed --bins --example static_limit
	@ls target/testbed/bin/prometheus >/dev/null 2>&1 || target/release/testbed build
	target/release/testbed bench --size $(SIZE) $(ARGS)

.PHONY: golden
golden: ## make the golden vectors and the OpenAPI documents anew, with Go's libraries, prometheus-adapter's and the HPA's code
	cd metrics-adapter/tests/golden/generate && go run . .. ../../../src/api/openapi
	cd metrics-adapter/tests/golden/generate-adapter && go run . ..
	metrics-adapter/tests/golden/generate-autoscaler/generate.sh metrics-adapter/tests/golden

.PHONY: docs
docs: ## write docs/flags.md anew, from the program's flags
	cargo run --quiet --package metrics-adapter --features otel --example flags > target/flags.md
	mv target/flags.md docs/flags.md

.PHONY: reliability
reliability: ## break everything around the adapter; write the table of docs/reliability.md anew
	rm -f target/reliability.md
	cargo test --quiet --package metrics-adapter --test fault || test -f target/reliability.md
	awk 'FNR == NR { table = table $$0 "\n"; next } /^\| fault \|/ { printf "%s", table; skip = 1 } \
		skip && !/^\|/ { skip = 0 } !skip' target/reliability.md docs/reliability.md > target/document.md
	mv target/document.md docs/reliability.md

.PHONY: rules
rules: ## rules and alert routes, with promtool and amtool; the Exoscale images' build files
	promtool check rules prometheus-rules/*.yaml exoscale/monitoring/rules/*.yaml
	promtool test rules prometheus-rules/tests/*.yaml exoscale/monitoring/rules/tests/*.yaml
	$(PYTHON) -m unittest discover --quiet prometheus-rules/tests
	$(PYTHON) -m unittest discover --quiet exoscale/monitoring/tests

.PHONY: compose
compose: ## docker-compose.yml, its configuration files and all dashboards, offline
	$(PYTHON) -m unittest discover --quiet compose/tests
	$(PYTHON) -m unittest discover --quiet grafana/tests

.PHONY: compose-tools
compose-tools: setup ## build Loki, Tempo and the collector; install podman, buildah, podman-compose
	@[ -x /usr/lib/podman/netavark ] || apt-get install --yes --quiet --no-install-recommends \
		podman buildah netavark aardvark-dns busybox-static python3-venv
	compose/tools.sh

.PHONY: compose-check
compose-check: ## the configurations of Loki, Tempo and the collector, by these programs
	target/compose/bin/loki -verify-config -config.file=compose/loki.yaml
	target/compose/bin/tempo -config.verify=true -config.file=compose/tempo.yaml
	target/testbed/bin/collector validate --config=compose/collector.yaml

.PHONY: compose-test
compose-test: ## really run docker-compose.yml with podman, in namespaces of its own
	$(PYTHON) compose/tests/trial.py

.PHONY: docker-compose
docker-compose: ## start the request counter on http://localhost:8083
	compose/compose.sh --profile counter up --build --detach

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
DIST ?= target/dist

.PHONY: dist
dist: ## the repository as committed, one archive in target/dist, with its SHA-256 beside it
	mkdir -p $(DIST)
	git archive --format=tar.gz --prefix=metrics-adapter-$(VERSION)/ \
		--output=$(DIST)/metrics-adapter-$(VERSION).tar.gz HEAD
	cd $(DIST) && sha256sum metrics-adapter-$(VERSION).tar.gz | tee metrics-adapter-$(VERSION).tar.gz.sha256

CYCLONEDX_VERSION := 0.5.9
CYCLONEDX_ROOT := target/tools/cargo-cyclonedx-$(CYCLONEDX_VERSION)
CYCLONEDX := $(CYCLONEDX_ROOT)/bin/cargo-cyclonedx
$(CYCLONEDX):
	CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --locked --debug --root $(CYCLONEDX_ROOT) \
		cargo-cyclonedx@$(CYCLONEDX_VERSION)

.PHONY: sbom
sbom: $(CYCLONEDX) ## a bill of materials (CycloneDX) for each image's program, in target/dist
	.github/sbom.sh $(CYCLONEDX) $(VERSION) $(DIST)

.PHONY: images
images: ## build every image of the Dockerfile, run it, and print the sizes; needs podman and buildah, no Docker
	@[ -x /usr/bin/buildah ] && [ -x /usr/bin/podman ] && [ -x /bin/busybox ] || \
		apt-get install --yes --quiet --no-install-recommends podman buildah runc busybox-static
	$(PYTHON) compose/tests/images.py

.PHONY: docker-images
docker-images: ## build every image of the Dockerfile with Docker, ask each for its version, and print the sizes
	compose/docker-images.sh $(VERSION)

.PHONY: smoke
smoke: ## install the charts into kubectl's current cluster; fails unless the stock HPA scales there
	testbed/smoke.sh

.PHONY: release-check release-notes
release-check: ## does everything say the version of TAG=vX.Y.Z?
	.github/release.sh check $(TAG)
release-notes: ## the changelog's section of TAG=vX.Y.Z
	@.github/release.sh notes $(TAG)

.PHONY: charts
charts: ## the charts, with Helm and the schemas of Kubernetes 1.29 to 1.36
	PYTHON=$(PYTHON) helm/tests/tools.sh
	PATH="$(CURDIR)/target/charts/bin:$(CURDIR)/target/testbed/bin:$$PATH" \
		target/charts/venv/bin/python -m unittest discover --quiet helm/tests

.PHONY: chart-docs
chart-docs: ## write the charts' README.md anew, from their values.yaml
	PYTHON=$(PYTHON) helm/tests/tools.sh
	helm/docs.sh

.PHONY: terraform
terraform: ## format, validation and tests of the Terraform modules, docs/gke.md played; no network, no account
	terraform/check.sh $(TERRAFORM)
	PATH="$(CURDIR)/target/testbed/bin:$$PATH" $(if $(TERRAFORM),TERRAFORM="$(TERRAFORM)") \
		$(PYTHON) -m unittest discover --quiet terraform/tests

.PHONY: e2e
e2e: testbed ## the end-to-end tests on a real cluster, which is taken down afterwards
	trap '$(TESTBED) down' EXIT; $(TESTBED) e2e

KUBERNETES ?= 1.34

.PHONY: test-versions
test-versions: testbed ## the end-to-end tests on an older Kubernetes; KUBERNETES=1.34 SCENARIOS='scaling rbac'
	export TESTBED_KUBERNETES=$(KUBERNETES); $(TESTBED) setup; $(TESTBED) build
	export TESTBED_KUBERNETES=$(KUBERNETES); trap '$(TESTBED) down' EXIT; $(TESTBED) e2e $(SCENARIOS)

.PHONY: testbed
testbed:
	cargo build --quiet --package testbed
