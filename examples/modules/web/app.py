"""Shows the prices that the other project knows."""

import signal
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TITLE = "Menu"


def menu():
    try:
        with urllib.request.urlopen("http://menu-prices/", timeout=2) as response:
            return f"{TITLE}\n{response.read().decode()}"
    except urllib.error.URLError as error:
        return f"{TITLE}\nnobody knows the prices: {error.reason}\n"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"ok\n" if self.path == "/healthz" else menu().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingHTTPServer(("", 8080), Handler).serve_forever()
