"""Greets with what the ConfigMap says (/config, or the folder given by CONFIG)."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

GREETING = Path(os.environ.get("CONFIG", "/config"), "greeting.txt").read_text().strip()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"ok\n" if self.path == "/healthz" else f"{GREETING}, {self.path.strip('/') or 'world'}!\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        if self.path != "/healthz":
            print(f"{self.command} {self.path} {int(code)}")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(f"greeting with {GREETING!r} on :8080")
ThreadingHTTPServer(("", 8080), Handler).serve_forever()
