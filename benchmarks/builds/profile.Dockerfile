# Runs models in an instrumented benchmark_model, and merges what it has counted. Named contexts: builder, dist, models.
FROM builder AS run
# LLVM is the version of clang and its tools
ARG LLVM
RUN --network=none \
    --mount=type=bind,from=dist,target=/dist \
    --mount=type=bind,from=models,target=/models \
    --mount=type=bind,target=/profile \
    bash /profile/profile.sh

FROM scratch
COPY --from=run /out /
