"""Starts sleeper.py in the background, waits until it is up, then leaves or stays.

Usage: parent.py FOLDER leave|stay|daemon [SIGNAL...]; "daemon" gives the sleeper a session of its own.
"""

import os
import sys
import time
from pathlib import Path

folder, mode, *ignored = sys.argv[1:]
sleeper = str(Path(__file__).with_name("sleeper.py"))
os.posix_spawn(
    sys.executable,
    [sys.executable, sleeper, folder, *ignored],
    dict(os.environ),
    setsid=mode == "daemon",
)
while not list(Path(folder).glob("*.pid")):
    time.sleep(0.01)
(Path(folder) / f"{os.getpid()}.pid").touch()
os.write(1, b"parent ready\n")
if mode == "stay":
    time.sleep(300)
sys.exit(3)
