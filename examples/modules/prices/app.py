"""Knows prices."""

import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PRICES = {"tea": 3, "cake": 4}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = "".join(f"{name} {price}\n" for name, price in PRICES.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingHTTPServer(("", 8080), Handler).serve_forever()
