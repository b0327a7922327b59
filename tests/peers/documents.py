# SPDX-License-Identifier: Apache-2.0
"""Runs the Python of docs/serving.md, line by line as it stands there, against `llava-serve serve`.

    documents.py LLAVA_SERVE MODEL [--record FOLDER]      with the Python of setup.sh openai

--record writes FOLDER/openai_client.json: those lines, and what the client asks.
"""
import json
import pathlib
import re
import subprocess
import sys

from programs import Program
from recorder import Recorder

ROOT = pathlib.Path(__file__).resolve().parents[2]


def python_of_documents():
    """The program in docs/serving.md."""
    (text,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "serving.md").read_text(), re.S | re.M)
    return text


def main():
    program, model, *record = sys.argv[1:]
    lines = python_of_documents()
    # It runs where the README's commands do, against the port that it names.
    port = re.search(r"http://localhost:(\d+)/v1", lines)[1]
    with Program([program, "serve", "--model-path", model, "--port", "0"], "ready") as server:
        recorder = Recorder(server.found(r"listening on (http://[\d.:]+)"))
        here = lines.replace(f"localhost:{port}", recorder.url.removeprefix("http://"))
        done = subprocess.run([sys.executable, "-c", here], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stderr == "", done
    print(f"{len(lines.splitlines())} lines print {done.stdout!r}")
    assert done.stdout == "three\n", done.stdout
    if record:
        (asked,) = recorder.seen
        kept = {k: v for k, v in asked["headers"].items() if k.lower() not in ("host", "connection", "content-length")}
        pathlib.Path(record[1], "openai_client.json").write_text(json.dumps(dict(
            lines=lines, printed=done.stdout, method=asked["method"], path=asked["path"], headers=kept,
            body=asked["body"]), indent=1) + "\n")


if __name__ == "__main__":
    main()
