"""Custom builds of TensorFlow Serving and TFLite inside builder containers, verified and packaged."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tfbuild")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
