"""A module that is missing is named, with its place, the package that brings it, and what is known of it."""

from __future__ import annotations

import pytest

from tests.support.diagnosing import KNOWN, PYTHON, diagnosed
from tests.support.diagnosis import distribution
from tests.support.images import Image
from tfbuild.diagnose.catalog import Weight
from tfbuild.diagnose.rules.modules import module_fix
from tfbuild.engine.facts import RunResult

# As TensorFlow 2.14.1 ended on Debian 12's python3 without setuptools.
DISTUTILS = """\
Traceback (most recent call last):
  File "/tfbuild-probe/tensorflow_probe.py", line 80, in main
    detail = step()
  File "/site/tensorflow/__init__.py", line 38, in <module>
    from tensorflow.python.tools import module_util as _module_util
  File "<frozen importlib._bootstrap>", line 1178, in _find_and_load
  File "/site/tensorflow/lite/python/convert.py", line 17, in <module>
    import distutils.spawn
ModuleNotFoundError: No module named 'distutils.spawn'
"""


def needing(*requirements: str) -> Image:
    """An image with TensorFlow's run, whose TensorFlow demands ``requirements`` and nothing else."""
    members = [m for m in PYTHON.layers[0] if "dist-info" not in m.name]
    members += [distribution("tensorflow", "2.14.1", "numpy", *requirements), distribution("numpy", "1.26.4")]
    return Image([members], PYTHON.settings, created=PYTHON.created)


def test_a_missing_module_and_the_requirement_of_its_package_are_one_finding() -> None:
    report, _ = diagnosed(needing("setuptools"), RunResult(1, "", DISTUTILS))
    assert [(f.id, f.severity) for f in report.findings] == [("python-module-missing", Weight.ERROR)]
    found = report.findings[0]
    assert found.title == "No module named 'distutils.spawn'"
    assert found.evidence == (
        "TensorFlow printed: ModuleNotFoundError: No module named 'distutils.spawn'",
        "at /site/tensorflow/lite/python/convert.py:17, reached from /site/tensorflow/__init__.py:38",
        "tensorflow 2.14.1 needs setuptools; installed: none",
    )
    assert "Python 3.12" in found.cause
    assert found.fix.startswith("pip install setuptools")
    assert "https://github.com/NixOS/nixpkgs/issues/305827" in found.threads


def test_another_requirement_remains_a_finding_of_its_own() -> None:
    report, _ = diagnosed(needing("setuptools", "wrapt"), RunResult(1, "", DISTUTILS))
    assert [(f.id, f.severity) for f in report.findings] == [
        ("python-module-missing", Weight.ERROR),
        ("python-requirements", Weight.WARNING),
    ]
    assert report.findings[1].evidence == ("tensorflow 2.14.1 needs wrapt; installed: none",)


@pytest.mark.parametrize(
    ("module", "fix"),
    [
        ("distutils", "python3-distutils"),
        ("distutils.util", "pip install setuptools"),
        ("imp", "Python 3.11"),
        ("pkg_resources", "setuptools<82"),
        ("tf_keras", "tf-keras in TensorFlow's version"),
        ("tensorflow_estimator", "2.15 and older"),
        ("tensorflow.contrib", "TensorFlow 2"),
        ("tensorflow.contrib.layers.python", "TensorFlow 2"),
        ("tensorflow.python.keras.preprocessing", "public name"),
        ("tensorflow.compat", "uninstall every package called tensorflow"),
        ("_pywrap_tensorflow_internal", "--force-reinstall tensorflow"),
        ("numpy.core._multiarray_umath", "--force-reinstall numpy"),
        ("numpy._core.numeric", "numpy>=2"),
        ("keras", "pip install keras"),
        ("google.protobuf", "without --no-deps"),
        ("absl", "without --no-deps"),
        ("typing_extensions", "without --no-deps"),
        ("tflite_runtime.interpreter", "ai-edge-litert"),
        ("cv2", "pip install opencv-python-headless"),
        ("PIL", "pip install Pillow"),
        ("sklearn.svm", "pip install scikit-learn"),
        ("google.cloud.storage", "pip install google-cloud-storage"),
        ("our_own_thing", "install the package that has our_own_thing"),
        ("logging", "apt-get install python3 "),
        ("tkinter", "apt-get install python3-tk "),
    ],
)
def test_each_missing_module_has_one_finding_with_a_way_out(module: str, fix: str) -> None:
    report, _ = diagnosed(PYTHON, RunResult(1, "", f"ModuleNotFoundError: No module named '{module}'"))
    assert [(f.id, f.severity) for f in report.findings] == [("python-module-missing", Weight.ERROR)]
    found = report.findings[0]
    assert module in found.title
    assert fix in found.fix
    assert found.threads


def test_modules_of_keras_2_and_3_keep_their_finding() -> None:
    text = "ModuleNotFoundError: No module named 'keras.src.legacy'"
    report, _ = diagnosed(PYTHON, RunResult(1, "", text))
    assert [f.id for f in report.findings] == ["python-keras2"]


def test_what_was_printed_before_the_last_traceback_is_a_warning() -> None:
    """tensorflow_io says that it goes on without its plug-in; what ended the run is something else."""
    plug_in = "UserWarning: could not load: libavformat.so.58: cannot open shared object file: No such file"
    report, _ = diagnosed(PYTHON, RunResult(1, "", f"{plug_in}\n{DISTUTILS}"))
    assert [(f.id, f.severity) for f in report.findings] == [
        ("python-module-missing", Weight.ERROR),
        ("library-missing", Weight.WARNING),
    ]
    report, _ = diagnosed(PYTHON, RunResult(0, "", plug_in))
    assert [(f.id, f.severity) for f in report.findings] == [("library-optional", Weight.WARNING)]


def test_a_chain_of_tracebacks_is_looked_at_as_one() -> None:
    first = "Traceback (most recent call last):\nImportError: libfoo.so.1: cannot open shared object file"
    link = "\nDuring handling of the above exception, another exception occurred:\n\n"
    second = "Traceback (most recent call last):\nImportError: it did not work"
    report, _ = diagnosed(PYTHON, RunResult(1, "", first + link + second))
    assert [(f.id, f.severity) for f in report.findings] == [("library-missing", Weight.ERROR)]


def test_the_fix_names_all_modules_and_says_what_it_does_not_know() -> None:
    packages = KNOWN.modules
    assert module_fix(["flask", "yaml", "flask"], packages) == (
        "pip install flask PyYAML, when the image is built"
    )
    assert module_fix(["cv2", "ours"], packages) == (
        "pip install opencv-python-headless; install the package that has ours, when the image is built"
    )
    assert module_fix(["pkg_resources"], packages) == "pip install 'setuptools<82', when the image is built"
