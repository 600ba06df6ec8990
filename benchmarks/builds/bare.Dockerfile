# What somebody would do without this project: cmake and ninja, in the same builder, on the same source with the
# same flags. Named contexts: builder, source, superproject, request (CMakePresets.json), toolchains.
FROM builder AS build
# BUILD_ID marks the processes of this run for the sampler
ARG BUILD_ID
# JOBS parallel compile jobs
ARG JOBS
RUN --network=none \
    --mount=type=bind,from=source,target=/tree/source \
    --mount=type=bind,from=superproject,target=/superproject \
    --mount=type=bind,from=request,target=/request \
    --mount=type=bind,from=toolchains,target=/toolchains \
    --mount=type=bind,target=/bare \
    bash /bare/bare-build.sh

FROM scratch
COPY --from=build /out /
COPY --from=build /probe /probe
