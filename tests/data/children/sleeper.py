"""Writes its pid to a file in a folder, says "ready", and sleeps, ignoring the signals that are named."""

import os
import signal
import sys
import time
from pathlib import Path

folder, *ignored = sys.argv[1:]
for name in ignored:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
(Path(folder) / f"{os.getpid()}.pid").touch()
os.write(1, b"ready\n")
time.sleep(300)
