"""Findings about Python packages and saved models. Pure.

Requirements are those of the wheels themselves (Requires-Dist); the few that the wheels do not state are in
``_UNSTATED``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tfbuild.base.arch import Arch
from tfbuild.diagnose.catalog import Diagnosis, Weight, diagnosis
from tfbuild.diagnose.facts import (
    TENSORFLOW_RUN,
    TENSORFLOWS,
    DiagnoseFacts,
    Distribution,
    ModelFile,
    Proof,
    PythonEnvironment,
)
from tfbuild.diagnose.read.python import parse_version
from tfbuild.diagnose.rules.binaries import image_arch

# Without one of these in the right version, "import tensorflow" or the first model fails.
_CORE = (
    frozenset(
        {"grpcio", "h5py", "keras", "ml-dtypes", "numpy", "protobuf", "tensorflow-estimator", "tf-keras"}
    )
    | TENSORFLOWS
)
_WORKED = "TensorFlow was imported here all the same, a matrix product and a Keras layer worked"
_RUNTIMES = frozenset({"ai-edge-litert", "tflite-runtime", "tensorflow-serving-api"})


@dataclass(frozen=True)
class _Unstated:
    """``owner`` up to ``last`` fails with ``needs`` not held, which its wheel does not say."""

    owner: str
    last: str
    needs: str
    source: str


_UNSTATED = (
    # Its wheel declares numpy>=1.23.2 and was built against NumPy 1.
    _Unstated("tflite-runtime", "2.14.0", "numpy<2", "https://github.com/pharmpy/pharmpy/issues/3268"),
    _Unstated("tensorflow", "2.16.2", "numpy<2", "https://github.com/tensorflow/tensorflow/issues/90245"),
)


@dataclass(frozen=True)
class _Conflict:
    owner: Distribution
    needs: str
    found: str
    name: str


def python_findings(facts: DiagnoseFacts, proof: Proof) -> Iterator[Diagnosis]:
    """For each Python that has TensorFlow, Keras or TFLite in it; what worked in a run is a warning."""
    tried = facts.tensorflow_environments[:1] if TENSORFLOW_RUN in proof.worked else ()
    for environment in facts.environments:
        mine = {d.name for d in environment.distributions}
        if not mine & (TENSORFLOWS | _RUNTIMES | {"keras", "tf-keras"}):
            continue
        keras2 = tuple(_keras2(environment))
        found = (*_twice(environment), *keras2)
        worked = environment in tried
        yield from (replace(each, severity=Weight.WARNING).with_evidence(_WORKED) for each in found if worked)
        yield from (each for each in found if not worked)
        arch = image_arch(facts)
        yield from _requirements(environment, arch, ignore_keras=bool(keras2), worked=worked)
        for model in facts.models:
            yield from _model_newer(environment, model)


def _twice(environment: PythonEnvironment) -> Iterator[Diagnosis]:
    found = [d for d in environment.distributions if d.name in TENSORFLOWS]
    # On some platforms "tensorflow" only names the package that has the files.
    names = {d.name: d for d in found}
    led = {r.name for d in found for r in _parsed(d) if r.name in names and not d.has_files}
    alone = [d for d in found if d.has_files or (d.name not in led and not _leads(d, names))]
    if len(alone) > 1:
        lines = tuple(f"{d.name} {d.version} in {d.folder}" for d in alone)
        words = " ".join(sorted({d.name for d in alone}))
        yield diagnosis(
            "python-tensorflow-twice",
            Weight.ERROR,
            *lines,
            fix=f"pip uninstall -y {words}, then install one of them",
        )


def _leads(distribution: Distribution, names: dict[str, Distribution]) -> bool:
    return any(r.name in names for r in _parsed(distribution))


def _keras2(environment: PythonEnvironment) -> Iterator[Diagnosis]:
    tensorflow, keras = environment.tensorflow, environment.find("keras")
    if tensorflow is None or keras is None:
        return
    mine, other = parse_version(tensorflow.version), parse_version(keras.version)
    if mine and other and mine.release[:2] >= (2, 16) and other.major < 3:
        yield diagnosis(
            "python-keras2",
            Weight.ERROR,
            f"{tensorflow.name} {tensorflow.version}",
            f"keras {keras.version} in {keras.folder}",
            threads=("https://github.com/tensorflow/tensorflow/releases/tag/v2.16.1",),
        )


def _requirements(
    environment: PythonEnvironment, arch: Arch | None, *, ignore_keras: bool, worked: bool
) -> Iterator[Diagnosis]:
    conflicts = [
        c
        for distribution in _reached(environment, arch)
        for c in _conflicts(distribution, environment, arch)
        if not (ignore_keras and c.name == "keras")
    ]
    if not conflicts:
        return
    # TensorFlow's run loads nothing of TFLite's packages.
    tried = TENSORFLOWS | {"keras"} if worked else frozenset()
    core = [c for c in conflicts if c.name in _CORE]
    serious = [c for c in core if c.owner.name not in tried]
    lines = tuple(
        f"{c.owner.name} {c.owner.version} needs {c.needs}; installed: {c.found}" for c in conflicts
    )
    if core and not serious:
        lines = (*lines, _WORKED)
    wanted = " ".join(f"'{needs}'" for needs in _together(conflicts))
    first = (serious or conflicts)[0]
    yield diagnosis(
        "python-requirements",
        Weight.ERROR if serious else Weight.WARNING,
        *lines,
        title=f"{first.owner.name} and {first.name} do not go together",
        fix=f"pip install {wanted}",
    )


def _together(conflicts: list[_Conflict]) -> list[str]:
    """All demands on a package as one requirement."""
    demands: dict[str, list[str]] = {}
    for conflict in conflicts:
        demands.setdefault(conflict.name, []).append(conflict.needs.removeprefix(conflict.name))
    return [name + ",".join(sorted(set(filter(None, parts)))) for name, parts in demands.items()]


def _reached(environment: PythonEnvironment, arch: Arch | None) -> list[Distribution]:
    """TensorFlow's, Keras' and TFLite's distributions and all that they require, once each."""
    roots = TENSORFLOWS | _RUNTIMES | {"keras", "tf-keras"}
    waiting = sorted({d.name for d in environment.distributions} & roots)
    seen: dict[str, Distribution] = {}
    while waiting:
        name = waiting.pop()
        distribution = environment.find(name)
        if name in seen or distribution is None:
            continue
        seen[name] = distribution
        waiting.extend(r.name for r in _parsed(distribution) if _applies(r, environment, arch))
    return [seen[name] for name in sorted(seen)]


