# The image of Postroom: nginx, the program and a user of its own. "scripts/image" builds it.
#
#     docker run -e SERVER_URL=http://localhost:8080 -e MOUNT_POINT=/api -p 8080:8080 postroom
#
# With health and metrics for operators, at port 3616 of this machine alone:
#
#     docker run -e OPS_SERVER_HOST=0.0.0.0 -p 8080:8080 -p 127.0.0.1:3616:3616 postroom

ARG SWIFT_IMAGE=swift:6.3-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${SWIFT_IMAGE} AS build
WORKDIR /postroom
COPY packages.txt ./
COPY scripts/install-packages scripts/
RUN scripts/install-packages build
COPY . .
RUN make build && make install PREFIX=/usr DESTDIR=/image && strip /image/usr/bin/postroom

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="Postroom" \
      org.opencontainers.image.description="A self-hosted hub for webhooks: receives, queues, routes and delivers them"
COPY packages.txt /tmp/setup/
COPY scripts/install-packages /tmp/setup/scripts/
# The user's number is fixed, so that a directory of the host can be made to belong to it.
RUN /tmp/setup/scripts/install-packages run \
    && rm -rf /tmp/setup /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && useradd --uid 8080 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin postroom \
    && install -d -o postroom -g postroom -m 750 /data
COPY --from=build /image/ /

ENV APP_HOST=0.0.0.0 DATA_DIR=/data
VOLUME /data
# The second is for operators, and is reached from outside only where OPS_SERVER_HOST says so.
EXPOSE 8080 3616
USER postroom
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["postroom", "health"]
ENTRYPOINT ["postroom"]
CMD ["serve"]
