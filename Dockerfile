# The server on Debian 12: built in one stage, run by an unprivileged user in the other.
ARG RUST_VERSION=1.94

FROM rust:${RUST_VERSION}-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --locked --release -p countersign

FROM debian:12-slim
# ca-certificates: to check a database's certificate. curl: for the health check. libssl3: TLS and signatures.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/countersign \
        --shell /usr/sbin/nologin countersign \
    && install --directory --owner countersign --group countersign --mode 0700 /var/lib/countersign
COPY --from=build /source/target/release/countersign /usr/local/bin/countersign
COPY config /etc/countersign

ENV COUNTERSIGN_CONFIG_DIR=/etc/countersign \
    COUNTERSIGN_DATA_DIR=/var/lib/countersign \
    COUNTERSIGN_LISTEN=0.0.0.0:8080
USER countersign
WORKDIR /var/lib/countersign
VOLUME /var/lib/countersign
EXPOSE 8080

# The same port speaks TLS or, behind a proxy, plain HTTP.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s \
    CMD curl --fail --silent --insecure --max-time 2 --output /dev/null https://127.0.0.1:8080/healthz \
        || curl --fail --silent --max-time 2 --output /dev/null http://127.0.0.1:8080/healthz \
        || exit 1
ENTRYPOINT ["countersign"]
CMD ["serve"]
