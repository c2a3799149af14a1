# docker build --build-arg VERSION=v1.0.0 -t gate451 .
FROM golang:1.26.9-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X gate451/gateway.Version=$VERSION" -o /out/gate451 ./gateway/cmd/gate451
RUN mkdir /out/state

FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=devel
LABEL org.opencontainers.image.title="gate451" \
      org.opencontainers.image.description="Dated rules on what may be sold to, or updated in, which country: 451 where they forbid it, the shop untouched where they do not" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /out/gate451 /gate451
# Where the embedded database comes from and the licence under which it is passed on.
COPY gateway/geoip/data/NOTICE /NOTICE
# Where the evidence and the fleet's last good policy may be kept; a volume that is mounted there takes over its owner.
COPY --from=build --chown=nonroot:nonroot /out/state /var/lib/gate451
USER nonroot
EXPOSE 8080 9451
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/gate451", "healthcheck"]
ENTRYPOINT ["/gate451"]
CMD ["serve", "--config", "/etc/gate451/gateway.yaml"]
