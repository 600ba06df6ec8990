"""Prints the bytes of a file to stdout in pieces of a given size, and "err" to stderr; exits with a code.

Usage: talker.py FILE PIECE CODE; with FILE "-" it repeats its stdin, and with "env" a variable named PIECE.
"""

import os
import sys
from pathlib import Path

name, piece, code = sys.argv[1:]
if name == "env":
    os.write(1, os.environ[piece].encode())
    sys.exit(int(code))
data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
for start in range(0, len(data), int(piece)):
    os.write(1, data[start : start + int(piece)])
os.write(2, b"err\n")
sys.exit(int(code))
