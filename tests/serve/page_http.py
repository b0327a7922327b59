# SPDX-License-Identifier: Apache-2.0
"""Tests the web page of `llava-serve serve` over HTTP: its files, its log, its votes, moderation. No browser: that is
page_browser.py.

    page_http.py LLAVA_SERVE MODEL
"""
import base64
import hashlib
import json
import os
import pathlib
import re
import resource
import subprocess
import tempfile
import time
import zlib

from page_programs import MODEL, PAGE, PROGRAM, data_url, example, question, run, serve


def png(width, height, pixels):
    """A PNG file of 8-bit RGB pixels."""
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    rows = b"".join(b"\0" + pixels[3 * width * y:3 * width * (y + 1)] for y in range(height))
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


MESSAGES = [["user", "How many? é \U0001f600\n<image>"], ["assistant", "three \"3\"\\"]]
CHAT = {"type": "chat", "model": "tiny", "messages": MESSAGES, "seconds": 1.25}
VOTE = {"type": "upvote", "model": "tiny", "messages": MESSAGES}
PAIR = {"type": "leftvote", "models": ["tiny", "tiny"], "conversations": [MESSAGES, MESSAGES[:1]]}


def test_files():
    with serve() as server:
        names = {p.name for p in PAGE.iterdir()}
        assert {"index.html", "main.js", "style.css"} <= names
        for name in names:
            path = "/" if name == "index.html" else f"/page/{name}"
            status, text, headers = server.call("GET", path)
            assert status == 200 and text == (PAGE / name).read_bytes(), name
            policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
            assert policy["default-src"] == "'none'" and policy["connect-src"] == policy["script-src"] == "'self'"
            assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
            assert not re.search(r"unsafe|\*|http", headers["Content-Security-Policy"])
            assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
            kind = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
            assert headers["Content-Type"].startswith(kind[pathlib.Path(name).suffix])
        index = (PAGE / "index.html").read_text(encoding="utf-8")
        loaded = re.findall(r'(?:src|href)="(?!#)([^"]+)"', index)
        assert len(loaded) == 3
        for script in names:  # every module is there
            loaded += [f"page/{m}" for m in re.findall(r'from "\./([^"]+)"', (PAGE / script).read_text("utf-8"))]
        for path in loaded:
            assert server.call("GET", "/" + path)[0] == 200, path
        # The page's examples are the bundled pictures.
        pictures = re.findall(r'"data:image/png;base64," \+\s+((?:"[^"]*"(?: \+)?\s*)+)',
                              (PAGE / "examples.js").read_text())
        found = {base64.b64decode("".join(re.findall(r'"([^"]*)"', p))) for p in pictures}
        drawn = {p.read_bytes() for p in pathlib.Path(MODEL, "images").glob("*.png")}
        assert len(found) == 2 and found <= drawn
        status, text, headers = server.call("HEAD", "/")
        assert status == 200 and text == b"" and int(headers["Content-Length"]) == len(index.encode())
        for path in ("/page/", "/page/none.js", "/page/../page/main.js", "/page/main.js/", "/index.html"):
            assert server.call("GET", path)[0] in (400, 404), path
        assert json.loads(server.call("GET", "/page/settings")[1]).items() >= {
            "log": False, "embed": False, "usage": True}.items()
        assert server.post("/page/record", VOTE) == (200, {"saved": False})  # no log
        assert server.call("POST", "/page/record", VOTE, Origin="http://example.org")[0] == 403
    with serve("--no-page") as server:
        assert server.call("GET", "/")[0] == server.call("GET", "/page/main.js")[0] == 404
    with serve("--embed", "--api-key", "secret") as server:
        status, _, headers = server.call("GET", "/")  # a browser sends no key with it
        assert status == 200 and "frame-ancestors *" in headers["Content-Security-Policy"]
        assert json.loads(server.call("GET", "/page/settings")[1])["embed"] is True
        for method, path in (("POST", "/page/record"), ("GET", "/v1/models")):
            assert server.call(method, path, VOTE)[0] == 401
            assert server.call(method, path, VOTE, Authorization="Bearer secret")[0] == 200