def _conflicts(owner: Distribution, environment: PythonEnvironment, arch: Arch | None) -> Iterator[_Conflict]:
    for requirement in (*_parsed(owner), *_unstated(owner)):
        if not _applies(requirement, environment, arch):
            continue
        found = environment.find(requirement.name)
        needs = f"{requirement.name}{requirement.specifier}"
        if found is None:
            yield _Conflict(owner, needs, "none", requirement.name)
            continue
        version = parse_version(found.version)
        if version is not None and not requirement.specifier.contains(version, prereleases=True):
            yield _Conflict(owner, needs, found.version, requirement.name)


def _unstated(owner: Distribution) -> tuple[Requirement, ...]:
    version = parse_version(owner.version)
    stated = {r.name for r in _parsed(owner) if "<" in str(r.specifier)}
    rows = (
        row for row in _UNSTATED if row.owner == ("tensorflow" if owner.name in TENSORFLOWS else owner.name)
    )
    return tuple(
        wanted
        for row in rows
        if (last := parse_version(row.last)) is not None and version is not None and version <= last
        if (wanted := Requirement(row.needs)).name not in stated
    )


def _parsed(distribution: Distribution) -> tuple[Requirement, ...]:
    """Requirements with their names in normal form; those that cannot be read are left out."""
    found = []
    for text in distribution.requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        requirement.name = canonicalize_name(requirement.name)
        found.append(requirement)
    return tuple(found)


def _applies(requirement: Requirement, environment: PythonEnvironment, arch: Arch | None) -> bool:
    """Whether the requirement holds in this image; extras do not."""
    if requirement.marker is None:
        return True
    return requirement.marker.evaluate(
        {
            "extra": "",
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": (arch or Arch.AMD64).platform.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{environment.version}.0",
            "python_version": environment.version,
            "sys_platform": "linux",
        }
    )


def _model_newer(environment: PythonEnvironment, model: ModelFile) -> Iterator[Diagnosis]:
    installed = _installed(environment, model)
    made = parse_version(model.version)
    version = parse_version(installed.version) if installed else None
    if installed is None or made is None or version is None or made.release[:2] <= version.release[:2]:
        return
    evidence = f"{model.path} was made with {model.maker} {model.version}; installed: {installed.version}"
    # Within a major version most models load; a new operation or a new field of a layer does not.
    weight = Weight.ERROR if made.major > version.major else Weight.WARNING
    wanted = f"{installed.name}>={made.major}.{made.minor}"
    fix = f"pip install '{wanted}', or save the model with {installed.version}"
    yield diagnosis("python-model-newer", weight, evidence, fix=fix)


def _installed(environment: PythonEnvironment, model: ModelFile) -> Distribution | None:
    """What will load the model; the Keras inside an old TensorFlow has TensorFlow's number."""
    if model.maker == "tensorflow":
        return environment.tensorflow
    return environment.find("keras") or environment.tensorflow
