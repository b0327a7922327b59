# SPDX-License-Identifier: Apache-2.0
"""A worker of `llava-serve` in front of a server of llama.cpp, with the bundled model as GGUF.

    llama_server.py LLAVA_SERVE MODEL SERVER

SERVER is llama-server, or a Python with llama-cpp-python[server]. The latter is asked without images if it was built
without its library for them (mtmd).
"""
import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

from programs import Program, free_port

SYSTEM = ("A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, "
          "detailed, and polite answers to the human's questions. ")

FULL = "Exceeds max token length. Please start a new conversation, thanks."

# llama-server writes its own markers for images into the text of a message, which the bundled template does not show.
TEMPLATE = """{% for m in messages %}{% if m.role == 'system' %}{{ m.content }} {% elif m.role == 'user' -%}
USER: {{ m.content }} {% else %}ASSISTANT: {{ m.content }}</s>{% endif %}{% endfor %}ASSISTANT:"""


def records(url, prompt, images=(), **fields):
    body = dict(prompt=prompt, images=images, temperature=0, stop="</s>", max_new_tokens=12) | fields
    request = urllib.request.Request(url + "/worker_generate_stream", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=600) as reply:
        return [json.loads(r) for r in reply.read().split(b"\0")[:-1]]


def answer(url, prompt, images=()):
    last = records(url, prompt, images)[-1]
    assert last["error_code"] == 0 and last["text"].startswith(prompt), last
    return last["text"][len(prompt):].strip()


def command_of(server, folder, port):
    """How the server is started, and whether it takes images."""
    model, tower = folder / "model.gguf", folder / "mmproj.gguf"
    if pathlib.Path(server).name.startswith("llama-server"):
        (folder / "vicuna.jinja").write_text(TEMPLATE)
        return [server, "-m", model, "--mmproj", tower, "-c", 2048, "-t", 1, "--port", port, "--jinja",
                "--chat-template-file", folder / "vicuna.jinja"], True
    found = subprocess.run([server, "-c", "import llama_cpp.mtmd_cpp"], stderr=subprocess.DEVNULL).returncode == 0
    words = ["--clip_model_path", tower, "--chat_format", "llava-1-5"] if found else ["--chat_format", "vicuna"]
    return [server, "-m", "llama_cpp.server", "--model", model, "--n_ctx", 2048, "--n_threads", 1, "--host",
            "127.0.0.1", "--port", port, *words], found


def main():
    program, model, server = sys.argv[1:]
    model = pathlib.Path(model)
    picture = base64.b64encode((model / "images" / "three-shapes.png").read_bytes()).decode()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "gguf"
        subprocess.run([pathlib.Path(program).with_name("llava"), "convert", "--model-path", model, "--to", "gguf",
                        "--output", folder], check=True)
        port = free_port()
        command, sees = command_of(server, folder, port)
        alone = [program, "worker", "--no-register", "--port", "0"]
        with Program(command, r"Uvicorn running|listening on http"), \
                Program([*alone, "--backend-url", f"http://127.0.0.1:{port}", "--model-name", "llava-x"],
                        "serves") as front, \
                Program([*alone, "--model-path", model, "--model-name", "llava-tiny"], "serves") as direct:
            urls = ["http://127.0.0.1:" + p.found(r"on port (\d+)") for p in (front, direct)]
            # The same tokens follow the same text.
            for prompt in (SYSTEM + "USER: Is there a star", "USER: What is"):
                said = [answer(url, prompt) for url in urls]
                assert said[0] == said[1], said
                print(f"the text {prompt[-20:]!r}: {said}")
            # Conversations: the server's own template and image reader, so that answers may be others.
            for text, images in [("What is a triangle?", []), ("<image>\nHow many shapes are there?", [picture]), (
                    "<image>\nIs there a star? ASSISTANT: no</s>USER: Describe the picture.", [picture])]:
                if images and not sees:
                    print("the server takes no images: not asked")
                    continue
                said = [answer(url, f"{SYSTEM}USER: {text} ASSISTANT:", images) for url in urls]
                assert all(said), said
                print(f"{text[-30:]!r}: {said}")
            prompt = "two " * 3000
            said = records(urls[0], prompt)
            if "llama_cpp.server" in command:
                assert len(said) == 1 and said[0]["error_code"] == 1, said  # it breaks its stream off
            else:
                assert said == [{"text": prompt + FULL, "error_code": 0}], front.said[-500:]


main()
