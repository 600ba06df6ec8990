# The runtime image. The context is the folder that holds runtime.tar and application.tar: a layer that all
# applications share, and a small one of its own.

# RUNTIME_BASE scratch or debian
ARG RUNTIME_BASE=scratch

FROM scratch AS runtime-scratch

# A Debian root filesystem with Python in it, as the named context runtime-base
FROM runtime-base AS runtime-debian

FROM runtime-${RUNTIME_BASE} AS image
# RUNTIME_UID user that the image runs as
ARG RUNTIME_UID
ADD runtime.tar /
ADD application.tar /
USER $RUNTIME_UID:$RUNTIME_UID
# HOME and KERAS_HOME: importing Keras writes its settings; where it cannot, it goes on without.
# The NVIDIA variables say to its container runtime what the image wants; for others they mean nothing.
ENV PATH=/usr/local/bin:/usr/bin HOME=/tmp KERAS_HOME=/tmp/.keras KERAS_BACKEND=tensorflow \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
WORKDIR /app
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/keras-entry"]

FROM image AS image-healthcheck
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/keras-entry", "--healthcheck"]

FROM image AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM image-healthcheck AS gpu-healthcheck
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
