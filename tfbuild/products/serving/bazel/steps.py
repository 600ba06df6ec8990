"""The steps that only a model server's build has."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from tfbuild.artifacts.git_tree import require_git_id
from tfbuild.base.errors import BuildError, DownloadError
from tfbuild.build.hints import cause_of
from tfbuild.build.run import Run
from tfbuild.build.steps import (
    bake_targets,
    copy_patches,
    empty_folders,
    explained,
    unpack_source,
    write_fetch_log,
)
from tfbuild.machine.files import mark_files
from tfbuild.products.serving.bazel.request import request_files
from tfbuild.products.serving.part import ServingPart

# What every Bazel says: DownloadManager.java and StarlarkBaseExternalContext.java.
_DOWNLOAD = "Error downloading ["
ARTIFACTS = ("bin/tensorflow_model_server", "bin/tf_serving_entrypoint")
# Why a build with servers of its own fails.
CAUSES = (
    cause_of(
        "remote cache of Bazel",
        "the remote cache no longer has what it said it has: run the same command again, or leave the cache "
        "out with '--set remote.cache=null'",
        r"^tfbuild: Bazel ended with exit code 39\b",
        r"Failed to fetch blobs because they do not exist remotely",
    ),
    # ClientApiVersion.java; 7.7.1 still speaks 2.0 alone, and 2.1 broke servers when it was tried in 6.3:
    # https://github.com/bazelbuild/bazel/pull/18270
    cause_of(
        "cluster of another version of the API",
        "the cluster and this release's Bazel have no version of the Remote Execution API in common: take a "
        "server that still speaks the older one (Bazel until 7.7 knows 2.0 only; BuildGrid does, and "
        "examples/cluster/buildgrid starts one), or a cache by http:// or https:// "
        "('--set remote.executor=null --set remote.cache=https://…')",
        r"The client supported API versions, .* is not supported by the server",
    ),
    cause_of(
        "Bazel without TLS",
        "this Bazel has no TLS for gRPC, as Debian's bazel-bootstrap 7.7.1; upstream's has: take a release "
        "that is built with it, or reach the cluster by grpc:// ('--set remote.executor=grpc://HOST:PORT "
        "--set remote.insecure=true'), or compile here ('--set remote.executor=null')",
        r"Failed to init TLS infrastructure: JDK provider does not support ALPN",
    ),
    cause_of(
        "remote cache or executor out of reach",
        "Bazel could not use its remote cache or executor: check that the address is right and can be "
        "reached from a container, compile here what it does not ('--set remote.fallback=local'), or "
        "leave it out with '--set remote.cache=null --set remote.executor=null'",
        r"^tfbuild: Bazel ended with exit code 34\b",
        r"Failed to query remote execution capabilities",
    ),
)


def fetch(run: Run[ServingPart]) -> str:
    """Downloads, the source, and what BuildKit gets to see of them."""
    plan, layout = run.plan, run.layout
    run.downloads = run.effects.fetch_all(plan.pins, plan.unhashed)
    unpack_source(run)
    empty_folders(layout.request, layout.downloads, layout.archives, layout.model, layout.out)
    layout.repositories.mkdir(parents=True, exist_ok=True)
    for name, text in request_files(plan).items():
        (layout.request / name).write_text(text)
    copy_patches(run)
    for pin in plan.pins:
        if pin.name == plan.tree.name:
            continue
        place = layout.downloads if pin.name == plan.part.bazel.pin else layout.archives
        shutil.copyfile(run.downloads[pin.name], place / pin.filename)
    model = plan.part.model
    if model:
        require_git_id(Path(model.path), model.tree, "the model")
        shutil.copytree(Path(model.path), layout.model / model.name)
        mark_files(layout.model)
    return write_fetch_log(run)


def fetch_dependencies(run: Run[ServingPart]) -> str:
    """Bazel looks at its flags and targets, and fetches all that they need.

    :raises DownloadError: a download of Bazel's failed.
    :raises BuildError: anything else did.
    """
    try:
        bake_targets(run, ("fetch",), run.log("fetch-deps"), BuildError)
    except BuildError as error:
        found = explained(run, error)
        if found.log and found.log.exists() and _DOWNLOAD in found.log.read_text(errors="replace"):
            raise DownloadError(
                "Bazel could not download what the build needs",
                details=found.details,
                hint=found.hint or "with a mirror: TFBUILD_MIRRORS, or the key 'mirrors' of a configuration",
                log=found.log,
            ) from error
        raise found from error
    return "flags and targets are known to Bazel"


def repositories(run: Run[ServingPart]) -> Iterator[tuple[str, Path]]:
    """What Bazel took from its repository cache when it fetched everything anew, without a network: where
    each file belongs below our cache, and where it is.

    :raises BuildError: Bazel needs something that no cache can hold.
    """
    folder = run.layout.collected
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        bake_targets(run, ("collect-repositories",), run.log("collect-repositories"), BuildError)
    except BuildError as error:
        raise BuildError(
            "Bazel needs something that its repository cache does not hold: this build cannot be bundled",
            details=error.details,
            hint="a repository rule without a hash, or one that runs git: override it, as for org_boost",
            log=error.log,
        ) from error
    place = run.layout.repositories.relative_to(run.layout.cache)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield (place / path.relative_to(folder)).as_posix(), path
