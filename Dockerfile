# Two stages: build a static binary, ship it on a small Debian with nothing else.
# The image brings no Postgres: give it one with DATABASE_URL (see deploy/compose.yaml).
# The JPEG engine is libjpeg-turbo, linked statically: about 210 kB, and nothing to
# install in the second stage. Without the tag it is Go's own, three times slower.
FROM golang:1.26-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libturbojpeg0-dev libjpeg62-turbo-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=1 go build -trimpath -tags turbojpeg,netgo,osusergo \
    -ldflags "-s -w -linkmode external -extldflags '-static' -X main.version=${VERSION}" -o /keepwatch ./cmd/keepwatch

FROM debian:bookworm-slim
RUN groupadd --system --gid 10001 keepwatch \
 && useradd --system --uid 10001 --gid keepwatch --home-dir /var/lib/keepwatch --create-home keepwatch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /keepwatch /usr/local/bin/keepwatch
# By number, so that a cluster that demands a non-root user can see that it is one.
USER 10001:10001
WORKDIR /var/lib/keepwatch
# The configuration is looked for here by every subcommand, the health check's too.
ENV KEEPWATCH_CONFIG=/etc/keepwatch/keepwatch.yaml KEEPWATCH_DATA_DIR=/var/lib/keepwatch/data
# 8080: the site, 9090: the console. Both listen on loopback until the file says otherwise.
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s CMD ["keepwatch", "health"]
ENTRYPOINT ["keepwatch"]
CMD ["run"]
