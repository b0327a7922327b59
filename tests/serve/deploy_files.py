# SPDX-License-Identifier: Apache-2.0
"""Starts llava-serve with the options of the files in examples/deploy, and asks for its health:

    deploy_files.py LLAVA_SERVE MODEL
"""
import http.client
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys

PROGRAM, MODEL = sys.argv[1:3]
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples" / "deploy"


def commands():
    """(file, words behind the program's name)"""
    unit = (FOLDER / "llava-serve.service").read_text()
    program, *words = shlex.split(re.search(r"^ExecStart=(.*)$", unit, re.M)[1])
    assert program.endswith("/llava-serve")
    yield "llava-serve.service", words
    container = (FOLDER / "Containerfile").read_text()
    program, *entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", container, re.M)[1])
    assert program == "llava-serve"
    yield "Containerfile", entry + json.loads(re.search(r"^CMD (.*)$", container, re.M)[1])
    manifest = (FOLDER / "kubernetes.yaml").read_text()
    yield "kubernetes.yaml", entry + json.loads(re.search(r"args: (\[.*\])$", manifest, re.M)[1])


def main():
    for file, words in commands():
        words = [MODEL if re.fullmatch(r"/model|/var/lib/llava/model", w) else w for w in words]
        words[words.index("--port") + 1] = "0"
        assert MODEL in words, (file, words)
        process = subprocess.Popen([PROGRAM, *words], stdout=subprocess.PIPE, text=True,
                                   env=dict(os.environ, LLAVA_API_KEY="key"))
        said = ""
        while "ready" not in said:
            line = process.stdout.readline()
            assert line, (file, words, said)
            said += line
        c = http.client.HTTPConnection("127.0.0.1", int(re.search(r"listening on http://[\d.]+:(\d+)", said)[1]))
        statuses = []
        for path, headers in [("/health", {}), ("/v1/models", {}), ("/v1/models", {"Authorization": "Bearer key"})]:
            c.request("GET", path, headers=headers)
            reply = c.getresponse()
            reply.read()
            statuses.append(reply.status)
        c.close()
        assert statuses == [200, 401, 200], (file, statuses)
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, file
        process.stdout.close()
        print(file, "starts")


main()
