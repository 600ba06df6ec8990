#!/usr/bin/env python3
"""Answers GET /v1/models/mine with the state in its argument, "nothing": it hangs up; prints its port."""

import http.server
import json
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    """One model."""

    def do_GET(self) -> None:
        """The status of the model, in upstream's form."""
        if sys.argv[1] == "nothing" or self.path != "/v1/models/mine":
            return
        body = json.dumps({"model_version_status": [{"version": "1", "state": sys.argv[1]}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Silent."""


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
