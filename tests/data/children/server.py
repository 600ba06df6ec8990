#!/usr/bin/env python3
"""Stands for a model server: prints its arguments, then waits, or ends with the code in SERVER_ENDS."""

import json
import os
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)
print(json.dumps(sys.argv[1:]), flush=True)
if os.environ.get("SERVER_ENDS"):
    sys.exit(int(os.environ["SERVER_ENDS"]))
signal.pause()
