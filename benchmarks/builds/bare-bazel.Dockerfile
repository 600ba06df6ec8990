# What somebody would do without this project: one "bazel build" of the model server, in the same builder, on the
# same source with the same flags, with the network. Named contexts: builder, source, request (bazel-*), archives,
# toolchains.
FROM builder AS build
# BUILD_ID names the cache mount of the output base, as ours has one, and marks the processes for the sampler
ARG BUILD_ID
# LIMITS options of Bazel for jobs and memory, as ours gets them
ARG LIMITS
# BINARY the server, below bazel-bin
ARG BINARY
# FIRST option of a build before the build, or empty
ARG FIRST
RUN --mount=type=cache,id=tfbuild-tree-$BUILD_ID,target=/tree,sharing=locked \
    --mount=type=bind,from=source,target=/source \
    --mount=type=bind,from=request,target=/request \
    --mount=type=bind,from=archives,target=/archives \
    --mount=type=bind,from=toolchains,target=/toolchains \
    --mount=type=bind,target=/bare \
    bash /bare/bare-bazel.sh

FROM scratch
COPY --from=build /out /
