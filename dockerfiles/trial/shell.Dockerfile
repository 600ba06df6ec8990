# The builder with the tree of a build in it, to look around: invoke shell. The tree is a copy, so that nothing that
# is done to it reaches the next build.
# Named contexts, as the build has them: builder, recipe, request, common, toolchains; an empty folder where the
# build has none.

FROM builder AS shell
# BUILD_ID names the cache mount of the build
ARG BUILD_ID
# SHELL_NONCE changes with every call: the tree changes, and BuildKit does not see it
ARG SHELL_NONCE
RUN --network=none --mount=type=cache,id=tfbuild-tree-$BUILD_ID,target=/mnt/tree,sharing=locked \
    mkdir -p /tree && cp -a /mnt/tree/. /tree/ && echo "$SHELL_NONCE" > /dev/null
COPY --from=recipe / /tfbuild/
COPY --from=request / /request/
COPY --from=common / /common/
COPY --from=toolchains / /toolchains/
WORKDIR /tree
CMD ["/bin/bash"]
