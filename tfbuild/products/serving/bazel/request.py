"""The files that a serving build reads; their form is a contract, docs/explanation/serving.md. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tfbuild.downloads.mirrors import downloader_config
from tfbuild.plan.plan import Plan
from tfbuild.plan.remote.section import cluster_values
from tfbuild.products.serving.bazel.remote import remote_arguments
from tfbuild.products.serving.part import ServingPart


def request_files(plan: Plan[ServingPart]) -> Mapping[str, str]:
    """Name → text of each file in ``request/``. Same plan, same bytes, so the same cache key."""
    part = plan.part
    filenames = {pin.name: pin.filename for pin in plan.pins}
    overrides = (
        "\t".join((each.repository, filenames[each.pin], each.strip_prefix, each.subtree, each.build_file))
        for each in part.overrides
    )
    return {
        "bazel-startup": _lines(part.startup),
        "bazel-args": _lines(part.arguments),
        "bazel-remote": _lines(remote_arguments(plan.remote)),
        "remote": "".join(f"{name}\t{value}\n" for name, value in cluster_values(plan.remote).items()),
        "bazel-targets": _lines(part.targets),
        "bazel-overrides": _lines(overrides),
        "bazel-downloader": downloader_config(plan.mirrors),
        "server-args": _lines(part.server_args),
        **{file.name: file.text for file in part.server_files},
    }


def _lines(values: Iterable[str]) -> str:
    return "".join(f"{value}\n" for value in values)
