"""A real model server, measured: start, latency and throughput beside TensorFlow in Python, and a long run.

    invoke build-serving --from wheel
    python -m benchmarks.serving_real --dist dist/serving/2.20.0-wheel/opt/amd64

The models are those of the smoke test. The long run (``--requests``) asks through gRPC and REST at the same
time, while a second version of the model appears in its folder: each answer has to be that of one version or
the other, none may be missing, and nobody who has seen the new one may see the old one again. Python's side
needs TensorFlow of the same release in this Python, or in the one that ``--python`` names; it runs in a
container of the server's image, with this machine's /usr and that Python mounted over it. ``--build RELEASE``
compiles first, without ccache, and tells time and memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import Spread, Target, machine, mib, say, table
from benchmarks.lab import PROJECT, Lab, open_lab
from benchmarks.sampler import sampled
from tfbuild.base.errors import BuildError, UsageError
from tfbuild.cli.run import run_command
from tfbuild.plan.words import Words, host_arch
from tfbuild.products.table import plan_of

sys.path.append(str(PROJECT / "examples" / "serving"))

# Users copy the folder; it is no package.
from client import Failed, Grpc, Rest  # type: ignore[import-not-found]
from load import measure, percentile  # type: ignore[import-not-found]

_SMOKE = PROJECT / "dockerfiles" / "serving" / "smoke"
_START_S = 120.0
_GRPC_CLIENTS, _REST_CLIENTS = 6, 4
_CALLS = 2000


@dataclass(frozen=True)
class Ports:
    """Where a server is on this machine."""

    grpc: int
    rest: int


@dataclass
class Soak:
    """What the clients of the long run saw."""

    answers: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    back: int = 0


def docker(lab: Lab, *words: str) -> str:
    """What ``docker`` printed. Raises :class:`BuildError`."""
    ran = lab.runner.capture(["docker", *words], timeout_s=300)
    if not ran.ok:
        raise BuildError(f"docker {words[0]} ended with {ran.returncode}", details=(ran.stderr.strip(),))
    return ran.stdout.strip()


@contextmanager
def serving(lab: Lab, image: str, models: Path, model: str) -> Iterator[tuple[str, Ports]]:
    """A container of ``image``, as upstream documents it, and its ports; gone afterwards."""
    name = docker(
        lab, "run", "--detach", "--read-only", "--publish=127.0.0.1::8500", "--publish=127.0.0.1::8501",
        f"--volume={models}:/models:ro", f"--env=MODEL_NAME={model}", image,
        "--file_system_poll_wait_seconds=1",
        # By default it refuses what comes while four requests for each CPU are answered.
        "--grpc_max_threads=64",
    )  # fmt: skip
    try:
        found = json.loads(docker(lab, "inspect", "--format={{json .NetworkSettings.Ports}}", name))
        yield name, Ports(*(int(found[f"{port}/tcp"][0]["HostPort"]) for port in (8500, 8501)))
    finally:
        docker(lab, "rm", "--force", "--volumes", name)


def wait_for(ports: Ports, model: str, version: int) -> None:
    """Until ``version`` of ``model`` is AVAILABLE. Raises :class:`BuildError`."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with suppress(Failed):
            rest = Rest("127.0.0.1", ports.rest)
            found = rest.ask("GET", f"/v1/models/{model}")["model_version_status"]
            rest.close()
            if any(each["version"] == str(version) and each["state"] == "AVAILABLE" for each in found):
                return
        time.sleep(0.01)
    raise BuildError(f"version {version} of {model} did not get AVAILABLE within {_START_S:.0f} s")


