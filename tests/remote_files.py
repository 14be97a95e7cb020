"""Servers that the tests fetch from: a bucket that speaks S3, and a host of the web, both on this machine."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "ads"
SECRET = "sekret-do-not-show"  # noqa: S105


class Server(ThreadingHTTPServer):
    """A server with files by name."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.always_more = False

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def endless(self, piece: bytes, pause: float = 0) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(piece)
                time.sleep(pause)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class S3(_Handler):
    """The part of S3 that reading needs: HeadObject, GetObject with ranges, ListObjectsV2, HeadBucket."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        self.server.asked.append(f"{self.command} {key}")
        if "Authorization" not in self.headers:
            return self.error(403, "AccessDenied")
        if bucket != BUCKET:
            return self.error(404, "NoSuchBucket")
        if key == "forbidden.csv":
            return self.error(403, "AccessDenied")
        if key:
            return self.object(key)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        return self.listing(query.get("prefix", ""), query.get("delimiter", ""))

    def error(self, status: int, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode())

    def object(self, key: str) -> None:
        body = self.server.files.get(key)
        if body is None:
            return self.error(404, "NoSuchKey")
        tag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        headers = {"ETag": f'"{tag}"', "Last_Modified": "Mon, 02 Mar 2026 00:00:00 GMT"}
        if key == "changing.csv":
            self.server.files[key] = body + b" "
        if wanted := self.headers.get("Range"):
            first, last = (int(part) for part in wanted.removeprefix("bytes=").split("-"))
            last = min(last, len(body) - 1)
            headers["Content_Range"] = f"bytes {first}-{last}/{len(body)}"
            return self.answer(206, body[first : last + 1], **headers)
        return self.answer(200, body, **headers)

    def listing(self, prefix: str, delimiter: str) -> None:
        contents, folders = [], set()
        for key, body in sorted(self.server.files.items()):
            rest = key.removeprefix(prefix)
            if not key.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
            else:
                tag = hashlib.md5(body, usedforsecurity=False).hexdigest()
                contents.append(
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(body)}</Size><ETag>&quot;{tag}&quot;</ETag>"
                    "<LastModified>2026-03-02T00:00:00.000Z</LastModified><StorageClass>STANDARD</StorageClass></Contents>"
                )
        shared = [f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(folders)]
        body = "".join(
            [
                "<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>",
                "<IsTruncated>true</IsTruncated><NextContinuationToken>on</NextContinuationToken>"
                if self.server.always_more
                else "<IsTruncated>false</IsTruncated>",
                f"<KeyCount>{len(contents) + len(shared)}</KeyCount>",
                *contents,
                *shared,
                "</ListBucketResult>",
            ]
        )
        self.answer(200, body.encode(), Content_Type="application/xml")


class Web(_Handler):
    """A host with files and faults."""

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(self.path)
        redirects = {
            "/elsewhere": f"http://localhost:{self.server.server_port}/export.csv?key={SECRET}",
            "/inside": "/export.csv",
            "/file": "file:///etc/passwd",
            "/circle": "/circle",
        }
        if path in redirects:
            self.answer(302, Location=redirects[path])
        elif path == "/endless":
            self.endless(b"x" * 65536)
        elif path == "/slow":
            self.endless(b"x", 0.05)
        elif path == "/silent":
            time.sleep(3)
        elif path == "/login":
            self.answer(200, b"<html>", Content_Type="text/html; charset=utf-8")
        elif path == "/cut":
            self.answer(200, b"day", Content_Length="1000")
        elif path in ("/part", "/later"):
            self.answer(206 if path == "/part" else 202, b"day,ad,impressions,clicks\n2026-01-01,7,100,3\n")
        elif path in self.server.files:
            self.answer(200, self.server.files[path])
        else:
            self.answer(404, SECRET.encode())


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[Server]:
    """Serve as long as the block lasts."""
    server = Server(handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
