# SPDX-License-Identifier: Apache-2.0
"""Servers of images for image_urls.py: one that behaves, and many that do not."""
import socket
import ssl
import threading
import time

CRLF = b"\r\n"


def head(*lines, status=b"200 OK"):
    return b"HTTP/1.1 " + status + CRLF + b"".join(line + CRLF for line in lines) + CRLF


def whole(png, *more):
    return head(b"Content-Type: image/png", b"Content-Length: %d" % len(png), *more) + png


def drip(s, first, piece=b"x"):
    s.sendall(first)
    for _ in range(400):
        s.sendall(piece)
        time.sleep(0.1)


def pour(s, first, piece=bytes(1 << 16)):
    s.sendall(first)
    for _ in range(1 << 14):  # 1 GiB
        s.sendall(piece)


# Path: what the server does with the connection, given the bytes of a PNG file.
PATHS = {
    "/ok.png": lambda s, png: s.sendall(whole(png)),
    "/ok.png?size=1&a=%2F": lambda s, png: s.sendall(whole(png)),
    "/chunked.png": lambda s, png: s.sendall(
        head(b"Transfer-Encoding: chunked") + b"%x\r\n" % len(png) + png + b"\r\n0\r\n\r\n"),
    "/until-the-end.png": lambda s, png: s.sendall(head() + png),
    "/continue.png": lambda s, png: s.sendall(head(status=b"100 Continue") * 3 + whole(png)),
    "/redirect": lambda s, png: s.sendall(head(b"Location: /ok.png", b"Content-Length: 0", status=b"302 Found")),
    "/redirect-with-image": lambda s, png: s.sendall(
        head(b"Location: /ok.png", b"Content-Length: %d" % len(png), status=b"301 Moved") + png),
    "/404": lambda s, png: s.sendall(head(b"Content-Length: %d" % len(png), status=b"404 Not Found") + png),
    "/partial": lambda s, png: s.sendall(head(b"Content-Length: %d" % len(png), status=b"206 Partial Content") + png),
    "/text": lambda s, png: s.sendall(whole(b"<html>secret of the network</html>")),
    "/svg": lambda s, png: s.sendall(whole(b"<svg xmlns='http://www.w3.org/2000/svg'/>")),
    "/empty": lambda s, png: s.sendall(whole(b"")),
    "/short": lambda s, png: s.sendall(head(b"Content-Length: %d" % (len(png) + 1)) + png),
    "/negative": lambda s, png: s.sendall(head(b"Content-Length: -1") + png),
    "/two-lengths": lambda s, png: s.sendall(
        head(b"Content-Length: 1", b"Content-Length: %d" % len(png)) + png),
    "/bad-chunk": lambda s, png: s.sendall(head(b"Transfer-Encoding: chunked") + b"zz\r\n" + png),
    "/half-chunk": lambda s, png: s.sendall(head(b"Transfer-Encoding: chunked") + b"%x\r\n" % (2 * len(png)) + png),
    "/long-chunk-line": lambda s, png: pour(s, head(b"Transfer-Encoding: chunked") + b"1;", b"x" * 65536),
    "/no-http": lambda s, png: s.sendall(b"220 mail.example ESMTP\r\n" + png),
    "/closes": lambda s, png: None,
    "/announces-much": lambda s, png: s.sendall(head(b"Content-Length: 1000000000")),
    "/huge-number": lambda s, png: s.sendall(head(b"Content-Length: " + b"9" * 40)),
    "/endless": lambda s, png: pour(s, head()),
    "/endless-chunks": lambda s, png: pour(s, head(b"Transfer-Encoding: chunked"), b"10000\r\n" + bytes(65536) + CRLF),
    "/endless-head": lambda s, png: pour(s, b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 1000 + CRLF),
    "/endless-continue": lambda s, png: drip(s, b"", head(status=b"100 Continue")),
    "/slow-head": lambda s, png: drip(s, b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "/slow-body": lambda s, png: drip(s, head(b"Content-Length: %d" % (1 << 20))),
    "/silent": lambda s, png: time.sleep(40),
}
ANSWERED = ["/ok.png", "/ok.png?size=1&a=%2F", "/chunked.png", "/until-the-end.png", "/continue.png"]
SLOW = ["/endless-continue", "/slow-head", "/slow-body", "/silent"]


class ImageServer:
    """Counts the connections, and what was asked for. `certificate`: files of a certificate and its key, for https."""

    def __init__(self, png, certificate=None):
        self.png, self.connections, self.asked = png, 0, []
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.answer, args=(s,), daemon=True).start()

    def answer(self, s):
        try:
            if self.context:
                s = self.context.wrap_socket(s, server_side=True)
            got = b""
            while b"\r\n\r\n" not in got:
                piece = s.recv(4096)
                if not piece:
                    return
                got += piece
            self.asked.append(got)
            PATHS[got.split()[1].decode()](s, self.png)
            s.shutdown(socket.SHUT_WR)
            s.recv(1)
        except OSError:
            pass  # the client is gone
        finally:
            s.close()

    def url(self, path, host="127.0.0.1"):
        return f"http{'s' if self.context else ''}://{host}:{self.port}{path}"
