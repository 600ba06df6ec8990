"""External repositories of the server."""

load("@bazel_tools//tools/build_defs/repo:git.bzl", "new_git_repository")

def tf_serving_workspace():
    """Declares what the server needs beside TensorFlow."""

    # Upstream clones Boost with its submodules, which no repository cache holds. Nothing is at this address: a
    # build that does not override the repository fails.
    new_git_repository(
        name = "org_boost",
        commit = "b7b1371294b4bdfc8d85e49236ebced114bc1d8f",
        build_file = "//third_party:boost.BUILD",
        init_submodules = True,
        remote = "https://boost.invalid/boost",
    )
