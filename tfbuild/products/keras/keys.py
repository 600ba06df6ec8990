"""The keys of a configuration that only images of Keras have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from tfbuild.config.model import Section
from tfbuild.config.types import EnvironmentName, Keys, PythonVersion, RequirementText, Text

# What an image of Keras leaves out, with the reason; dockerfiles/keras/leave-out has the files.
LEFT_OUT: Mapping[str, str] = {
    "headers": "headers of TensorFlow and NumPy, numpy.distutils: needed only to compile custom ops",
    "tests": "test suites of the packages and their data",
    "static": "static libraries and generated C sources for ahead-of-time compilation",
    "symbols": "symbol tables that only a debugger reads",
    "libclang": "the C parser of TensorFlow's own documentation tools",
    "tensorboard": "the web server that shows logs; writing logs (tf.summary, the callback) needs none of it",
    "stubs": "type stubs, which only a type checker reads",
}
Group = Literal["headers", "tests", "static", "symbols", "libclang", "tensorboard", "stubs"]


class KerasKeys(Keys):
    """TensorFlow and Keras, from wheels."""

    variant: Literal["cpu", "gpu"] = Field(
        default="cpu", description="'gpu' brings CUDA and cuDNN as wheels; amd64 only."
    )
    python: PythonVersion | None = Field(
        default=None, description="Python of the image, as 3.13; null: the release's default."
    )
    keep: tuple[Group, ...] = Field(default=(), description="Parts to keep that an image usually leaves out.")
    requirements: tuple[RequirementText, ...] = Field(
        default=(),
        description="Versions that the locked wheels must have, as 'keras>=3.10'; else nothing is built.",
    )


class AppKeys(Keys):
    """A user's program: ``--app DIR`` puts it into /app."""

    command: tuple[Text, ...] = Field(
        default=(), description="What a container runs, in /app; without it a Python prompt."
    )
    environment: Mapping[EnvironmentName, Text] = Field(
        default_factory=dict, description="Variables of the program; docker run -e wins over them."
    )
    healthcheck: tuple[Text, ...] = Field(
        default=(), description="A program in the image that exits with 0 while the application is healthy."
    )


SECTIONS = (
    Section("keras", KerasKeys, "TensorFlow and Keras from wheels.", "build-keras"),
    Section("app", AppKeys, "A user's program in an image of Keras.", "build-keras"),
)
