"""Exits with 0 while the service answers."""

import os
from http.client import HTTPConnection

connection = HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "8080")), timeout=4)
connection.request("GET", "/health")
raise SystemExit(connection.getresponse().status != 200)
