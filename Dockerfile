# syntax=docker/dockerfile:1
# One image per program, each one static binary and nothing else. From the repository's root:
#
#   docker build --target server .
#
# Targets: server, loadclient, metrics-adapter, exoscale-sd, exoscale-autoscaler. Only the target's
# own program is compiled. The course of exoscale/ wants a folder with a build file per image and
# has a builder without BuildKit; its files are exoscale/*/Dockerfile.

FROM docker.io/library/rust:1.95.0-bookworm AS source
# The image's own toolchain; rust-toolchain.toml would fetch another one. A static binary, since
# there is no libc in the images below: RUSTFLAGS needs a target, or build scripts and macros would
# be built with it too, and this one is x86_64 or aarch64, wherever the build runs.
ENV RUSTUP_TOOLCHAIN=1.95.0 \
    CARGO_BUILD_TARGET=host-tuple \
    RUSTFLAGS="-C target-feature=+crt-static"
WORKDIR /src
COPY . .

# --- server ---------------------------------------------------------------------------------------
FROM source AS build-server
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo install --locked --path server --bin server --root /out

FROM scratch AS server
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="server" \
      org.opencontainers.image.description="What is scaled, observed and counted: a server with roles" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# For an OTLP receiver with TLS; the client for it does not start without any roots.
COPY --from=build-server /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build-server /out/bin/server /server
USER 65532:65532
# web, metrics, role counter, gRPC; compose puts the metrics on 9090
EXPOSE 8080 8081 8083 9090
ENTRYPOINT ["/server"]

# --- loadclient -----------------------------------------------------------------------------------
FROM source AS build-loadclient
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo install --locked --path loadclient --bin loadclient --root /out

FROM scratch AS loadclient
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="loadclient" \
      org.opencontainers.image.description="Makes load on the server, and probes it" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# It speaks TLS, to a Prometheus for instance.
COPY --from=build-loadclient /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build-loadclient /out/bin/loadclient /loadclient
USER 65532:65532
# its metrics: of grpc; of probe
EXPOSE 8081 8082
ENTRYPOINT ["/loadclient"]

# --- metrics-adapter ------------------------------------------------------------------------------
FROM source AS build-metrics-adapter
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo install --locked --path metrics-adapter --bin metrics-adapter --root /out --features otel

FROM scratch AS metrics-adapter
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="metrics-adapter" \
      org.opencontainers.image.description="Serves Prometheus series to the HorizontalPodAutoscaler" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build-metrics-adapter /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build-metrics-adapter /out/bin/metrics-adapter /metrics-adapter
USER 65532:65532
EXPOSE 6443 8081
ENTRYPOINT ["/metrics-adapter"]

# --- exoscale-sd ----------------------------------------------------------------------------------
FROM source AS build-exoscale-sd
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo install --locked --path exoscale --bin exoscale-sd --root /out \
 && mkdir -p /out/srv/service-discovery

FROM scratch AS exoscale-sd
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="exoscale-sd" \
      org.opencontainers.image.description="Tells Prometheus the members of an Exoscale instance pool" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build-exoscale-sd /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build-exoscale-sd --chown=65532:65532 /out/srv/ /srv/
COPY --from=build-exoscale-sd /out/bin/exoscale-sd /exoscale-sd
USER 65532:65532
EXPOSE 8091
ENTRYPOINT ["/exoscale-sd"]

# --- exoscale-autoscaler --------------------------------------------------------------------------
FROM source AS build-exoscale-autoscaler
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo install --locked --path exoscale --bin exoscale-autoscaler --root /out

FROM scratch AS exoscale-autoscaler
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="exoscale-autoscaler" \
      org.opencontainers.image.description="Grows and shrinks an Exoscale instance pool when alerts say so" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build-exoscale-autoscaler /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build-exoscale-autoscaler /out/bin/exoscale-autoscaler /exoscale-autoscaler
USER 65532:65532
EXPOSE 8090
ENTRYPOINT ["/exoscale-autoscaler"]
