"""The files and arguments that the model server starts with; pure.

Text protos: https://protobuf.dev/reference/protobuf/textformat-spec/. The messages are BatchingParameters in
``tensorflow_serving/servables/tensorflow/session_bundle_config.proto`` and MonitoringConfig in
``tensorflow_serving/config/monitoring_config.proto``, the same in every release since 2.14.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping

from tfbuild.base.values import Origin
from tfbuild.config.keys import BuildConfig
from tfbuild.config.rules import why_not
from tfbuild.products.serving.keys import BatchingKeys, MonitoringKeys, ServingKeys
from tfbuild.products.serving.part import ServerPart, TextFile

# Where they lie in the image.
FOLDER = "/etc/tensorflow-serving"
BATCHING = "batching.conf"
MONITORING = "monitoring.conf"

# Set by the image or by keys of the configuration: a second value would win or lose by chance.
_OWNED: Mapping[str, str] = {
    "port": "the port is 8500, as in upstream's image: map it with -p",
    "rest_api_port": "the port is 8501, as in upstream's image: map it with -p",
    "model_name": "it is the variable MODEL_NAME of the container",
    "model_base_path": "it is the variable MODEL_BASE_PATH of the container",
    "enable_batching": "use serving.batching.enabled",
    "batching_parameters_file": "use the keys of serving.batching",
    "monitoring_config_file": "use the keys of serving.monitoring",
}
# BatchingParameters' wrappers: in a text proto their number stands in 'value'.
_WRAPPED = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")


def server_files(keys: ServingKeys) -> tuple[TextFile, ...]:
    """The parameter files that ``keys`` ask for."""
    files = []
    if keys.batching.enabled and (text := batching_text(keys.batching)):
        files.append(TextFile(BATCHING, text))
    if keys.monitoring.prometheus:
        files.append(TextFile(MONITORING, monitoring_text(keys.monitoring)))
    return tuple(files)


def server_args(keys: ServingKeys) -> tuple[str, ...]:
    """What the entry program passes to the server besides ports and model."""
    options = {BATCHING: "--batching_parameters_file", MONITORING: "--monitoring_config_file"}
    arguments = ["--enable_batching=true"] if keys.batching.enabled else []
    arguments += [f"{options[file.name]}={FOLDER}/{file.name}" for file in server_files(keys)]
    return (*arguments, *keys.server_args)


def batching_text(keys: BatchingKeys) -> str:
    """A BatchingParameters message; what is null keeps the server's default."""
    lines = []
    for name in _WRAPPED:
        value: int | None = getattr(keys, name)
        if value is not None:
            lines.append(f"{name} {{ value: {value} }}")
    lines += [f"allowed_batch_sizes: {size}" for size in keys.allowed_batch_sizes]
    if keys.pad_variable_length_inputs:
        lines.append("pad_variable_length_inputs: true")
    return "".join(f"{line}\n" for line in lines)


def monitoring_text(keys: MonitoringKeys) -> str:
    """A MonitoringConfig message."""
    return f"prometheus_config {{\n  enable: true\n  path: {json.dumps(keys.path)}\n}}\n"


def contradictions(values: BuildConfig, origins: Mapping[str, Origin]) -> Iterator[tuple[Origin, str]]:
    """Flags that have a key, and what the server would refuse or not heed, with the place of each."""
    keys = values.of(ServingKeys)
    for group in ("copts", "linkopts"):  # host_copts may say anything of the machine that builds
        options: tuple[str, ...] = getattr(keys, group)
        for index, flag in enumerate(options):
            if why := why_not(flag):
                yield origins[f"serving.{group}.{index}"], f"'{flag}': {why}"
    yield from server_contradictions(keys, origins)


def server_contradictions(keys: ServingKeys, origins: Mapping[str, Origin]) -> Iterator[tuple[Origin, str]]:
    """What the server would refuse or not heed, with the place of the value that has to go."""
    batching = keys.batching
    given = [name for name in BatchingKeys.model_fields if getattr(batching, name) and name != "enabled"]
    if given and not batching.enabled:
        yield origins[f"serving.batching.{given[0]}"], "batching is off: set serving.batching.enabled to true"
    if keys.monitoring.path != MonitoringKeys().path and not keys.monitoring.prometheus:
        where = origins["serving.monitoring.path"]
        yield where, "nothing answers there: set serving.monitoring.prometheus to true"
    sizes = batching.allowed_batch_sizes
    at = origins["serving.batching.allowed_batch_sizes"]
    if any(one >= other for one, other in itertools.pairwise(sizes)):
        yield at, "the server wants allowed_batch_sizes in increasing order"
    # Upstream compares with max_batch_size also where it is not given (batching_session.cc).
    if sizes and sizes[-1] != batching.max_batch_size:
        largest = batching.max_batch_size or "not given"
        yield at, f"the server wants the last of allowed_batch_sizes to be max_batch_size, which is {largest}"
    for index, argument in enumerate(keys.server_args):
        name = argument.lstrip("-").partition("=")[0]
        if not argument.startswith("--"):
            yield origins[f"serving.server_args.{index}"], f"'{argument}': an argument begins with --"
        elif why := _OWNED.get(name):
            yield origins[f"serving.server_args.{index}"], f"'{argument}': {why}"


def image_arguments(part: ServerPart) -> dict[str, str]:
    """The image serves the model that is in it, without a word."""
    return {"MODEL_NAME": part.model.name} if part.model else {}
