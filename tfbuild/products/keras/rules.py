"""What the keys of a configuration are to an image of Keras."""

from __future__ import annotations

from tfbuild.plan.effect import KeyRules
from tfbuild.releases.keys import Release

_COMPILED = "the wheels are compiled already"


def key_rules(release: Release) -> KeyRules:
    """Nothing is compiled, whatever the release."""
    del release
    return KeyRules(
        sections=("keras", "app"),
        idle=dict.fromkeys(("compile", "tflite", "serving", "resources", "remote"), _COMPILED),
        impossible={
            "source.patches": f"there is no source to be patched: {_COMPILED}",
            "debian.suite": "it is the one that has the image's Python: use keras.python",
            "runtime.flavour": "an image of Keras always has Python: leave runtime.flavour as it is",
        },
        # Python and program are told in words of their own; requirements are compared, and choose nothing.
        unnamed=("compile.", "app.", "keras.python", "keras.requirements"),
        words=("keras.variant",),
        all_compiled=_COMPILED,
    )
