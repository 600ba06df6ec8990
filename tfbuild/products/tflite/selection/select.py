"""The operators of a build, from the models that it is for: ``tflite.ops`` and ``tflite.models``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfbuild.base.documents import fingerprint
from tfbuild.base.errors import ConfigError, ConfigProblem
from tfbuild.base.values import Origin
from tfbuild.config.keys import BuildConfig
from tfbuild.config.load import ResolvedConfig
from tfbuild.machine.files import hash_file
from tfbuild.plan.flags import Flag, Target
from tfbuild.plan.naming import Extra
from tfbuild.products.tflite.keys import TfliteKeys
from tfbuild.products.tflite.selection.model import ModelNeeds, NotAModel, read_needs
from tfbuild.products.tflite.selection.names import load_operator_names
from tfbuild.products.tflite.smoke.cases import SmokeCase
from tfbuild.products.tflite.smoke.operators import OperatorCase

OPS, MODELS = "tflite.ops", "tflite.models"
FROM_MODELS = "from-models"
_SMOKE_MODELS = Path("dockerfiles", "tflite", "smoke", "models")
# tensorflow/lite/testdata, in the source: c/c_api_test.cc says what they compute.
_UPSTREAM = {"add.bin": frozenset({"ADD"}), "add_quantized.bin": frozenset({"ADD"})}


@dataclass(frozen=True)
class GivenModel:
    """A model that the build is for, by its file and the hash of its bytes when the plan was made."""

    path: str
    sha256: str
    outputs: int

    @property
    def name(self) -> str:
        return Path(self.path).stem


@dataclass(frozen=True)
class Selection:
    """The operators that are linked. ``tested`` are models of the smoke test that need no other ones."""

    builtin: tuple[str, ...]
    custom: tuple[str, ...]
    models: tuple[GivenModel, ...]
    tested: tuple[str, ...]
    own: tuple[str, ...] = ()  # custom operators that a program has to register itself

    @property
    def linked(self) -> tuple[str, ...]:
        return (*self.builtin, *self.custom)

    @property
    def request(self) -> str:
        """What the builder reads: dockerfiles/tflite/select-operators.awk."""
        lines = (*(f"builtin {name}" for name in self.builtin), *(f"custom {name}" for name in self.custom))
        return "".join(f"{line}\n" for line in lines)

    @property
    def extra(self) -> Extra:
        """What the name of a build depends on: the models by their content."""
        return Extra(MODELS, fingerprint([each.sha256 for each in self.models])[:12])


def settings(models: Sequence[str]) -> tuple[str, ...]:
    """What ``--model`` means, one or several, in words of ``--set``."""
    return (f"{OPS}={FROM_MODELS}", f"{MODELS}={json.dumps(list(models))}") if models else ()


def contradictions(values: BuildConfig, origins: Mapping[str, Origin]) -> Iterator[tuple[Origin, str]]:
    """Models without their use, and the other way round."""
    keys = values.of(TfliteKeys)
    if keys.models and keys.ops != FROM_MODELS:
        yield origins[MODELS], f"nothing reads the models: {OPS} is '{keys.ops}', not '{FROM_MODELS}'"
    if keys.ops == FROM_MODELS and not keys.models:
        yield origins[OPS], f"'{FROM_MODELS}' needs models: {MODELS}, or --model FILE.tflite"


def read_selection(root: Path, config: ResolvedConfig) -> Selection | None:
    """What the configuration selects; None: all operators. Reads the models, and those of the smoke test.

    :raises ConfigError: one of them is of no use, with the place that names it.
    """
    keys = config.values.of(TfliteKeys)
    if keys.ops != FROM_MODELS:
        return None
    names = load_operator_names(root)
    given: list[GivenModel] = []
    needs: list[ModelNeeds] = []
    problems: list[ConfigProblem] = []
    for index, path in enumerate(keys.models):
        try:
            found = read_needs(root / path, names.builtin)
            _refuse_flex(found)
        except NotAModel as error:
            problems.append(config.problem(f"{MODELS}.{index}", f"'{path}': {error}"))
            continue
        needs.append(found)
        given.append(GivenModel(path, hash_file(root / path), found.outputs))
    if problems:
        raise ConfigError(tuple(problems))
    builtin = tuple(sorted({name for each in needs for name, _ in each.builtin}))
    custom = {name for each in needs for name in each.custom}
    return Selection(
        builtin,
        tuple(sorted(custom & set(names.custom))),
        tuple(given),
        tuple(_tested(root, frozenset(builtin), names.builtin)),
        tuple(sorted(custom - set(names.custom))),
    )


def _refuse_flex(needs: ModelNeeds) -> None:
    if needs.flex:
        raise NotAModel(flex_refusal(needs.flex))


def flex_refusal(operators: tuple[str, ...]) -> str:
    """What to tell of a model with operators of TensorFlow itself."""
    shown = ", ".join(operators[:5]) + (", …" if len(operators) > 5 else "")
    return (
        f"it needs TensorFlow's own kernels ({shown}), which no library built here has; convert it without "
        "tf.lite.OpsSet.SELECT_TF_OPS, or serve it: invoke build-serving, invoke build-keras"
    )


def _tested(root: Path, linked: frozenset[str], names: tuple[str, ...]) -> Iterator[str]:
    files = sorted((root / _SMOKE_MODELS).glob("*.tflite"))
    ours = {each.name: frozenset(name for name, _ in read_needs(each, names).builtin) for each in files}
    yield from (name for name, needed in {**ours, **_UPSTREAM}.items() if needed <= linked)


def selection_flags(selection: Selection, config: ResolvedConfig) -> Iterator[Flag]:
    """For ``superproject/CMakeLists.txt``. No file is compiled in another way, so that ccache has most."""
    reason = f"{len(selection.linked)} operators"
    yield Flag(Target.CMAKE, "TFBUILD_SELECTED_OPERATORS=ON", str(config.origins[OPS]), reason)


def selected_cases(cases: tuple[SmokeCase, ...], selection: Selection) -> tuple[SmokeCase, ...]:
    """Those of ``cases`` that can run, and each given model through each API."""
    ours = tuple(case for case in cases if case.model in selection.tested)
    programs = {case.program: case for case in cases}  # its last case has the delegate, if any
    given = (
        replace(
            case,
            id=f"{model.name}, {case.api}",
            model=given_file(number),
            inputs=(),
            outputs=(float(model.outputs),),
            must_delegate=False,
            may_leave=(),
            says="",
            zeros=True,
        )
        for case in programs.values()
        for number, model in enumerate(selection.models, start=1)
    )
    return (*ours, *given)


def given_file(number: int) -> str:
    """What a given model is called beside the smoke programs; it may have the name of one of theirs."""
    return f"given-{number}.tflite"


def selected_suites(cases: tuple[OperatorCase, ...], selection: Selection) -> tuple[OperatorCase, ...]:
    """The packs of models, of which those with other operators must be refused."""
    return tuple(replace(case, linked=selection.linked) for case in cases)


def notes(selection: Selection) -> Iterator[str]:
    """What a user of the library has to know."""
    linked = ", ".join(selection.linked)
    yield f"operators that are linked ({len(selection.linked)}; models with others are refused): {linked}"
    if selection.own:
        yield f"operators that your program has to register itself: {', '.join(selection.own)}"
