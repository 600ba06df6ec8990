"""What right answers of a model server are, and what is wrong with others; pure.

``dockerfiles/serving/smoke/questions.proto`` has the form of an answer.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tfbuild.products.serving.smoke.cases import Tensor, Value, flat, received, same_bits, shape_of

# REST prints decimal digits.
DECIMAL = 1e-5
# Of exp() in float32, on different machines.
_INEXACT = 1e-6
_COUNTED = ':tensorflow:serving:request_count{model_name="%s",status="OK"}'
_HTTP_OK = 200

Answer = Mapping[str, Any]  # a message Answer of questions.proto; what is empty or zero is not there


class Expectation(Protocol):
    """What a right answer is."""

    @property
    def finding(self) -> str:
        """The id of the finding on another one."""

    def problems(self, answer: Answer) -> Iterator[str]:
        """What is wrong with an answer; nothing where it is right."""


@dataclass(frozen=True)
class Available:
    """The model gets the state AVAILABLE."""

    finding: str = "smoke-model"

    def problems(self, answer: Answer) -> Iterator[str]:
        if answer.get("state") != "AVAILABLE":
            yield f"the model is not AVAILABLE but {answer.get('state') or 'nothing'}"


@dataclass(frozen=True)
class RestOutputs:
    """The outputs of a prediction through REST."""

    key: str  # predictions, or outputs
    outputs: Mapping[str, Tensor]
    finding: str = "smoke-answer"

    def problems(self, answer: Answer) -> Iterator[str]:
        text = answer.get("text", "")
        if answer.get("status") != _HTTP_OK:
            yield f"HTTP {answer.get('status', 'without an answer')} {_short(text)}"
            return
        try:
            found = json.loads(text)[self.key]
        except (ValueError, LookupError, TypeError):
            yield f"no {self.key}: {_short(text)}"
            return
        # The name of a single output is left out.
        found = found if len(self.outputs) > 1 else dict.fromkeys(self.outputs, found)
        for name, want in self.outputs.items():
            got = found.get(name) if isinstance(found, dict) else None
            values = tuple(flat(got))
            if shape_of(got) != want.shape or not _all(values, want.plain(), _close):
                yield f"{name}: expected {_text(want.plain())}, got {_short(json.dumps(got))}"


@dataclass(frozen=True)
class GrpcOutputs:
    """The outputs of a prediction through gRPC, and the version that gave them, if it is told.

    ``tolerance`` is the largest difference of a floating-point number; 0: the same bits. ``inexact`` names
    the outputs that every machine computes a little differently.
    """

    outputs: Mapping[str, Tensor]
    version: int | None = None
    tolerance: float = 0.0
    inexact: frozenset[str] = frozenset()
    finding: str = "smoke-answer"

    def problems(self, answer: Answer) -> Iterator[str]:
        if answer.get("status"):
            yield f"gRPC status {answer['status']} {_short(answer.get('text', ''))}"
            return
        yield from self.of(answer.get("response", {}))

    def of(self, response: Mapping[str, Any]) -> Iterator[str]:
        """What is wrong with a PredictResponse."""
        version = response.get("modelSpec", {}).get("version")
        if self.version is not None and version != str(self.version):
            yield f"expected an answer of version {self.version}, got one of {version or 'none'}"
        outputs = response.get("outputs", {})
        for name, want in self.outputs.items():
            try:
                got = received(outputs[name]) if name in outputs else None
            except ValueError as error:
                yield f"{name}: {error}"
                continue
            if got is None:
                yield f"{name}: not among the outputs: {', '.join(sorted(outputs)) or 'none'}"
            elif (got.dtype, got.shape) != (want.dtype, want.shape):
                yield f"{name}: expected {want.dtype} {list(want.shape)}, got {got.dtype} {list(got.shape)}"
            elif not _all(got.values, want.values, self._compare(name)):
                how = "the same bits" if self._limit(name) == 0 else f"within {self._limit(name):g}"
                yield f"{name}: expected {_text(want.values)} ({how}), got {_text(got.values)}"

    def _limit(self, name: str) -> float:
        return max(self.tolerance, _INEXACT) if name in self.inexact else self.tolerance

    def _compare(self, name: str) -> Any:
        limit = self._limit(name)

        def near(got: Value, want: Value) -> bool:
            if not isinstance(want, float) or isinstance(got, str):
                return got == want
            return math.isclose(got, want, rel_tol=limit, abs_tol=limit)

        return same_bits if limit == 0 else near


@dataclass(frozen=True)
class Refused:
    """A status that is an error, with words of the server's."""

    status: int
    words: str = ""
    finding: str = "smoke-answer"

    def problems(self, answer: Answer) -> Iterator[str]:
        got, text = answer.get("status", 0), answer.get("text", "")
        if got != self.status or self.words not in text:
            words = f" with '{self.words}'" if self.words else ""
            yield f"expected the status {self.status}{words}, got {got} {_short(text)}"


