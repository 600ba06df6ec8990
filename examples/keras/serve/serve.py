"""A small inference service: POST /predict {"points": [[x, y], ...]}, GET /health."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keras
import numpy as np

PORT = int(os.environ["PORT"])
LONGEST = 1 << 20  # bytes of a request


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model = keras.saving.load_model(os.environ["MODEL_FILE"], compile=False)

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200, {"status": "ok"})
        else:
            self.answer(404, {"error": "no such page"})

    def do_POST(self) -> None:
        if self.path != "/predict":
            self.answer(404, {"error": "no such page"})
            return
        try:
            length = int(self.headers.get("Content-Length", "0"))
            if length > LONGEST:
                raise ValueError(f"more than {LONGEST} bytes")
            points = np.array(json.loads(self.rfile.read(length))["points"], "float32").reshape(-1, 2)
        except (ValueError, KeyError, TypeError) as error:
            self.close_connection = True
            self.answer(400, {"error": f'expected {{"points": [[x, y], ...]}}: {error}'})
            return
        answers = np.asarray(self.model(points))[:, 0]
        self.answer(200, {"answers": [round(float(value), 6) for value in answers]})

    def answer(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


Service.model(np.zeros((1, 2), "float32"))  # the first call is slow: before anybody waits for it
server = ThreadingHTTPServer(("", PORT), Service)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print(f"listening on port {PORT}", flush=True)
server.serve_forever()
print("stopped", flush=True)
