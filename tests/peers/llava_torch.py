# SPDX-License-Identifier: Apache-2.0
"""LLaVA's own programs and those of `llava-serve`, each with the others, on the bundled model, which `llava convert`
writes in LLaVA's layout.

    llava_torch.py LLAVA_SERVE MODEL [--record FOLDER]      with the Python of setup.sh llava_torch

--record writes FOLDER/web_page.json: what the original web page asks a worker, and what the original worker answers.
"""
import argparse
import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import gradio_client
import requests

from programs import Program, free_port
from recorder import Recorder

HERE = pathlib.Path(__file__).resolve().parent
NAME = "llava-v1.5-tiny"
# What the environment's start script is called with; sys.executable would lack its libraries.
PYTHON = pathlib.Path(sys.prefix).parent / "python"
PROMPT = ("A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, "
          "detailed, and polite answers to the human's questions. ")


def original(name, *words, ready, folder):
    return Program([PYTHON, HERE / "original.py", "llava.serve." + name, *words], ready, folder)


def ours(program, name, *words, ready):
    return Program([program, name, *words, "--port", "0"], ready)


def post(url, **body):
    return requests.post(url, json=body, headers={"User-Agent": "LLaVA Client"}, timeout=600)


def picture(path):
    return base64.b64encode(path.read_bytes()).decode()