@dataclass(frozen=True)
class Healthy:
    """gRPC's health service says that what was asked for is serving."""

    finding: str = "smoke-service"

    def problems(self, answer: Answer) -> Iterator[str]:
        if answer.get("status") or answer.get("state") != "SERVING":
            said = answer.get("state") or "nothing"
            yield f"gRPC status {answer.get('status', 0)}, {said} {_short(answer.get('text', ''))}"


@dataclass(frozen=True)
class Lists:
    """The server's reflection names these services, and maybe others."""

    services: tuple[str, ...]
    finding: str = "smoke-service"

    def problems(self, answer: Answer) -> Iterator[str]:
        if answer.get("status"):
            yield f"gRPC status {answer['status']} {_short(answer.get('text', ''))}"
            return
        found = answer.get("services", ())
        if missing := [each for each in self.services if each not in found]:
            yield f"{', '.join(missing)}: not among the services: {', '.join(found) or 'none'}"


@dataclass(frozen=True)
class Metadata:
    """The types of a signature's inputs and outputs, by name."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    finding: str = "smoke-metadata"

    def problems(self, answer: Answer) -> Iterator[str]:
        try:
            metadata = json.loads(answer.get("text", ""))["metadata"]
            signature = metadata["signature_def"]["signature_def"]["serving_default"]
            got = [
                {name: each["dtype"] for name, each in signature[kind].items()}
                for kind in ("inputs", "outputs")
            ]
        except (ValueError, LookupError, TypeError, AttributeError):
            yield f"no signature serving_default: {_short(answer.get('text', ''))}"
            return
        for want, found in zip((self.inputs, self.outputs), got, strict=True):
            if found != want:
                yield f"expected {dict(want)}, got {found}"


@dataclass(frozen=True)
class Metrics:
    """A page of metrics with series of the server; with ``counted``, that model's answered requests."""

    counted: str = ""
    finding: str = "smoke-metrics"

    def problems(self, answer: Answer) -> Iterator[str]:
        text = answer.get("text", "")
        if answer.get("status") != _HTTP_OK:
            yield f"HTTP {answer.get('status', 'without an answer')} {_short(text)}"
            return
        series = [line for line in text.splitlines() if line.startswith(":tensorflow:")]
        if not series:
            yield "monitoring is on, and the page has no series of the server"
        counts = [line for line in series if line.startswith(_COUNTED % self.counted)]
        if self.counted and not any(re.search(r" [1-9]\d*$", line) for line in counts):
            found = _short(" ".join(counts)) or "no series"
            yield f"no answered request of the model {self.counted}: {found}"


@dataclass(frozen=True)
class Switched:
    """The answers of two versions, and none besides while one took the other's place."""

    before: GrpcOutputs
    after: GrpcOutputs
    finding: str = "smoke-switch"

    def problems(self, answer: Answer) -> Iterator[str]:
        if answer.get("status"):
            yield f"the new configuration: status {answer['status']} {_short(answer.get('text', ''))}"
        yield from self.before.of(answer.get("before", {}))
        yield from self.after.of(answer.get("response", {}))
        asked, failed, neither = (answer.get(key, 0) for key in ("asked", "failed", "neither"))
        if failed or neither or not asked:
            yield f"of {asked} requests {failed} failed and {neither} got an answer of neither version"


def _all(got: Sequence[Value], want: Sequence[Value], same: Any) -> bool:
    return len(got) == len(want) and all(map(same, got, want))


def _close(got: Value, want: Value) -> bool:
    if isinstance(got, str) or isinstance(want, str):
        return got == want
    return isinstance(got, int | float) and math.isclose(got, want, rel_tol=DECIMAL, abs_tol=DECIMAL)


def _text(values: Sequence[Value]) -> str:
    return _short(" ".join(f"{value:.9g}" if isinstance(value, float) else str(value) for value in values))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 400 else f"{line[:400]}..."
