"""The size of our runtime image beside upstream's recipe: a distribution, ca-certificates, the same server.

    python -m benchmarks.serving_image

The base of the other side is Debian, made by mmdebstrap (minbase) of the suite that the server was linked in:
upstream takes ubuntu from a registry. The server is the miniature one in both, so what differs is around it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.figures import machine, mib, say, table
from benchmarks.lab import HERE, Lab, bake_with, image_removed, open_lab, root_folder
from benchmarks.serving_trial import serving_trial
from benchmarks.trial import Trial
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.base.errors import BuildError
from tfbuild.build.buildkit.bake import root_target
from tfbuild.cli.run import run_command
from tfbuild.engine.facts import RunOptions

_SERVER = "usr/bin/tensorflow_model_server"


@dataclass(frozen=True)
class Size:
    """Bytes and counts of one image."""

    layers: int
    server: int
    files: int
    packages: int
    shells: int


_ROWS: tuple[tuple[str, Callable[[Size], str]], ...] = (
    ("layers, uncompressed", lambda image: mib(image.layers)),
    ("of that the server", lambda image: mib(image.server)),
    ("around the server", lambda image: mib(image.layers - image.server)),
    ("files", lambda image: str(image.files)),
    ("packages with a record", lambda image: str(image.packages)),
    ("shells", lambda image: str(image.shells)),
)


def size_of(lab: Lab, reference: str) -> Size:
    path = lab.scratch / "image.tar"
    try:
        lab.engine.save_image(reference, path)
        with ImageArchive(path) as archive:
            facts, server = archive.facts, len(archive.read(f"/{_SERVER}"))
        return Size(facts.layers_bytes, server, len(facts.files), len(facts.packages), len(facts.shells))
    finally:
        path.unlink(missing_ok=True)


def upstreams(lab: Lab, made: Trial, tag: str) -> None:
    """Make the image of upstream's recipe. Raises :class:`BuildError` when it does not start the server."""
    root = replace(made.plan.root, include=("ca-certificates",))
    recipe = made.project / "dockerfiles"
    target = {
        "context": str(HERE / "builds"),
        "dockerfile": "upstream-runtime.Dockerfile",
        "contexts": {"base": "target:upstream-base", "server": str(made.output / "bin")},
        "output": ["type=docker"],
        "tags": [tag],
    }
    base = root_target(recipe, root_folder(lab, root))
    bake_with(lab, made.plan, {"upstream-base": base, "upstream": target}, made.project)
    ran = lab.engine.run_once(tag, ["--version"], RunOptions(entrypoint=(f"/{_SERVER}",), timeout_s=60))
    if ran.exit_code != 0:
        raise BuildError("the server does not start in the image of upstream's recipe", details=(ran.stderr,))


def report(ours: Size, theirs: Size, suite: str) -> str:
    rows = [(name, *(text(image) for image in (ours, theirs))) for name, text in _ROWS]
    ratio = (ours.layers - ours.server) / (theirs.layers - theirs.server)
    heads = ("", "ours", f"recipe of upstream on Debian {suite}")
    return f"{table(heads, rows)}around the server: {ratio:.2f}\n"


def main(options: argparse.Namespace) -> int:
    with open_lab() as lab, serving_trial(lab, name="image", base=options.config) as made:
        say("building the server and our image")
        made.invoke()
        say("the image of upstream's recipe")
        with image_removed(lab, f"{made.plan.image.tag}-upstream") as tag:
            upstreams(lab, made, tag)
            text = report(size_of(lab, made.plan.image.tag), size_of(lab, tag), made.plan.root.suite)
    sys.stdout.write(f"images of {made.plan.release} {options.config}; {machine()}\n\n{text}")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving_image", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--config", default="opt", help="as for invoke build-serving [opt]")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    sys.exit(run_command(lambda: main(arguments)))
