"""Takes what the sink posts: the data platform of compose.yaml. Each event counts once, whatever is sent twice.

GET / tells how many events of each type it has.
"""

import collections
import http.server
import json
import os
import threading

seen, counts, lock = set(), collections.Counter(), threading.Lock()


class Platform(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with lock:
            if self.headers["Idempotency-Key"] not in seen:
                seen.add(self.headers["Idempotency-Key"])
                counts[event["eventType"]] += 1
        self.answer(204)

    def do_GET(self):
        with lock:
            self.answer(200, json.dumps(counts).encode())

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


host, port = os.environ.get("LISTEN", "0.0.0.0:8000").rsplit(":", 1)
http.server.ThreadingHTTPServer((host, int(port)), Platform).serve_forever()
