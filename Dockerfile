# GO_VERSION: `make image` passes the one in go.mod.
ARG GO_VERSION=1.26
# The compiler runs as what the builder is, and compiles for what the image is to be: nothing
# is emulated. Without BuildKit both are empty, and mean the engine's own.
FROM --platform=${BUILDPLATFORM:-linux} golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETARCH
ARG TARGETVARIANT
RUN GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} scripts/build.sh
# For the state file. The user may be another one than the image's.
RUN install -d -m 1777 /root-of-image/var/lib/defib
# Compressed: there is no room for the text.
RUN scripts/licenses.sh >/root-of-image/THIRD_PARTY_LICENSES && gzip -9n /root-of-image/THIRD_PARTY_LICENSES

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="defib" \
      org.opencontainers.image.description="Prometheus exporter for Docker that starts whitelisted containers again when they exit" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /src/LICENSE /src/defib /
COPY --from=build --chown=65534:65534 /root-of-image /
VOLUME /var/lib/defib
# Nobody: the right to the engine's socket comes with --group-add.
USER 65534:65534
EXPOSE 10911
HEALTHCHECK --start-period=10s --timeout=10s CMD ["/defib", "healthcheck"]
ENTRYPOINT ["/defib"]