class Everything:
    """All programs, and what is checked of them."""

    def __init__(self, program, model, scratch):
        self.program, self.images = program, model / "images"
        self.folder = scratch / NAME
        subprocess.run([pathlib.Path(program).with_name("llava"), "convert", "--model-path", model, "--to", "original",
                        "--output", self.folder], check=True)
        self.running = []

    def start(self, program):
        self.running.append(program)
        return program

    def stop(self):
        for program in reversed(self.running):
            program.stop()

    def start_controllers(self):
        port = free_port()
        self.start(original("controller", "--host", "127.0.0.1", "--port", port, ready="Uvicorn running",
                            folder=self.folder))
        self.original_controller = f"http://127.0.0.1:{port}"
        made = self.start(ours(self.program, "controller", ready="listens on port"))
        self.our_controller = "http://127.0.0.1:" + made.found(r"on port (\d+)")

    def start_workers(self):
        """Each worker registers with the controller of the other kind, under the address of a recorder."""
        self.seen_by_ours, self.seen_by_original = Recorder(), Recorder()
        port = free_port()
        self.original_worker = f"http://127.0.0.1:{port}"
        self.seen_by_original.target = self.original_worker
        self.original_worker_log = self.start(original(
            "model_worker", "--host", "127.0.0.1", "--port", port, "--controller-address", self.our_controller,
            "--worker-address", self.seen_by_original.url, "--model-path", self.folder, "--device", "cpu",
            ready="Uvicorn running", folder=self.folder))
        # It registers before it listens, so that our worker can be started at any time.
        made = self.start(ours(self.program, "worker", "--controller-address", self.original_controller,
                               "--worker-address", self.seen_by_ours.url, "--model-path", self.folder,
                               "--threads", "2", ready="serves"))
        self.our_worker = "http://127.0.0.1:" + made.found(r"on port (\d+)")
        self.seen_by_ours.target = self.our_worker

    def check_controllers(self):
        for controller, worker in [(self.our_controller, self.seen_by_original), (self.original_controller,
                                                                                  self.seen_by_ours)]:
            assert post(controller + "/list_models").json() == {"models": [NAME]}
            assert post(controller + "/get_worker_address", model=NAME).json() == {"address": worker.url}
            assert post(controller + "/refresh_all_workers").text == "null"
            assert post(controller + "/list_models").json() == {"models": [NAME]}
            assert post(controller + "/worker_get_status").json()["model_names"] == [NAME]

    def requests(self):
        """Prompts with pictures, each of which both workers answer alike."""
        one, two = picture(self.images / "three-shapes.png"), picture(self.images / "wide.png")
        jpeg = picture(self.images / "tall.jpg")
        for text, images, more in [
                ("<image>\nHow many shapes are there?", [one], {}),
                ("<image>\nDescribe the picture.", [one], {}),
                ("<image>\nDescribe the picture.", [two], {}),
                ("<image>\nDescribe the picture.", [jpeg], {}),
                ("What colour is the shape?\n<image>", [two], {}),
                ("<image>\n<image>\nWhich image has more shapes?", [one, two], {}),
                ("What is a triangle?", [], {}),
                ("<image>\nDescribe the picture.", [one], {"max_new_tokens": 3}),
                ("<image>\nDescribe the picture.", [one], {"stop": "."}),
                ("<image>\nDescribe the picture.", [one], {"stop": " "}),
                ("<image>\n<image>\nWhat is this?", [one], {}),  # an image is missing
                ("two " * 3000, [], {}),  # no room for an answer
        ]:
            yield dict(dict(model=NAME, prompt=f"{PROMPT}USER: {text} ASSISTANT:", images=images, temperature=0.0,
                            top_p=1.0, max_new_tokens=32, stop="</s>"), **more)

    def check_streams(self):
        """The bytes of both workers, directly and through both controllers."""
        for body in self.requests():
            expected = post(self.original_worker + "/worker_generate_stream", **body).content
            for url in (self.our_worker, self.our_controller, self.original_controller):
                found = post(url + "/worker_generate_stream", **body).content
                assert found == expected, (body["prompt"][-80:], url, found[-300:], expected[-300:])
            last = json.loads(expected.split(b"\0")[-2])
            print(f"  {len(expected):6} bytes equal: {last['text'].removeprefix(body['prompt'])[-60:]!r}")

    def check_heartbeats(self):
        """A restart of the controllers cannot be waited for; a heartbeat is sent with each request."""
        assert "Register done" in self.said_by("controller", PYTHON)
        assert re.search("Receive heart beat. http", self.said_by("controller", PYTHON)), "no heartbeat of our worker"
        assert "heart beat error" not in self.original_worker_log.said

    def said_by(self, name, program):
        return "".join(p.said for p in self.running if p.words[0] == program and any(name in str(w) for w in p.words))

    def check_test_message(self):
        for controller in (self.our_controller, self.original_controller):
            words = ["--controller-address", controller, "--model-name", NAME, "--message", "Is there a star?",
                     "--max-new-tokens", "6"]
            said = [subprocess.run([str(w) for w in start + words], capture_output=True, cwd=self.folder, timeout=600)
                    for start in ([PYTHON, HERE / "original.py", "llava.serve.test_message"],
                                  [self.program, "test-message"])]
            heads = [s.stdout.split(b"star?\n")[0] for s in said]  # then words that were drawn
            assert heads[0] == heads[1] and b"worker_addr: http" in heads[0], said
            assert all(s.returncode == 0 and s.stdout.count(b"\r") >= 2 for s in said), said

    def check_register_worker(self):
        done = subprocess.run([self.program, "register-worker", "--controller-address", self.original_controller,
                               "--worker-name", self.original_worker], timeout=600)
        assert done.returncode == 0
        assert post(self.original_controller + "/worker_get_status").json()["speed"] == 2
        words = ["--controller-address", self.our_controller, "--worker-name", self.our_worker]
        done = subprocess.run([str(PYTHON), str(HERE / "original.py"), "llava.serve.register_worker", *words],
                              timeout=600)
        assert done.returncode == 0
        assert post(self.our_controller + "/worker_get_status").json()["speed"] == 2

    def start_page(self, controller):
        port = free_port()
        self.start(original("gradio_web_server", "--host", "127.0.0.1", "--port", port, "--controller-url", controller,
                            "--model-list-mode", "reload", ready="Running on local URL", folder=self.folder))
        return f"http://127.0.0.1:{port}"

    def talk(self, page):
        """What the page says: a picture, a further question, the same again, another picture, no picture, and a picture
        in a later turn."""
        client = gradio_client.Client(page, verbose=False, serialize=False)
        calls = {d["api_name"]: i for i, d in enumerate(client.config["dependencies"])}
        said = []

        def answer():
            job = client.submit(NAME, 0.0, 1.0, 32, fn_index=calls["http_bot_2"])
            job.result(timeout=600)
            updates = [chat[-1][1] for chat in job.outputs()]
            assert len(updates) > 2 and updates[0] == "▌", updates
            said.append(updates[-1])

        def ask(text, image=None):
            file = None
            if image:
                with open(image, "rb") as f:
                    path = requests.post(page + "/upload", files={"files": f}).json()[0]
                file = dict(path=path, url=None, orig_name=image.name, mime_type="image/png")
            client.predict(text, file, "Default", fn_index=calls["add_text_1"])
            answer()

        client.predict(fn_index=calls["load_demo_refresh_model_list"])  # makes the session's state, as a browser does
        ask("How many shapes are there?", self.images / "three-shapes.png")
        ask("Is there a star?")
        client.predict("Default", fn_index=calls["regenerate"])
        answer()
        client.predict(fn_index=calls["clear_history"])
        ask("Describe the picture.", self.images / "wide.png")
        client.predict(fn_index=calls["clear_history"])
        ask("What is a triangle?")
        ask("Describe the picture.", self.images / "three-shapes.png")
        client.predict(NAME, fn_index=calls["upvote_last_response"])
        return said

    def check_pages(self):
        """The original page over our controller and the original worker, the other way round, and over a worker in
        front of another server."""
        backend = self.start(ours(self.program, "serve", "--model-path", self.folder, "--threads", "2", ready="ready"))
        front = self.start(ours(self.program, "controller", ready="listens on port"))
        self.third_controller = "http://127.0.0.1:" + front.found(r"on port (\d+)")
        self.start(ours(self.program, "worker", "--controller-address", self.third_controller, "--backend-url",
                        backend.found(r"listening on (http://[\d.:]+)"), ready="serves"))
        both = self.start(ours(self.program, "controller", ready="listens on port"))
        all_ours = "http://127.0.0.1:" + both.found(r"on port (\d+)")
        subprocess.run([self.program, "register-worker", "--controller-address", all_ours, "--worker-name",
                        self.our_worker], check=True, timeout=600)
        self.seen_by_original.seen.clear()
        said = {}
        for name, controller in [("our controller, original worker", self.our_controller),
                                 ("original controller, our worker", self.original_controller),
                                 ("our controller, our worker", all_ours),
                                 ("our controller, our worker, llava-serve behind it", self.third_controller)]:
            said[name] = self.talk(self.start_page(controller))
            print(f"  {name}: {said[name]}")
        first, *others, behind = said.values()
        assert first[0] == "three" and all(s == first for s in others), said
        # The last question has its image behind the text. In messages the backend's template places it in front.
        assert behind[:-1] == first[:-1] and behind[-1], said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--record", type=pathlib.Path)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        all_of_it = Everything(os.path.abspath(o.program), o.model.resolve(), pathlib.Path(scratch))
        try:
            for step in (all_of_it.start_controllers, all_of_it.start_workers, all_of_it.check_controllers,
                         all_of_it.check_streams, all_of_it.check_heartbeats, all_of_it.check_test_message,
                         all_of_it.check_pages, all_of_it.check_register_worker):
                start = time.monotonic()
                step()
                print(f"{step.__name__} passed in {time.monotonic() - start:.0f} s", flush=True)
        except BaseException:
            for program in all_of_it.running:
                print(f"--- {' '.join(map(str, program.words))}:\n{program.said[-3000:]}")
            raise
        finally:
            all_of_it.stop()
        asked = [dict(agent=s["headers"]["User-Agent"], body=s["body"], reply=s["reply"])
                 for s in all_of_it.seen_by_original.seen if s["path"] == "/worker_generate_stream"]
        assert len(asked) == 6
    if o.record:
        (o.record / "web_page.json").write_text(json.dumps(asked, indent=1) + "\n")


if __name__ == "__main__":
    main()