REFUSED = [  # what is sent, the parameter that the error names
    ({**VOTE, "type": "like"}, "type"), ({**VOTE, "type": None}, "type"), ({**VOTE, "ip": "1.2.3.4"}, "ip"),
    ({**VOTE, "model": ""}, "model"), ({**VOTE, "model": "x" * 1025}, "model"), ({**VOTE, "messages": []}, "messages"),
    ({**VOTE, "messages": [["user"]]}, "messages"), ({**VOTE, "messages": [["system", "x"]]}, "messages"),
    ({**VOTE, "messages": [["user", 1]]}, "messages"), ({**VOTE, "messages": [["user", ""]] * 4097}, "messages"),
    ({**VOTE, "messages": [["user", "x" * (1 << 20)], ["assistant", "y"]]}, "messages"),
    ({**PAIR, "models": ["tiny"]}, "models"), ({**PAIR, "conversations": [MESSAGES]}, "conversations"),
    ({**PAIR, "model": "tiny"}, "model"), ({**VOTE, "images": []}, "images"), ({**VOTE, "seconds": 1}, "seconds"),
    ({**CHAT, "seconds": -1}, "seconds"), ({**CHAT, "images": ["http://example.org/a.png"]}, "images"),
    ({**CHAT, "images": ["data:image/png;base64,###"]}, "images"),
    ({**CHAT, "images": ["data:image/png;base64,"]}, "images"),
    ({**CHAT, "images": ["data:image/png;base64,AAAA"]}, "images"), ({**CHAT, "images": "x"}, "images"),
    ({**CHAT, "images": [example()] * 65}, "images"),
]


