# SPDX-License-Identifier: Apache-2.0
"""Tests which images `llava-serve serve` fetches for its clients, and from whom (R6), with servers of images that
misbehave.

    image_urls.py LLAVA_SERVE MODEL [--tls CERTIFICATES]     with --tls: the program is built with llava::serve_tls
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import subprocess
import tempfile
import time

from image_servers import ANSWERED, PATHS, SLOW, ImageServer

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("program")
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("--tls", type=pathlib.Path)
args = parser.parse_args()
PNG = (args.model / "images/three-shapes.png").read_bytes()
PARAM = "messages[0].content[1].image_url.url"


def command(*options):
    return [args.program, "serve", "--model-path", args.model, "--port", "0", "--threads", "1", *options]


class Server:
    def __init__(self, *options, **environment):
        self.process = subprocess.Popen(command(*options), stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **environment})
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])
        while "ready" not in (line := self.process.stdout.readline()):
            assert line, "the server ended"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def call(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request(method, path, json.dumps(body) if body else None)
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return r.status, text

    def ask(self, *urls, path="/v1/chat/completions"):
        """Returns the answer, or the error."""
        parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        content = [{"type": "text", "text": "How many shapes are there?"}, *parts]
        status, text = self.call("POST", path, {"messages": [{"role": "user", "content": content}]})
        reply = json.loads(text)
        assert (status == 200) == ("error" not in reply), (status, reply)
        if status != 200:
            assert status == 400, (urls, reply)
            for secret in (str(args.model), "secret", "127.0.0.1", "0x", "boost", "asio", "OpenSSL"):
                assert secret not in reply["error"]["message"], (urls, reply)
            return reply["error"]
        return reply["choices"][0]["message"]["content"] if "choices" in reply else reply


def is_refused(error, param=PARAM):
    assert isinstance(error, dict) and error["param"] == param, error
    return error["message"]


def test_hosts(server, images):
    for path in ANSWERED:
        assert server.ask(images.url(path)) == "three", path
    assert server.ask(images.url("/ok.png").upper().replace("OK.PNG", "ok.png")) == "three"
    asked = images.asked[-1]
    assert asked.startswith(b"GET /ok.png HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % images.port), asked
    assert b"cookie" not in asked.lower() and b"authorization" not in asked.lower(), asked
    counted = server.ask(images.url("/ok.png"), path="/v1/chat/count_tokens")
    assert counted["image_tokens"] == 49, counted
    # URLs of other hosts, and what other readers of URLs take for this host: nobody connects to anything.
    before, port = images.connections, images.port
    for url in (f"http://localhost:{port}/ok.png", "http://127.0.0.1/ok.png", f"http://127.0.0.1:{port + 1}/ok.png",
                f"http://127.0.0.1:0{port}1/", f"http://127.0.0.1:{port}9999999999/", "http://127.0.0.1:-1/",
                f"http://user@127.0.0.1:{port}/ok.png", f"http://a:b@127.0.0.1:{port}/ok.png",
                f"http://127.0.0.1:{port}@example.org/", f"http://example.org#@127.0.0.1:{port}/ok.png",
                f"http://127.0.0.1:{port}\\@example.org/ok.png", f"http:\\\\127.0.0.1:{port}/ok.png",
                f"http://127.0.0.1:{port}/\\ok.png", f"http://2130706433:{port}/ok.png",
                f"http://127.1:{port}/ok.png", f"http://0x7f000001:{port}/ok.png", f"http://0177.0.0.1:{port}/ok.png",
                f"http://127.0.0.01:{port}/ok.png", f"http://127.0.0.1.:{port}/ok.png",
                f"http://127.0.0.1%3a{port}/ok.png", f"http://127.0.0.%31:{port}/ok.png",
                f"http://[::ffff:127.0.0.1]:{port}/ok.png", f"http://[::1]:{port}/ok.png",
                f"http://[fe80::1%25lo]:{port}/", f"http://[127.0.0.1]:{port}/", f"http://127.0.0.1\t:{port}/ok.png",
                f" http://127.0.0.1:{port}/ok.png", f"http://127.0.0.1:{port}/ok.png\r\nX: y",
                f"http://127.0.0.1:{port}/ok.png#x", f"http://127.0.0.1:{port}/\x00", f"http://127.0.0.1:{port}/é",
                f"http:127.0.0.1:{port}/ok.png", f"//127.0.0.1:{port}/ok.png", f"ftp://127.0.0.1:{port}/ok.png",
                f"gopher://127.0.0.1:{port}/", f"http+unix://127.0.0.1:{port}/", "http://", "http:///ok.png",
                "file:///",
                f"http://①②⑦.0.0.1:{port}/ok.png", f"https://127.0.0.1:{port}/ok.png" if not args.tls else "x"):
        is_refused(server.ask(url))
    assert images.connections == before, "a refused URL led to a connection"


def test_bad_answers(server, images):
    start = time.monotonic()
    for path in set(PATHS) - set(ANSWERED) - set(SLOW):
        error = server.ask(images.url(path))
        # What is no image is the fault of the message: as with data: URLs, its bytes are decoded later.
        message = is_refused(error, "messages" if path in ("/text", "/svg", "/empty") else PARAM)
        if path in ("/announces-much", "/endless", "/endless-chunks"):
            assert "20971520 bytes" in message, (path, message)
    assert all(b"GET /ok.png" not in a for a in images.asked[-20:]), "a redirect was followed"
    print(f"refused in {time.monotonic() - start:.1f} s")
    assert server.ask(images.url("/ok.png"), images.url("/chunked.png"))


def test_slow_servers(server, images):
    """More slow servers than threads that fetch: other requests are answered, and no fetch takes longer than 10 s."""
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        start = time.monotonic()

        def ask(path):
            message = is_refused(server.ask(images.url(path)))
            return message, time.monotonic() - start

        slow = [pool.submit(ask, path) for path in SLOW * 4]
        longest = 0
        while time.monotonic() - start < 4:
            begun = time.monotonic()
            assert server.call("GET", "/health")[0] == 200
            assert server.call("POST", "/v1/completions", {"prompt": "x", "max_tokens": 1})[0] == 200
            longest = max(longest, time.monotonic() - begun)
        assert longest < 2, f"a request beside slow servers took {longest:.1f} s"
        times = [f.result() for f in slow]
    for message, took in times:
        assert "in time" in message and 9 < took < 13, (message, took)
    print(f"other requests took at most {1000 * longest:.0f} ms, fetches {max(t for _, t in times):.1f} s")


def test_gone_client(server, images):
    dropped = b'llava_requests_dropped_total{model="tiny"} '
    count = lambda: int(server.call("GET", "/metrics")[1].encode().split(dropped)[1].split()[0])  # noqa: E731
    before, connections = count(), images.connections
    c = http.client.HTTPConnection("127.0.0.1", server.port)
    part = {"type": "image_url", "image_url": {"url": images.url("/slow-body")}}
    c.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": [part]}]}))
    while images.connections == connections:
        time.sleep(0.01)
    c.close()
    start = time.monotonic()
    while count() == before:
        assert time.monotonic() - start < 2, "the fetch goes on after the client has gone"
        time.sleep(0.01)


def test_private_addresses(images):
    done = subprocess.run(command("--allow-image-host", f"127.0.0.1:{images.port}"), capture_output=True, text=True)
    assert done.returncode == 1 and "is not a public address" in done.stderr, done
    before = images.connections
    with Server("--allow-image-host", f"localhost:{images.port}") as server:
        is_refused(server.ask(images.url("/ok.png", "localhost")))
        is_refused(server.ask("file:///etc/passwd"))
    assert images.connections == before, "a server on this machine was asked"
    for entry in ("", "http://example.org", "example.org/a", "a b", "*", "*.example.org", "example.org:0", "user@a"):
        done = subprocess.run(command("--allow-image-host", entry), capture_output=True, text=True)
        assert done.returncode != 0 and done.stderr.count("\n") <= 2, (entry, done)


def test_files(folder):
    root, other = folder / "root", folder / "root-other"
    for made in (root / "sub", other, folder / "link"):
        made.mkdir(parents=True)
    for file in (root / "a.png", root / "sub/b c.png", other / "x.png"):
        file.write_bytes(PNG)
    (folder / "link").rmdir()
    (folder / "link").symlink_to("root")
    (root / "inside.png").symlink_to("sub/b c.png")
    (root / "outside.png").symlink_to(other / "x.png")
    (root / "folder-outside").symlink_to(other)
    (root / "loop.png").symlink_to("loop.png")
    os.mkfifo(root / "pipe.png")
    with open(root / "large.png", "wb") as file:
        file.truncate((20 << 20) + 1)
    with Server("--image-root", folder / "link") as server:
        for good in (f"{root}/a.png", f"{folder}/link/a.png", f"{root}/sub/b%20c.png", f"{root}/inside.png",
                     f"{root}//a.png", f"{root}/./a.png"):
            assert server.ask(f"file://{good}") == "three", good
            assert server.ask(f"FILE://localhost{good}") == "three", good
        said = set()
        for bad in ("outside.png", "folder-outside/x.png", "loop.png", "pipe.png", "large.png", "absent.png", "sub", "",
                    "a.png/", "folder-outside/absent.png"):
            said.add(is_refused(server.ask(f"file://{root}/{bad}")))
        assert len(said) == 1, f"an error tells what lies outside the folder: {said}"
        for bad in (f"{other}/x.png", f"{root}/../root-other/x.png", f"{root}/%2e%2e/root-other/x.png",
                    f"{root}/sub/../a.png", f"{root}%2f..%2froot-other/x.png", f"{root}-other/x.png", "/etc/passwd",
                    f"{root}/a.png%00", f"{root}/a.png?x", f"{root}/a%zz.png", f"{root}", "/proc/self/environ",
                    f"/proc/self/root{root}/a.png", "relative.png", f"example.org{root}/a.png", f"//host{root}/a.png"):
            said.add(is_refused(server.ask(f"file://{bad}")))
        assert str(folder) not in " ".join(said), said
        is_refused(server.ask("http://example.org/a.png"))


def test_tls(certificates):
    key = certificates / "key.pem"
    served = {name: ImageServer(PNG, (certificates / f"{name}.pem", key))
              for name in ("localhost", "other_host", "expired", "self_signed")}
    plain = ImageServer(PNG)
    hosts = [f"--allow-image-host=localhost:{s.port}" for s in (*served.values(), plain)]
    hosts.append(f"--allow-image-host=127.0.0.1:{served['localhost'].port}")
    with Server("--allow-private-image-hosts", *hosts, SSL_CERT_FILE=str(certificates / "authority.pem")) as server:
        # A body up to the end of the connection has no end that TLS protects: the server sends no close_notify.
        for path in set(ANSWERED) - {"/until-the-end.png"}:
            assert server.ask(served["localhost"].url(path, "localhost")) == "three", path
        for path in ("/redirect", "/short", "/endless", "/closes", "/until-the-end.png"):
            is_refused(server.ask(served["localhost"].url(path, "localhost")))
        is_refused(server.ask(served["localhost"].url("/ok.png")))  # the certificate is not for 127.0.0.1
        for name in ("other_host", "expired", "self_signed"):
            is_refused(server.ask(served[name].url("/ok.png", "localhost")))
            assert not served[name].asked, f"a request was sent to {name}"
        is_refused(server.ask(plain.url("/ok.png", "localhost").replace("http:", "https:")))
        is_refused(server.ask(served["localhost"].url("/ok.png", "localhost").replace("https:", "http:")))
    with Server("--allow-private-image-hosts", *hosts, SSL_CERT_FILE="/nowhere", SSL_CERT_DIR="/nowhere") as server:
        is_refused(server.ask(served["localhost"].url("/ok.png", "localhost")))


def main():
    images = ImageServer(PNG)
    with Server("--allow-image-host", f"127.0.0.1:{images.port}", "--allow-private-image-hosts") as server:
        for test in (test_hosts, test_bad_answers, test_slow_servers, test_gone_client):
            test(server, images)
            print(f"{test.__name__} passed", flush=True)
    test_private_addresses(images)
    with tempfile.TemporaryDirectory() as folder:
        test_files(pathlib.Path(folder).resolve())
    print("test_private_addresses, test_files passed")
    if args.tls:
        test_tls(args.tls.resolve())
        print("test_tls passed")


main()
