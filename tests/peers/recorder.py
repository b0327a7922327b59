# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that passes requests on to another one, and keeps what both sides say."""
import http.client
import http.server
import threading
import urllib.parse


class Recorder:
    """`url` is where clients ask; `seen` has method, path, headers, body, status and reply of each request."""

    def __init__(self, target=None):
        self.target, self.seen = target, []
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"  # the end of the connection ends a stream

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                to = urllib.parse.urlsplit(recorder.target)
                c = http.client.HTTPConnection(to.hostname, to.port, timeout=120)
                headers = {k: v for k, v in self.headers.items()
                           if k.lower() not in ("host", "connection", "content-length", "accept-encoding")}
                c.request(self.command, self.path, body, headers)
                reply = c.getresponse()
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.getheader("Content-Type", "application/octet-stream"))
                self.end_headers()
                said = b""
                while piece := reply.read1(65536):
                    said += piece
                    self.wfile.write(piece)
                    self.wfile.flush()
                recorder.seen.append(dict(method=self.command, path=self.path, headers=dict(self.headers),
                                          body=body.decode(), status=reply.status, reply=said.decode()))

            do_GET = do_POST = pass_on
            log_message = lambda *_: None

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
