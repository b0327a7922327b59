# SPDX-License-Identifier: Apache-2.0
"""Runs one of the real peers against the programs of this folder. tests/run.sh --peers runs all of them.

    run.py PEER LLAVA_SERVE [--record]

    openai        OpenAI's Python client                                  needs PyPI
    documents     the Python of docs/serving.md, with that client         needs PyPI
    llava_torch   LLaVA's controller, worker, web page and test_message   needs PyPI, Debian's packages, Python 3.11
    llama_server  a worker in front of llama.cpp's server                 needs LLAVA_PEERS_LLAMA: llama-server, or a
                                                                          Python with llama-cpp-python[server]
    browser       the web page in chromium                                needs PyPI, chromium, chromium-driver

--record writes what the clients ask, and what the original answers, into tests/data/serve, where the ctest entry
recorded_clients reads it. The environments are made in build/peers (LLAVA_PEERS_FOLDER) once. Exit code 77: the peer
cannot be had here.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODEL = ROOT / "examples" / "tiny"
FOLDER = pathlib.Path(os.environ.get("LLAVA_PEERS_FOLDER", ROOT / "build" / "peers")).resolve()


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def python_of(environment):
    """The Python of an environment of setup.sh, which is made if it does not exist."""
    folder = FOLDER / environment
    done = subprocess.run(["bash", HERE / "setup.sh", environment, folder], capture_output=True, text=True)
    if done.returncode != 0:
        skip(f"{environment} cannot be installed:\n{(done.stdout + done.stderr)[-2000:]}")
    return folder / "python"


def run(python, script, *words):
    return subprocess.run([str(w) for w in (python, script, *words)], cwd=ROOT).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=("openai", "documents", "llava_torch", "llama_server", "browser"))
    parser.add_argument("llava_serve", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--record", action="store_true")
    o = parser.parse_args()
    record = ["--record", ROOT / "tests" / "data" / "serve"] if o.record else []
    if o.peer == "openai":
        return run(python_of("openai"), HERE / "openai_client.py", o.llava_serve, MODEL)
    if o.peer == "documents":
        return run(python_of("openai"), HERE / "documents.py", o.llava_serve, MODEL, *record)
    if o.peer == "llava_torch":
        return run(python_of("llava_torch"), HERE / "llava_torch.py", o.llava_serve, MODEL, *record)
    if o.peer == "llama_server":
        server = os.environ.get("LLAVA_PEERS_LLAMA")
        if not server:
            skip("LLAVA_PEERS_LLAMA names no server of llama.cpp, which takes long to build")
        return run(sys.executable, HERE / "llama_server.py", o.llava_serve, MODEL, server)
    script = ROOT / "tests" / "serve" / "page_browser.py"
    if not script.exists():
        skip("there is no tests/serve/page_browser.py")
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        skip("chromium or its driver is not installed (Debian: chromium, chromium-driver)")
    return run(python_of("selenium"), script, o.llava_serve, MODEL)


if __name__ == "__main__":
    sys.exit(main())