def test_log():
    with tempfile.TemporaryDirectory() as folder:
        logs = pathlib.Path(folder, "a/b")
        with serve("--log-folder", str(logs)) as server:
            assert json.loads(server.call("GET", "/page/settings")[1])["log"] is True
            before = time.time()
            day = time.strftime("%Y-%m-%d")
            pixels = bytes((7 * i * i + i) % 256 for i in range(3 * 40 * 30))
            url = data_url(png(40, 30, pixels))
            sent = [{**CHAT, "images": [url, url]}, VOTE, {**VOTE, "type": "downvote"}, {**VOTE, "type": "flag"}, PAIR,
                    *({**PAIR, "type": t} for t in ("rightvote", "tievote", "bothbad_vote"))]
            for record in sent:
                assert server.post("/page/record", record) == (200, {"saved": True}), record
            if day != time.strftime("%Y-%m-%d"):
                return  # midnight
            files = sorted(str(p.relative_to(logs)) for p in logs.rglob("*") if p.is_file())
            name = hashlib.md5(pixels).hexdigest()
            assert files == [f"{day}-conv.json", f"serve_images/{day}/{name}.jpg"], files
            jpeg = (logs / files[1]).read_bytes()
            assert jpeg[:2] == b"\xff\xd8" and jpeg[-2:] == b"\xff\xd9"
            size = jpeg[jpeg.index(b"\xff\xc0") + 5:][:4]
            assert size == bytes([0, 30, 0, 40]), size
            assert all((logs / f).stat().st_mode & 0o777 == 0o600 for f in files)
            lines = (logs / files[0]).read_text(encoding="ascii").splitlines()
            assert len(lines) == len(sent)
            system = ("A chat between a curious user and an artificial intelligence assistant. The assistant gives "
                      "helpful, detailed, and polite answers to the user's questions.")
            for line, record in zip(lines, sent):
                told = json.loads(line)
                assert json.dumps(told) == line  # as Python writes it
                assert before - 0.01 < told["tstamp"] < time.time() + 0.01 and told["ip"] == "127.0.0.1"
                assert round(told["tstamp"], 4) == told["tstamp"] and told["type"] == record["type"]
            chat = json.loads(lines[0])
            assert list(chat) == ["tstamp", "type", "model", "start", "finish", "state", "images", "ip"]
            assert chat["finish"] == chat["tstamp"] and abs(chat["finish"] - chat["start"] - 1.25) < 2e-4
            assert chat["images"] == [name, name]
            assert list(chat["state"]) == ["system", "roles", "messages", "offset", "sep", "sep2"]
            roles = chat["state"]["roles"]
            assert chat["state"]["messages"] == [[roles[0], MESSAGES[0][1]], [roles[1], MESSAGES[1][1]]]
            assert chat["state"]["offset"] == 0
            assert list(json.loads(lines[1])) == ["tstamp", "type", "model", "state", "ip"]
            pair = json.loads(lines[4])
            assert list(pair) == ["tstamp", "type", "models", "states", "ip"] and pair["models"] == ["tiny", "tiny"]
            assert [len(s["messages"]) for s in pair["states"]] == [2, 1]
            for record, param in REFUSED:
                status, reply = server.post("/page/record", record)
                assert status == 400 and reply["error"]["param"] == param, (str(record)[:200], status, reply)
                assert folder not in json.dumps(reply)
            for body in ("", "[]", "{", "[" * 100_000, '{"messages": ' * 100 + "1" + "}" * 100,
                         '{"type": "flag", "type": "x"}'):
                assert server.call("POST", "/page/record", body)[0] == 400, body[:40]
            assert server.call("POST", "/page/record", b"x" * (33 << 20))[0] == 413
            assert server.post("/page/record", {**VOTE, "model": "other"})[0] == 404
            assert len((logs / files[0]).read_text().splitlines()) == len(sent)
        # A folder's own template has no separators; a named one has its own.
        with serve("--log-folder", str(logs), "--conv-mode", "vicuna_v1") as server:
            server.post("/page/record", VOTE)
            state = json.loads((logs / files[0]).read_text().splitlines()[-1])["state"]
            assert state == {"system": system, "roles": ["USER", "ASSISTANT"], "offset": 0, "sep": " ", "sep2": "</s>",
                             "messages": [["USER", MESSAGES[0][1]], ["ASSISTANT", MESSAGES[1][1]]]}, state
        occupied = pathlib.Path(folder, "file")
        occupied.write_text("")
        done = subprocess.run([PROGRAM, "serve", "--model-path", MODEL, "--log-folder", occupied / "x"],
                              capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr.startswith("llava: cannot make the log folder "), done


def test_full_disk():
    """A limit on the size of files stands for a full disk: a write beyond it fails."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    with tempfile.TemporaryDirectory() as folder:
        with serve("--log-folder", folder, preexec_fn=limit, restore_signals=False) as server:
            small = {**CHAT, "images": [data_url(png(8, 8, bytes(192)))]}
            assert server.post("/page/record", small)[1]["saved"]
            saved = [server.post("/page/record", VOTE)[1]["saved"] for _ in range(30)]
            assert saved[0] and not saved[-1] and saved == sorted(saved, reverse=True), saved
            pixels = os.urandom(3 * 100 * 100)
            status, reply = server.post("/page/record", {**CHAT, "images": [data_url(png(100, 100, pixels))]})
            assert (status, reply) == (200, {"saved": False})
            assert not server.post("/page/record", small)[1]["saved"]  # its image is there
            assert not server.post("/page/record", VOTE)[1]["saved"]
            images = [p for p in pathlib.Path(folder).rglob("*") if p.suffix in (".jpg", ".part")]
            assert [p.name for p in images] == [hashlib.md5(bytes(192)).hexdigest() + ".jpg"], images
            (file,) = pathlib.Path(folder).glob("*-conv.json")
            lines = file.read_text().splitlines()
            assert len(lines) == 1 + sum(saved) and all(json.loads(line) for line in lines)  # no half line
            file.unlink()
            assert server.post("/page/record", VOTE) == (200, {"saved": True})
            status, reply = server.post("/v1/chat/completions", question())
            assert status == 200 and reply["choices"][0]["message"]["content"] == "three"
            complaints = server.text("stderr").splitlines()
            assert len(complaints) == 1 and "cannot write the log" in complaints[0], complaints


def test_moderation():
    command = ("[ $(ls /proc/$$/fd | wc -l) -lt 6 ] || exit 9; "  # no socket of a client
               "read -r line; case $line in *broken*) exit 7;; *forbidden*) exit 1;; esac")
    with serve("--moderate", command) as server:
        status, reply = server.post("/v1/chat/completions", question())
        assert status == 200 and reply["choices"][0]["message"]["content"] == "three"
        status, reply = server.post("/v1/chat/completions", question("a forbidden ' \" word", image=False))
        assert status == 400 and reply["error"]["code"] == "moderated", reply
        assert reply["error"]["message"].startswith("YOUR INPUT VIOLATES"), reply
        assert server.post("/v1/completions", {"prompt": "forbidden"})[0] == 400
        status, reply = server.post("/v1/chat/completions", question("broken", image=False))
        assert status == 503 and reply["error"]["code"] == "moderation_failed", reply
        long = question("x" * 500_000, image=False, max_tokens=1)  # more than a pipe holds
        assert server.post("/v1/chat/completions", long)[1]["error"]["code"] == "context_length_exceeded"
    with serve("--moderate", "sleep 60") as server:
        start = time.monotonic()
        assert server.post("/v1/chat/completions", question())[0] == 503
        assert 4 < time.monotonic() - start < 20


if __name__ == "__main__":
    run([test_files, test_log, test_full_disk, test_moderation])
