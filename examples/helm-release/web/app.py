"""Answers with one quote after the other, under the title that the chart's values give."""

import itertools
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TITLE = os.environ.get("TITLE", "Quotes")
QUOTES = itertools.cycle(Path(__file__).with_name("quotes.txt").read_text().splitlines())


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"ok\n" if self.path == "/healthz" else f"{TITLE}\n{next(QUOTES)}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        if self.path != "/healthz":
            print(f"{self.command} {self.path} {int(code)}")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(f"{TITLE} on :8080")
ThreadingHTTPServer(("", 8080), Handler).serve_forever()
