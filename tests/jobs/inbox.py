"""A channel of the tests: a server on this machine that keeps what it receives."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Inbox(ThreadingHTTPServer):
    """What a channel received."""

    def __init__(self) -> None:
        received = self.received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        Thread(target=self.serve_forever, daemon=True).start()
