"""Custom builds of TensorFlow Serving and TFLite: ``invoke --list``, ``invoke --help TASK``.

The commands are those of ``tfbuild/tasks.py``. A ``tasks.py`` of your own gets them with the first import.
"""

from tfbuild.tasks import *  # noqa: F403
from tfbuild.tasks import ns as ns  # with the settings of invoke that only this project needs
