"""What the findings of a build's own test mean: those of smoke tests, and of what only a build can see."""

from __future__ import annotations

from collections.abc import Mapping

_LOG = "the evidence in verify.json, beside the build's logs"
# The meaning, and what to do.
SMOKE_FINDINGS: Mapping[str, tuple[str, str]] = {
    "xnnpack-not-in-use": (
        "XNNPACK is built in, and did not run all that it should of a model",
        "check XNNPACK_DELEGATE_ENABLE_QS8 and _QU8 in the release, or set tflite.xnnpack=false",
    ),
    "smoke-answer": ("a model gave a wrong answer", _LOG),
    "smoke-operator-failed": ("a model of one operator, or of the zoo, cannot be run", _LOG),
    "smoke-incomplete": ("fewer models ran than should", _LOG),
    "smoke-operators": ("an operator is linked that tflite.ops=from-models was to leave out", _LOG),
    "smoke-silent": (
        "the library does not say that XNNPACK is not in use",
        "see whether the release's patch for that is still there",
    ),
    "smoke-crash": (
        "the process ended",
        "with an illegal instruction, take a lower compile.march: this CPU is older than the one asked for",
    ),
    "smoke-no-output": ("the program printed nothing, in two runs", _LOG),
    "smoke-repeated": ("a warning: the first run printed nothing, so it was run once more", ""),
    "smoke-version": ("the program reports another version than the one that was built", _LOG),
    "smoke-health": ("the model server's health check does not say what it should", _LOG),
    "smoke-metrics": ("the model server's metrics page does not say what it should", _LOG),
    "smoke-metadata": ("the model server does not describe a model as it should", _LOG),
    "smoke-model": ("the model server did not load a model, or is in another state than it should be", _LOG),
    "smoke-argument": (
        "the model server ignores an argument that it does not know",
        "correct serving.server_args; --help after the image's name prints the arguments that it knows",
    ),
    "smoke-service": ("a gRPC service of the model server does not answer as it should", _LOG),
    "smoke-switch": ("the model server lost requests while it changed a model's version", _LOG),
    "smoke-stop": ("the model server did not stop as it should", _LOG),
    "smoke-backend": ("Keras does not compute with TensorFlow", "see keras.requirements"),
    "operator-limit": (
        "a warning: what the release itself gets wrong, or is too old for (operator and version)",
        "such models need another release; the quirk in the release's file says more",
    ),
    "profile-stale": (
        "a warning: clang found functions whose code is not what the profile has counted",
        "make a profile of the same source: python -m benchmarks.profile in the project's repository",
    ),
    "cmake-entry-unused": (
        "a warning: no CMake file of the release asks for an entry of tflite.cmake_definitions",
        "check the name, or leave it out",
    ),
}