def case_of(model: str, version: int = 1) -> dict[str, Any]:
    cases = json.loads((_SMOKE / "cases.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = next(
        each for each in cases if (each["model"], each["version"]) == (model, version)
    )
    return found


def inputs_of(case: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _nested(each["values"], each["shape"]) for name, each in case["inputs"].items()}


def _nested(values: list[Any], shape: list[int]) -> Any:
    size = len(values) // shape[0]
    parts = [values[at * size : (at + 1) * size] for at in range(shape[0])]
    return [_nested(part, shape[1:]) if shape[1:] else part[0] for part in parts]


# -- compile and start -----------------------------------------------------------------------------


def build(lab: Lab, release: str) -> str:
    """Compile ``release`` without ccache into the lab; a line about it. Its image stays in the engine."""
    sets = ("compile.ccache=false",)
    words_of = Words(release=release, sets=sets)
    plan = plan_of(PROJECT, "serving", words_of, env=os.environ, build_arch=host_arch())
    words = [f"--release={release}", f"--set={sets[0]}", f"--output={lab.scratch / 'dist'}"]
    with sampled(plan.build_id) as usage:
        argv = [sys.executable, "-m", "invoke", "build-serving", *words]
        done = lab.runner.run(argv, cwd=PROJECT, log=lab.scratch / "build.log")
    if not done.ok:
        raise BuildError(f"invoke build-serving ended with {done.returncode}", details=done.tail[-20:])
    peak = mib(usage.build_peak) if usage.build_peak else "unknown"
    cpu = f"{usage.cpu_s:.0f} s" if usage.cpu_s else "unknown"
    return f"build: {done.duration_s:.0f} s, CPU {cpu}, peak memory of the compile {peak}\n"


def starts(lab: Lab, image: str, rounds: int) -> Spread:
    """Seconds from ``docker run`` to AVAILABLE."""
    seconds = []
    for _ in range(rounds + 1):  # the first fills the page cache
        began = time.perf_counter()
        with serving(lab, image, _SMOKE / "models", "convolution") as (_, ports):
            wait_for(ports, "convolution", 1)
            seconds.append(time.perf_counter() - began)
    return Spread.of(seconds[1:])


# -- latency and throughput ------------------------------------------------------------------------


def loads(ports: Ports, seconds: float) -> Iterator[tuple[str, ...]]:
    """A line for each way to ask and number of clients."""
    inputs = inputs_of(case_of("convolution"))
    rest = Rest("127.0.0.1", ports.rest)
    types = rest.types("convolution")
    rest.close()

    def asker(api: str) -> Callable[[], object]:
        if api == "REST":
            own = Rest("127.0.0.1", ports.rest)
            return lambda: own.predict("convolution", inputs)
        grpc = Grpc("127.0.0.1", ports.grpc)
        request = grpc.request("convolution", inputs, types)
        return lambda: grpc.send(request)

    for api in ("gRPC", "REST"):
        for clients in (1, 4):
            asks = [asker(api) for _ in range(clients)]
            for _ in range(50):
                asks[0]()
            heard, took, cpu = measure(asks, seconds)
            times = [each for one in heard for each in one.seconds]
            failed = sum(len(one.failed) for one in heard)
            yield _line(
                f"{api}, {clients} clients", times, took, f"{failed} failed, asking took {cpu / took:.0%}"
            )


def _line(name: str, times: list[float], took: float, note: str) -> tuple[str, ...]:
    middle, late = (f"{percentile(times, share) * 1000:.2f}" for share in (0.5, 0.99))
    return (name, middle, late, f"{len(times) / took:.0f}", note)


def in_python(lab: Lab, image: str, python: str) -> tuple[str, ...]:
    """The same question to the same model, loaded by TensorFlow in Python, in a container of ``image``."""
    program = PROJECT / "benchmarks" / "in_container" / "ask_saved_model.py"
    model = _SMOKE / "models" / "convolution" / "1"
    prefixes = lab.runner.capture([python, "-c", "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"])
    folders = {"/usr", "/lib", "/lib64", str(PROJECT), *prefixes.stdout.split()}
    words = [
        *("docker", "run", "--rm", "--network=none", "--user=0", f"--entrypoint={python}"),
        *(f"--volume={folder}:{folder}:ro" for folder in sorted(folders)),
        *(image, str(program), str(model), json.dumps(inputs_of(case_of("convolution"))), str(_CALLS)),
    ]
    ran = lab.runner.capture(words, timeout_s=600)
    if not ran.ok:
        return ("TensorFlow in Python", "-", "-", "-", f"not measured: {ran.stderr.strip()[-120:]}")
    said = json.loads(ran.stdout.splitlines()[-1])
    return _line("TensorFlow in Python", said["seconds"], sum(said["seconds"]), said["version"])


# -- the long run ----------------------------------------------------------------------------------


def soak(lab: Lab, image: str, requests: int) -> tuple[Soak, float, str]:
    """Ask ``requests`` times in all; version 2 appears when a third has been asked. With seconds, memory."""
    models, source = lab.scratch / "models" / "versions", _SMOKE / "models" / "versions"
    shutil.copytree(source / "1", models / "1")
    seen, count = Soak(), threading.Semaphore(0)
    right = {str(version): list(case_of("versions", version)["outputs"]["y"]["values"]) for version in (1, 2)}
    inputs = inputs_of(case_of("versions"))
    with serving(lab, image, models.parent, "versions") as (name, ports):
        wait_for(ports, "versions", 1)
        share = requests // (_GRPC_CLIENTS + _REST_CLIENTS)
        threads = [
            threading.Thread(target=_client, args=(api, ports, inputs, right, share, seen, count))
            for api, many in (("gRPC", _GRPC_CLIENTS), ("REST", _REST_CLIENTS))
            for _ in range(many)
        ]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for _ in range(requests // 3):
            count.acquire()
        # Whole at once, as a publisher of models does it.
        shutil.copytree(source / "2", models / ".2")
        (models / ".2").rename(models / "2")
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
        memory = docker(lab, "stats", "--no-stream", "--format={{.MemUsage}}", name).partition(" /")[0]
    return seen, took, memory


def _client(
    api: str,
    ports: Ports,
    inputs: dict[str, Any],
    right: Mapping[str, list[float]],
    requests: int,
    seen: Soak,
    count: threading.Semaphore,
) -> None:
    """One client, which asks ``requests`` times. Counters and lists of Python's are safe for what is done."""
    rest, grpc = Rest("127.0.0.1", ports.rest), Grpc("127.0.0.1", ports.grpc)
    types = rest.types("versions")
    newest = "1"
    for _ in range(requests):
        try:
            if api == "gRPC":
                got = grpc.predict("versions", inputs, types)["y"]
            else:
                got = rest.predict("versions", inputs)
        except Failed as error:
            seen.lost.append(str(error))
            continue
        finally:
            count.release()
        version = next((name for name, answer in right.items() if got == answer), "")
        if not version:
            seen.wrong.append(f"{api}: {got}")
        seen.back += version == "1" and newest == "2"
        newest = max(newest, version)
        seen.answers[version] += 1
    rest.close()
    grpc.close()


def report(seen: Soak, took: float, memory: str) -> str:
    asked = sum(seen.answers.values()) + len(seen.lost)
    told = ", ".join(f"{count} of version {name}" for name, count in sorted(seen.answers.items()) if name)
    lines = [f"long run: {asked} requests in {took:.0f} s, {told}; memory at its end {memory}"]
    for what, value in (("wrong", len(seen.wrong)), ("lost", len(seen.lost)), ("gone back", seen.back)):
        lines.append(str(Target(f"answers {what}", value, 0)))
    lines.append(str(Target("answers of only one version", 2 - len([n for n in seen.answers if n]), 0)))
    lines += [f"  {text}" for text in (*seen.wrong[:3], *seen.lost[:3])]
    return "\n".join(lines) + "\n"


def main(options: argparse.Namespace) -> int:
    if not options.dist and not options.build:
        raise UsageError("--dist FOLDER of a finished build, or --build RELEASE", hint=__doc__ or "")
    with open_lab() as lab:
        say("building" if options.build else "reading the build")
        built = build(lab, options.build) if options.build else ""
        folder = Path(options.dist) if options.dist else next((lab.scratch / "dist").glob("*/*/*/*"))
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        image = manifest["plan"]["image"]["tag"]
        steps = ", ".join(f"{name} {seconds:.0f}" for name, seconds in manifest["seconds"].items())
        say("starts")
        began = starts(lab, image, options.rounds)
        say("load")
        with serving(lab, image, _SMOKE / "models", "convolution") as (_, ports):
            wait_for(ports, "convolution", 1)
            rows = list(loads(ports, options.seconds))
        rows.append(in_python(lab, image, options.python))
        say("the long run")
        seen = soak(lab, image, options.requests)
    heads = ("", "p50 ms", "p99 ms", "per second", "")
    sys.stdout.write(
        f"{manifest['build_id']}; {machine()}\n\n{built}steps, seconds: {steps}\n"
        f"docker run to AVAILABLE: {began.text()} s, {began.count} rounds\n\n"
        f"{table(heads, rows)}\n{report(*seen)}"
    )
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving_real", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--dist", default="", help="folder of a finished build, whose image is in the engine")
    parser.add_argument("--build", default="", help="a release to compile first, without ccache")
    parser.add_argument("--rounds", type=int, default=5, help="starts [5]")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each line of the table [5]")
    parser.add_argument("--requests", type=int, default=100_000, help="of the long run [100000]")
    parser.add_argument("--python", default=sys.executable, help="a Python that has TensorFlow [this one]")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    sys.exit(run_command(lambda: main(arguments)))
