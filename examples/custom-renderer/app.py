"""Answers every request with the text in MESSAGE."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MESSAGE = os.environ["MESSAGE"] + "\n"

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"ok\n" if self.path == "/healthz" else MESSAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        if self.path != "/healthz":
            print(f"{self.command} {self.path} {int(code)}")

# Process 1 of a container ignores SIGTERM unless it asks for it; without this every rollout waits for the grace period.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(f"serving on :8080: {MESSAGE.strip()}")
ThreadingHTTPServer(("", 8080), Handler).serve_forever()
