# The runtime image. The context is the folder that holds runtime.tar, the export of runtime-files.

# RUNTIME_BASE scratch or debian
ARG RUNTIME_BASE=scratch

FROM scratch AS runtime-scratch

# A Debian root filesystem with the libraries that the artifact needs, as the named context runtime-base
FROM runtime-base AS runtime-debian

FROM runtime-${RUNTIME_BASE} AS files
# RUNTIME_UID user that the image runs as
ARG RUNTIME_UID
ADD runtime.tar /
USER $RUNTIME_UID:$RUNTIME_UID
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt

FROM files AS image-python
ENTRYPOINT ["/usr/bin/python3"]

FROM files AS image
ENTRYPOINT ["/usr/bin/benchmark_model"]
CMD ["--help"]
