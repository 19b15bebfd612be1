# Two stages: build a static binary, ship it on a small Debian with nothing else.
# The image brings no Postgres: give it one with DATABASE_URL (see deploy/compose.yaml).
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /keepwatch ./cmd/keepwatch

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/keepwatch --create-home keepwatch
COPY --from=build /keepwatch /usr/local/bin/keepwatch
USER keepwatch
WORKDIR /var/lib/keepwatch
ENV KEEPWATCH_DATA_DIR=/var/lib/keepwatch/data
# 8080: the site, 9090: the console. Both listen on loopback until the file says otherwise.
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["keepwatch", "health"]
ENTRYPOINT ["keepwatch"]
CMD ["run", "--config", "/etc/keepwatch/keepwatch.yaml"]
