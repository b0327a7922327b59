# SPDX-License-Identifier: Apache-2.0
"""Tests `llava chat` with the bundled model, in a terminal and over pipes. Run in the repository's root:

    chat.py LLAVA_SERVE edited|plain yes|no   whether it is built with libedit, and with Boost, which fetches images
"""
import fcntl
import functools
import http.server
import json
import os
import pathlib
import re
import signal
import struct
import sys
import tempfile
import termios
import threading
import time
import unittest

from chat_json import InJson, Saved  # unittest.main finds them
from chat_pipes import OverPipes
from chat_program import FETCHES, IMAGE, LINES, LONG, OTHER, PROGRAM, PROMPT, RANDOM, TINY, asked, chat, data_url
from terminal import Terminal


class InATerminal(unittest.TestCase):
    def test_a_conversation(self):
        with chat() as t, tempfile.TemporaryDirectory() as folder:
            self.assertIn("talking to tiny", t.wait_for(PROMPT))
            self.assertIn(f"{IMAGE}, 128 x 128", t.say(f"/image {IMAGE}"))
            first = t.say("How many shapes are there?")
            self.assertEqual(first, "ASSISTANT: three\n")
            second = t.say("What color is the star?")
            self.assertRegex(second, r"^ASSISTANT: [a-z]+\n$")
            self.assertRegex(t.say("/stats"), r"\d+ tokens of the prompt, [1-9]\d* of them known")
            self.assertEqual(t.say("/regenerate"), second)  # greedy
            self.assertIn("saved as", t.say(f"/save {folder}/a.json"))
            self.assertIn("taken back", t.say("/undo"))
            self.assertEqual(t.say("What color is the star?"), second)
            self.assertIn("a new conversation", t.say("/clear"))
            self.assertIn("no question", t.say("/undo"))
            self.assertIn("no question", t.say("/regenerate"))
            self.assertIn("2 questions and 1 images", t.say(f"/load '{folder}/a.json'"))
            self.assertEqual(t.say("/regenerate"), second)
            self.assertIn("there is no command /nonsense", t.say("/nonsense"))
            self.assertIn("/regenerate", t.say("/help"))
            self.assertIn("No such file", t.say(f"/image {folder}/none.png"))
            t.type("/exit\n")
            self.assertEqual(t.wait_for_end(), 0)

    def test_an_image_of_an_address(self):
        class Images(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/moved.png":
                    self.send_response(302)
                    self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/three-shapes.png")
                    self.end_headers()
                else:
                    super().do_GET()

            def log_message(self, *_):
                pass

        images = functools.partial(Images, directory=f"{TINY}/images")
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), images) as server, chat() as t:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            t.wait_for(PROMPT)
            address = f"http://127.0.0.1:{server.server_port}"
            if FETCHES == "yes":
                self.assertIn("128 x 128", t.say(f"/image {address}/moved.png"))
                self.assertEqual(t.say("How many shapes are there?"), "ASSISTANT: three\n")
                self.assertIn("status 404", t.say(f"/image {address}/none.png"))
            else:
                self.assertIn("fetches no images", t.say(f"/image {address}/three-shapes.png"))
            server.shutdown()
            server.server_close()
            self.assertRegex(t.say(f"/image {address}/three-shapes.png"), "fetches no images|cannot|answer")

    def test_the_conversation_in_the_documents(self):
        shown = re.search(r"^\$ llava (.*)\n((?:.+\n)+?)```", pathlib.Path("docs/chat.md").read_text(), re.M)
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(os.path.abspath("examples"), f"{folder}/examples")
            with Terminal([os.path.abspath(PROGRAM), *shown[1].split()], folder=folder) as t:
                for prompt, line in re.findall(r"^(USER: |\.\.\. )(.*)", shown[2], re.M):
                    t.wait_for("\n" + prompt)
                    t.type(line + "\n")
                self.assertEqual(t.wait_for_end(), 0)

        def lines(text):
            text = text.replace(" Lines cannot be edited: this build is without libedit.", "")
            return [re.sub(r"[0-9.]+ (s;|a second)", "", line) for line in text.strip().splitlines()]

        self.assertEqual(lines(t.text()), lines(shown[2]))

    def test_images_of_the_command_line_and_taking_them_back(self):
        with chat("--image-file", IMAGE, "--image-file", OTHER) as t:
            self.assertIn(OTHER, t.wait_for(PROMPT))
            self.assertIn("the images are not shown", t.say("/undo"))
            t.say(f"/image {data_url(IMAGE)}")
            self.assertEqual(t.say("How many shapes are there?"), "ASSISTANT: three\n")
            t.type("\x04")
            self.assertEqual(t.wait_for_end(), 0)

    def test_lines_are_joined(self):
        with chat("--verbose", "--image-file", IMAGE) as t:
            t.wait_for(PROMPT)
            t.type("How many shapes\\\n")
            t.wait_for("... ")
            self.assertIn("ASSISTANT: ", t.say("are there?"))
            self.assertIn("ASSISTANT: three", t.say("/clear") and t.say(f"/image {IMAGE}") and
                          t.say('"""How many shapes are there?"""'))
            with tempfile.TemporaryDirectory() as folder:
                t.type('"""one\n')
                t.wait_for("... ")
                t.type("/two\\\n")
                t.wait_for("... ")
                t.say('three"""')
                t.say(f"/save {folder}/a.json")
                saved = json.loads(pathlib.Path(folder, "a.json").read_text())
                self.assertEqual(saved["messages"][-2]["content"], "one\n/two\\\nthree")

    @unittest.skipUnless(LINES == "edited", "without libedit the terminal's driver edits lines")
    def test_lines_are_edited_and_have_a_history(self):
        with chat("--image-file", IMAGE) as t:
            t.wait_for(PROMPT)
            t.type("any shapes are there?\x01\x1b[C\x1b[C\x1b[C\x7f\x7f\x7fHow m\x06\x1b[D")  # Ctrl-A, right, delete
            t.type("\x15How many shapes are there?x\x7f\n")  # Ctrl-U empties the line
            self.assertIn("ASSISTANT: three", t.wait_for(PROMPT))
            t.type("\x1b[A\x01x\x1b[3~\x1b[D\x1b[3~H\n")  # up; replaced: xow -> How
            self.assertIn("ASSISTANT: ", t.wait_for(PROMPT))
            t.say("/undo")
            t.say("/undo")
            t.type("\x1b[A\x1b[A\x1b[A\n")  # /undo, /undo counts once, then the questions
            t.wait_for("ASSISTANT: ")
            t.wait_for(PROMPT)
            # Characters of several bytes are erased as a whole.
            with tempfile.TemporaryDirectory() as folder:
                t.say("käse日本😀\x7f\x7fx")
                t.say(f"/save {folder}/a.json")
                saved = json.loads(pathlib.Path(folder, "a.json").read_text())
                self.assertEqual(saved["messages"][-2]["content"], "käse日x")

    def test_an_answer_cannot_steer_the_terminal(self):
        with Terminal([PROGRAM, "chat", *RANDOM], NO_COLOR="1") as t:
            t.wait_for(PROMPT)
            t.type("Tell me all.\n")
            t.wait_for("ASSISTANT: ")
            t.wait_for(PROMPT)
            answer = t.raw.split("ASSISTANT: ", 1)[1].rsplit("\r\nUSER: ", 1)[0]
            self.assertGreater(len(answer), 300)
            self.assertEqual(set(re.findall(r"[\x00-\x1f\x7f-\x9f]", answer)) - set("\r\n\t"), set())
        raw = asked({"text": "Tell me all."}, words=RANDOM)[0]["text"]
        self.assertTrue(set(re.findall(r"[\x00-\x08\x0e-\x1f\x7f]", raw)))  # the model has said some

    def test_ctrl_c_stops_an_answer_and_twice_at_the_prompt_ends(self):
        with Terminal([PROGRAM, "chat", *LONG]) as t:
            t.wait_for(PROMPT)
            t.type("Tell me all.\n")
            t.wait_for("ASSISTANT: ")
            t.type("\x03")
            self.assertIn("stopped", t.wait_for(PROMPT))
            with tempfile.TemporaryDirectory() as folder:
                t.say(f"/save {folder}/a.json")
                saved = json.loads(pathlib.Path(folder, "a.json").read_text())["messages"]
                self.assertEqual([m["role"] for m in saved], ["user", "assistant"])  # what is shown is kept
            t.type("half a line\x03")
            self.assertIn("Ctrl-C again ends", t.wait_for(PROMPT))
            t.say("/clear")  # the next Ctrl-C is a first one
            t.type("\x03")
            t.wait_for(PROMPT)
            self.assertIsNone(t.process.poll())
            t.type("\x03")
            self.assertEqual(t.wait_for_end(), 0)

    def test_a_signal_ends_it_and_the_terminal_is_as_before(self):
        with chat() as t:
            before = termios.tcgetattr(t.master)
            t.wait_for(PROMPT)
            time.sleep(0.1)
            if LINES == "edited":
                self.assertNotEqual(termios.tcgetattr(t.master)[3], before[3])  # keys come one by one
            t.process.send_signal(signal.SIGTERM)
            end = time.monotonic() + 30
            while t.process.poll() is None and time.monotonic() < end:
                t.read(0.1)
            self.assertEqual(t.process.wait(1), -signal.SIGTERM)
            self.assertEqual(termios.tcgetattr(t.master)[3], before[3])

    @unittest.skipUnless(LINES == "edited", "without libedit the terminal's driver edits lines")
    def test_it_goes_on_after_ctrl_z_and_in_a_terminal_of_another_size(self):
        with chat() as t:
            before = termios.tcgetattr(t.master)
            t.wait_for(PROMPT)
            t.type("hel")
            t.wait_for("hel")
            t.process.send_signal(signal.SIGSTOP)
            termios.tcsetattr(t.master, termios.TCSANOW, before)  # as a shell does
            t.process.send_signal(signal.SIGCONT)
            t.wait_for("hel")
            fcntl.ioctl(t.master, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 20, 0, 0))
            t.type("xlo" + "\x1b[D" * 2 + "\x7f" + "\x1b[C" * 2 + "\n")
            t.wait_for("ASSISTANT: ")
            with tempfile.TemporaryDirectory() as folder:
                t.say(f"/save {folder}/a.json", until="saved as")
                saved = json.loads(pathlib.Path(folder, "a.json").read_text())
                self.assertEqual(saved["messages"][0]["content"], "hello")

    def test_colours_only_where_they_are_wanted(self):
        for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True),
                                      ({"TERM": "dumb"}, False)):
            with chat(**environment) as t:
                t.wait_for(PROMPT)
                t.say("hello")
                self.assertEqual("\x1b[1;34mASSISTANT: \x1b[0m" in t.raw, coloured, environment)
                self.assertEqual("\x1b[1;32mUSER" in t.raw, coloured, environment)
                self.assertEqual(bool(re.search("\x1b\\[[0-9;]*m", t.raw)), coloured, environment)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
