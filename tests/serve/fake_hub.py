# SPDX-License-Identifier: Apache-2.0
"""A hub for pull.py: the part of the Hugging Face hub's API that fetches need, with faults on demand.

Large files (LFS) are redirected to a second place, as the hub does it, with the SHA-256 in X-Linked-Etag; others come
from the hub itself, with git's SHA-1 as ETag, some of them after a redirect within the hub.
"""
import hashlib
import http.server
import json
import re
import ssl
import threading
import time
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    """`repositories`: {name: {file: bytes}}. Files of `large` or more bytes are large ones."""

    def __init__(self, repositories, large=100_000, token=None, certificate=None):
        self.repositories, self.large, self.token = repositories, large, token
        self.asked = []  # (method, path, headers)
        self.faults = {}  # file: [fault, ...], each for one GET of its bytes
        self.cdn = None  # where large files are; None: here
        self.sizes = {}  # file: the size that is announced
        self.delay = 0  # seconds before each piece
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                hub.answer(self)

            def do_GET(self):
                hub.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://{'localhost' if certificate else '127.0.0.1'}" \
                   f":{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def gets(self, file):
        return [headers for method, path, headers in self.asked if method == "GET" and path.endswith("/" + file)]

    def answer(self, to):
        path = urllib.parse.unquote(to.path.split("?")[0])
        self.asked.append((to.command, path, dict(to.headers)))
        try:
            if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
                return self.list(to, *match.groups())
            if match := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
                return self.send_file(to, self.repositories[match[1]][match[2]], match[2])
            inside = path.removeprefix("/api/resolve-cache")
            match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", inside)
            if not match or match[3] not in self.repositories.get(match[1], {}):
                return self.send(to, 404, b"Entry not found")
            if self.token and to.headers["Authorization"] != f"Bearer {self.token}":
                return self.send(to, 401, b"Invalid credentials")
            data = self.repositories[match[1]][match[3]]
            about = {"X-Repo-Commit": COMMIT, "ETag": f'"{git_hash(data)}"', "Accept-Ranges": "bytes"}
            if match[3] == "tokenizer_config.json" and inside == path:
                return self.send(to, 307, b"Redirecting", {"Location": "/api/resolve-cache" + to.path})
            place = self.url if self.cdn is None else self.cdn
            if len(data) >= self.large:
                about |= {"X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"', "ETag": '"of-the-redirect"',
                          "X-Linked-Size": str(self.sizes.get(match[3], len(data))),
                          "Location": f"{place}/cdn/{match[1]}/{urllib.parse.quote(match[3])}"}
                return self.send(to, 302, b"Found. Redirecting", about)
            self.send_file(to, data, match[3], about)
        except OSError:
            to.close_connection = True

    def list(self, to, name, revision):
        if self.token and to.headers["Authorization"] != f"Bearer {self.token}":
            return self.send(to, 401, b'{"error": "Invalid credentials in Authorization header"}')
        if name not in self.repositories or revision not in ("main", "refs/pr/1", COMMIT):
            return self.send(to, 404, b'{"error": "Repository not found"}')
        files = [{"rfilename": f} for f in self.repositories[name]]
        about = {"id": name, "modelId": name, "sha": COMMIT, "private": False, "gated": False, "tags": [],
                 "downloads": 0, "siblings": files}
        self.send(to, 200, json.dumps(about).encode(), {"Content-Type": "application/json", "X-Repo-Commit": COMMIT})

    def send(self, to, status, body, headers=None, length=None):
        to.send_response(status)
        for key, value in (headers or {}).items():
            to.send_header(key, value)
        to.send_header("Content-Length", str(len(body) if length is None else length))
        to.end_headers()
        if to.command == "GET":
            for at in range(0, len(body), 1 << 16):
                time.sleep(self.delay)
                to.wfile.write(body[at:at + (1 << 16)])

    def send_file(self, to, data, file, headers=None):
        headers, first, status = dict(headers or {}), 0, 200
        fault = self.faults[file].pop(0) if to.command == "GET" and self.faults.get(file) else None
        if (wanted := to.headers["Range"]) and fault != "no ranges":
            first = int(wanted.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
            status = 206
        if fault == "damaged":
            data = bytes([data[0] ^ 1]) + data[1:]
        elif fault == "wrong part":
            headers["Content-Range"] = f"bytes {first + 1}-{len(data) - 1}/{len(data)}"
        elif fault in (500, 503):
            return self.send(to, fault, b"<html>an error</html>")
        elif fault == "longer":
            data += b"more"
        length = len(data) - first
        if fault == "cut":  # the connection ends in the middle
            data = data[:first + (len(data) - first) // 2]
            to.close_connection = True
        elif fault == "shorter":
            data, length = data[:-1], length - 1
        self.send(to, status, data[first:], headers, length)
