"""What both services share: serves the text that a function returns for a path."""

import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(name, answer):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"ok\n" if self.path == "/healthz" else answer(self.path).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code="-", size="-"):
            if self.path != "/healthz":
                print(f"{self.command} {self.path} {int(code)}")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"{name} on :8080")
    ThreadingHTTPServer(("", 8080), Handler).serve_forever()
