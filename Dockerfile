# The server as one static file, without a shell, run by an ordinary user.
#
#     docker build -t qorgau .
#
# The embedded PostgreSQL is not in here: give DATABASE_URL (docker-compose.yml does).
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
# -trimpath: the same source gives the same file, whatever the path it was built in.
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /qorgau ./cmd/qorgau

FROM scratch
# Firebase is reached by TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /qorgau /qorgau
USER 65532:65532
ENV QORGAU_ADDR=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD ["/qorgau", "health"]
ENTRYPOINT ["/qorgau"]
CMD ["serve"]
