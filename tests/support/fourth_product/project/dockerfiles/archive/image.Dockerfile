# The runtime image. The context is the folder that holds runtime.tar, the export of runtime-files.
FROM scratch AS image
# RUNTIME_UID user that the image runs as
ARG RUNTIME_UID
ADD runtime.tar /
USER $RUNTIME_UID:$RUNTIME_UID
ENTRYPOINT ["/usr/bin/answer"]
