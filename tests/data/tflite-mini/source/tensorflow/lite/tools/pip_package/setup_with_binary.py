"""A miniature of TensorFlow Lite's package."""

import os

from setuptools import find_packages, setup

setup(
    name=os.environ["PROJECT_NAME"].replace("_", "-"),
    version=os.environ["PACKAGE_VERSION"],
    has_ext_modules=lambda: True,
    packages=find_packages(),
    package_data={"": ["*.so"]},
)
