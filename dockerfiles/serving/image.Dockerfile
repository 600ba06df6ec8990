# The runtime image. The context is the folder that holds runtime.tar, the export of runtime-files.

# RUNTIME_BASE scratch or debian
ARG RUNTIME_BASE=scratch

FROM scratch AS runtime-scratch

# A Debian root filesystem with the libraries that the server needs, as the named context runtime-base
FROM runtime-base AS runtime-debian

FROM runtime-${RUNTIME_BASE} AS image
# RUNTIME_UID user that the image runs as
ARG RUNTIME_UID
ADD runtime.tar /
USER $RUNTIME_UID:$RUNTIME_UID
# The contract of upstream's image: these two variables, these two ports, this folder.
# MODEL_NAME the model that is in the image
ARG MODEL_NAME=model
ENV MODEL_NAME=$MODEL_NAME MODEL_BASE_PATH=/models SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
EXPOSE 8500 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/bin/tf_serving_entrypoint", "--healthcheck"]
ENTRYPOINT ["/usr/bin/tf_serving_entrypoint"]
