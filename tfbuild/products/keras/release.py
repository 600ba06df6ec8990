"""The releases of TensorFlow and Keras: official wheels."""

from __future__ import annotations

from tfbuild.releases.load import ReleaseKind
from tfbuild.releases.wheels.keys import WheelRelease, disagreements


class KerasRelease(WheelRelease):
    """TensorFlow and Keras as official wheels."""


RELEASES = ReleaseKind("keras", {"wheels": KerasRelease}, disagreements)
