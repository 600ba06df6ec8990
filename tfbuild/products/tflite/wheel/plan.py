"""The plan of TFLite from an official wheel: with Python and numpy it becomes an image. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfbuild.base.errors import ConfigError, ConfigProblem, NothingMatchesError
from tfbuild.config.keys import BuildConfig
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.assemble import Specifics, assemble
from tfbuild.plan.naming import python_extra
from tfbuild.plan.plan import Plan, Resolved
from tfbuild.plan.roots import Root, root_of, unpacked
from tfbuild.products.tflite.keys import TfliteKeys
from tfbuild.products.tflite.part import WheelPart
from tfbuild.products.tflite.plan import operator_limits
from tfbuild.products.tflite.release import TfliteWheelRelease, needs_cpus
from tfbuild.products.tflite.smoke.cases import wheel_cases
from tfbuild.products.tflite.smoke.operators import script_cases
from tfbuild.releases.wheels.keys import DEFAULT_VARIANT, WheelPython
from tfbuild.releases.wheels.lock import LockFile, require_environment

STEPS = ("fetch", "root", "builder", "image", "verify", "dist")
FLAVOUR = "wheel"
_PYTHON = "tflite.python"


def make_wheel_plan(found: Resolved[TfliteWheelRelease], *, lock: LockFile) -> Plan[WheelPart]:
    """The plan. Raises :class:`NothingMatchesError` for a Python or architecture without a wheel."""
    request, config, release = found.request, found.config, found.release
    _refuse_distribution(config)
    python = _python(config, release)
    environment = require_environment(lock, python.version, request.arch, DEFAULT_VARIANT)
    wheels = lock.lock.wheels_for(environment)
    wanted = canonicalize_name(Requirement(environment.requirements[0]).name)
    (wheel,) = (each for each in wheels if each.name == wanted)
    asked = release.wheels.find(DEFAULT_VARIANT, request.arch)
    xnnpack = asked.xnnpack if asked else ()
    package = wanted.replace("-", "_")
    part = WheelPart(
        product="tflite",
        python=python.version,
        suite=python.suite,
        package=package,
        wheel=wheel.filename,
        xnnpack=xnnpack,
        smoke=wheel_cases(
            package,
            xnnpack=xnnpack,
            dynamic=release.dynamic_graphs,
            needs_cpus=needs_cpus(release, found.request.arch),
        ),
        operators=script_cases(
            release.version,
            operator_limits(release, request.arch),
            package,
            xnnpack=bool(xnnpack),
            like=package,
        ),
    )
    builder, target = _roots(found, python)
    pins = tuple(each.pin for each in wheels)
    specifics = Specifics(
        title="",
        image_title=f"{wheel.name} with Python {python.version}",
        flags=(),
        part=part,
        flavour=FLAVOUR,
        notes=("the official wheel; nothing is compiled, so compile.* has no effect",),
        pins=pins,
        compiled_from=tuple(pin.sha256 for pin in pins),
        image_from=(part.python, part.package),
        verified_by=(part.smoke, part.operators),
        roots=(builder, target),
        steps=STEPS,
        beyond=python_extra(_PYTHON, python, release.wheels.python(config.named.of(TfliteKeys).python)),
    )
    return assemble(found, specifics)


def policy_name(values: BuildConfig) -> str:
    """The policy that a configuration names, else the one for images with a wheel."""
    return values.policy or f"tflite-{FLAVOUR}-scratch"


def _python(config: ResolvedConfig, release: TfliteWheelRelease) -> WheelPython:
    version = config.values.of(TfliteKeys).python
    pythons = release.wheels.pythons
    found = release.wheels.python(version)
    if found is None:
        raise NothingMatchesError(
            f"{release.product} {release.release} has no wheels for Python {version}",
            details=(f"{_PYTHON} is {version} at {config.origins.get(_PYTHON, 'built-in default')}",),
            hint=f"it has: {', '.join(each.version for each in pythons)}",
        )
    return found


def _refuse_distribution(config: ResolvedConfig) -> None:
    origin = config.origins.get("runtime.base")
    if config.values.runtime.base != "scratch" and origin:
        text = "the image of a wheel is made from scratch: leave runtime.base as it is"
        raise ConfigError((ConfigProblem(origin.path, origin.line, origin.column, text),))


def _roots(found: Resolved[TfliteWheelRelease], python: WheelPython) -> tuple[Root, Root]:
    """The builder's root of the Python's suite, and the target's, only unpacked."""
    request, circumstances = found.request, found.circumstances
    builder = root_of(found.config.values, python.suite, request.build_arch)
    return builder, unpacked(builder, request.arch, python.packages, circumstances.recorder)


def describe(part: WheelPart) -> Iterator[str]:
    """Lines of ``--dry-run``."""
    yield f"  wheel     {part.wheel}"
    yield f"  python    {part.python} of Debian {part.suite}, with its numpy"
