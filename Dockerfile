# syntax=docker/dockerfile:1
# The service on Debian 12. The caches hold RocksDB and the dependencies between builds.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY dev/setup dev/setup
RUN dev/setup
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/root/.cache/odometer,sharing=locked \
    dev/cargo build --release --locked --bin odometer \
    && cp /root/.cache/odometer/target/release/odometer /usr/local/bin/odometer

FROM debian:bookworm-slim
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends ca-certificates libssl3 libstdc++6 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/odometer --create-home odometer
COPY --from=build /usr/local/bin/odometer /usr/local/bin/odometer
COPY config/catalog.example.yaml /etc/odometer/catalog.yaml
USER odometer
WORKDIR /var/lib/odometer
ENV ODOMETER_STORE_PATH=/var/lib/odometer/data \
    ODOMETER_HTTP_LISTEN=0.0.0.0:8080
VOLUME /var/lib/odometer
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["odometer"]
CMD ["serve"]
