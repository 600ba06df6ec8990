# What the stages of a recipe are made from: a Debian root filesystem with packages in it. It runs on the machine that
# builds, whatever the target is. A recipe names it as a context; out of a bundle it comes as a root filesystem.
#   base       Debian root filesystem
#   recipe     folder of the recipe: builders/STAGE.sh lists its packages
#   downloads  packages and programs that the plan pins, checked by hash
# No "# syntax=" line: the frontend would have to be downloaded.

# Nothing is pinned where no context takes the place of this stage.
FROM scratch AS downloads

FROM --platform=$BUILDPLATFORM base AS builder
# STAGE of the recipe that this is
ARG STAGE
# BUILD_ARCH Debian's name of the architecture that compiles
ARG BUILD_ARCH
# TARGET_ARCH Debian's name of the architecture that is compiled for
ARG TARGET_ARCH
# TRIPLET GNU triplet of the target
ARG TRIPLET
# BUILD_PACKAGES further packages for the machine that builds, as NAME[=VERSION]
ARG BUILD_PACKAGES
# TARGET_PACKAGES further packages for the target, as NAME[=VERSION]
ARG TARGET_PACKAGES
# PROGRAMS among the downloads, as NAME=FILE
ARG PROGRAMS
RUN --mount=type=bind,source=install-builder.sh,target=/common/install-builder.sh \
    --mount=type=bind,source=list-packages.sh,target=/common/list-packages.sh \
    --mount=type=bind,source=package-hashes.awk,target=/common/package-hashes.awk \
    --mount=type=bind,source=apt.sh,target=/common/apt.sh \
    --mount=type=bind,from=recipe,source=builders,target=/builders \
    --mount=type=bind,from=downloads,target=/downloads \
    --mount=type=secret,id=proxies,target=/run/secrets/proxies \
    --mount=type=secret,id=ca,target=/run/secrets/ca \
    --mount=type=secret,id=apt-auth,target=/run/secrets/apt-auth \
    --mount=type=secret,id=apt-sources,target=/run/secrets/apt-sources \
    bash /common/install-builder.sh
