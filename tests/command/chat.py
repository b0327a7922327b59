# SPDX-License-Identifier: Apache-2.0
"""Tests `llava chat` with the bundled model, in a terminal and over pipes. Run in the repository's root:

    chat.py LLAVA_SERVE edited|plain yes|no   whether it is built with libedit, and with Boost, which fetches images
"""
import base64
import fcntl
import functools
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

from terminal import Terminal

PROGRAM, LINES, FETCHES = sys.argv[1:4]
TINY = "examples/tiny"
IMAGE, OTHER = f"{TINY}/images/three-shapes.png", f"{TINY}/images/tall.jpg"
GREEDY = ("--model-path", TINY, "--temperature", "0", "--threads", "2")
# An answer of 920 tokens at random, and one that takes a second at least.
RANDOM = ("--model-path", TINY, "--temperature", "100", "--top-k", "0", "--max-new-tokens", "100000", "--seed", "4")
PROMPT = "\nUSER: "  # begins a line; libedit writes it again where it draws a line anew
LONG = (*RANDOM, "--backend", "scalar", "--dtype", "f32", "--threads", "1")


def data_url(file):
    kind = "png" if file.endswith("png") else "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(pathlib.Path(file).read_bytes()).decode()


def chat(*options, **environment):
    return Terminal([PROGRAM, "chat", *GREEDY, *options], **environment)


def piped(lines, *options, words=GREEDY, code=0):
    done = subprocess.run([PROGRAM, "chat", *words, *options], input=lines, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def asked(*requests, words=GREEDY, options=()):
    """Returns the replies of `llava chat --json`."""
    lines = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in requests)
    return [json.loads(r) for r in piped(lines, "--json", *options, words=words).stdout.splitlines()]


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


class OverPipes(unittest.TestCase):
    def test_answers_alone_are_on_standard_output(self):
        done = piped(f"/image {IMAGE}\nHow many shapes are there?\n\n  What color is the star?  \n")
        self.assertEqual(done.stderr, "")
        answers = done.stdout.splitlines()
        self.assertEqual((len(answers), answers[0]), (2, "three"))
        self.assertEqual(piped("How many shapes are there?", "--image-file", IMAGE).stdout, "three\n")
        self.assertEqual(piped("").stdout, "")

    def test_failures_are_told_at_the_end_too(self):
        done = piped("/image none.png\nhello\n/save\n" + "many words " * 2000 + "\n", code=1)
        self.assertEqual(done.stdout.count("\n"), 1)
        for sentence in ("cannot open the image none.png: No such file", "/save needs the name of a file",
                         "/clear make room"):
            self.assertIn(sentence, done.stderr)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, "chat", *GREEDY], input=b"hello\n", stdout=full, stderr=subprocess.PIPE,
                                  timeout=300, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write to standard output: No space left", done.stderr)

    def test_lines_of_windows(self):
        unix = (f"/image '{IMAGE}'\nHow many shapes are there?\n/regenerate\nWhat color\\\n is the star?\n"
                '"""Is it\nred?"""\n/stats\n/exit\nhello\n')
        one, two = piped(unix), piped(unix.replace("\n", "\r\n"))
        self.assertEqual(one.stdout.splitlines()[0], "three")
        self.assertEqual((two.stdout, one.stdout.count("\n")), (one.stdout, 4))
        self.assertRegex(two.stderr, r"^\d+ tokens of the prompt")

    def test_words_that_a_command_does_not_take_are_refused(self):
        commands = ("/help", "/exit", "/quit", "/stats", "/regenerate", "/clear", "/undo")
        done = piped(f"/image {IMAGE}\nHow many shapes are there?\n" + "".join(f"{c} now\n" for c in commands) +
                     "/save ''\n/regenerate\n", code=1)
        self.assertEqual(done.stderr.splitlines(), [
            f"llava: {c} stands alone on its line, found now behind it; nothing was done" for c in commands] +
            ["llava: /save needs the name of a file"])
        self.assertEqual(done.stdout, "three\nthree\n")

    def test_names_of_files_may_be_quoted(self):
        with tempfile.TemporaryDirectory() as home:
            shutil.copy(IMAGE, f"{home}/a b.png")
            for typed in (f"{home}/a b.png", f"'{home}/a b.png'", f'"{home}/a b.png"', f"{home}/a\\ b.png",
                          "~/a b.png"):
                done = subprocess.run([PROGRAM, "chat", *GREEDY], input=f"/image {typed}\nHow many shapes are there?\n",
                                      capture_output=True, text=True, timeout=300, env={**os.environ, "HOME": home})
                self.assertEqual((done.stdout, done.stderr), ("three\n", ""), typed)

    def test_options_of_the_reference(self):
        done = piped("hello\n", "--conv-mode", "vicuna_v1", "--top_p", "0.9", "--max-new", "3", "--device", "cpu",
                     "--debug")
        said = json.loads(done.stderr.splitlines()[-1])
        self.assertRegex(said["prompt"], r"USER: hello ASSISTANT:$")
        self.assertTrue(said["outputs"])

    def test_bytes_that_are_not_text_do_no_harm(self):
        done = subprocess.run([PROGRAM, "chat", *GREEDY], input=b"a\xff\xfe\0b\n\xe2\x82\n", capture_output=True,
                              timeout=300, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        done.stdout.decode()
        done = piped("x" * (5 << 20) + "\nhello\n", code=1)
        self.assertIn("a line has more than 4194304 bytes", done.stderr)
        self.assertEqual(done.stdout.count("\n"), 1)


class InJson(unittest.TestCase):
    def test_replies(self):
        a, b, c = asked({"text": "How many shapes are there?", "images": [IMAGE], "id": 7},
                        {"do": "ask", "text": "What color is the star?", "id": "x"}, {"do": "regenerate"})
        self.assertEqual((a["text"], a["finish_reason"], a["id"], b["id"]), ("three", "eos", 7, "x"))
        self.assertGreater(b["reused_tokens"], a["prompt_tokens"] - 2)  # each turn computes only what is new
        self.assertEqual((c["text"], c["prompt_tokens"]), (b["text"], b["prompt_tokens"]))
        self.assertNotIn("id", c)
        states = asked({"text": "a", "images": [data_url(OTHER)]}, {"do": "system", "text": "Be brief."},
                       {"do": "undo"}, {"do": "undo"}, {"do": "clear"}, {"do": "state"})
        self.assertEqual([(s.get("turns"), s.get("images")) for s in states[1:]],
                         [(2, 1), (0, 0), (None, None), (0, 0), (0, 0)])
        self.assertEqual(states[3]["error"]["code"], "invalid_argument")

    def test_pieces_are_the_text(self):
        *pieces, whole = asked({"text": "What does the picture show?", "images": [IMAGE], "stream": True})
        self.assertGreater(len(pieces), 1)
        self.assertEqual("".join(p["delta"] for p in pieces), whole["text"])
        # Of bytes in any order too: each piece is valid by itself.
        *pieces, whole = asked({"text": "x", "stream": True},
                               words=(*RANDOM[:6], "--seed", "2", "--max-new-tokens", "300"))
        self.assertEqual("".join(p["delta"] for p in pieces), whole["text"])
        self.assertEqual(whole["finish_reason"], "length")

    def test_the_system_text_and_the_seed_count(self):
        words = ("--model-path", TINY, "--temperature", "5", "--top-k", "0", "--max-new-tokens", "8")
        one, two, three = (r["text"] for r in asked({"text": "x"}, {"do": "regenerate"}, {"do": "regenerate"},
                                                    words=words))
        self.assertEqual(len({one, two, three}), 3)
        self.assertEqual(asked({"text": "x"}, words=words)[0]["text"], one)
        plain, briefer = (asked(*r, {"text": "x"})[-1]["prompt_tokens"] for r in
                          ([], [{"do": "system", "text": "Be brief."}]))
        self.assertLess(briefer, plain)

    def test_what_is_wrong_is_said_and_the_next_line_counts(self):
        wrong = ["[", "1", "[" * 100000, '{"text": 1}', '{"text": ""}', "{}", '{"text": "a", "colour": 1}',
                 '{"do": "sing"}', '{"do": "load"}', '{"text": "a", "images": "b"}',
                 '{"text": "a", "images": ["none.png"]}',
                 '{"text": "a", "images": ["http://127.0.0.1:1/a.png"]}', '{"text": "a", "text": "b"}',
                 '{"text": "<image> <image>", "images": ["%s"]}' % IMAGE, '{"id": [1], "text": "a"}',
                 '{"text": "a", "images": ["data:image/png;base64,AAAA"]}', '{"text": "a", "stream": 1}',
                 json.dumps({"text": "many words " * 2000})]
        replies = asked(*wrong, {"text": "How many shapes are there?", "images": [IMAGE]})
        for line, reply in zip(wrong, replies):
            self.assertTrue(reply["error"]["message"].startswith("llava: "), (line[:80], reply))
        self.assertEqual(replies[-1]["text"], "three")
        self.assertEqual(len(replies), len(wrong) + 1)

    def test_an_interrupt_stops_the_answer(self):
        with subprocess.Popen([PROGRAM, "chat", *LONG, "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as p:
            p.stdin.write('{"text": "x", "stream": true}\n')
            p.stdin.flush()
            self.assertIn("delta", json.loads(p.stdout.readline()))
            p.send_signal(signal.SIGINT)
            while "delta" in (reply := json.loads(p.stdout.readline())):
                pass
            self.assertEqual(reply["finish_reason"], "cancelled")
            p.stdin.write('{"do": "state"}\n')
            p.stdin.flush()
            self.assertEqual(json.loads(p.stdout.readline())["turns"], 2)
            p.send_signal(signal.SIGINT)  # where a line is awaited, it ends the program
            self.assertEqual(p.wait(60), 0)


class Saved(unittest.TestCase):
    def test_a_saved_conversation_goes_on_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/a.json"
            questions = [{"text": "How many shapes are there?", "images": [IMAGE]},
                         {"text": "And here: <image> or <image>?", "images": [OTHER, IMAGE]},
                         {"text": "/image"}]
            whole = asked({"do": "system", "text": 'Be "brief".\n'}, *questions, {"do": "save", "file": file},
                          {"text": "Which is larger?"})
            again = asked({"do": "load", "file": file}, {"text": "Which is larger?"}, {"do": "save", "file": file})
            self.assertEqual(again[0], {"turns": 6, "images": 3})
            self.assertEqual([again[1][k] for k in ("text", "prompt_tokens")],
                             [whole[-1][k] for k in ("text", "prompt_tokens")])
            messages = json.loads(pathlib.Path(file).read_text())["messages"]
            self.assertEqual(messages[0], {"role": "system", "content": 'Be "brief".\n'})
            self.assertEqual(messages[1]["content"],
                             [{"type": "image_url", "image_url": {"url": data_url(IMAGE)}},
                              {"type": "text", "text": "How many shapes are there?"}])
            self.assertEqual(messages[3]["content"][2]["text"], "And here: <image> or <image>?")
            self.assertEqual(messages[5]["content"], "/image")
            self.assertEqual(len(messages), 9)
            self.assertEqual(os.listdir(folder), ["a.json"])
            pathlib.Path(f"{folder}/b.json").write_text(json.dumps({"messages": [
                {"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]}))  # it said nothing
            self.assertEqual(asked({"do": "load", "file": f"{folder}/b.json"}), [{"turns": 2, "images": 0}])
            # In messages without images <image> is text, whatever the others have.
            asking, last = {"text": "How many shapes are there?", "images": [IMAGE]}, {"text": "And the other <image>?"}
            *_, one = asked({"text": "What is <image>?"}, asking, {"do": "save", "file": file}, last)
            loaded, again = asked({"do": "load", "file": file}, last)
            self.assertEqual((loaded, again["text"], again["prompt_tokens"]),
                             ({"turns": 4, "images": 1}, one["text"], one["prompt_tokens"]))

    def test_files_of_others_are_not_destroyed(self):
        with tempfile.TemporaryDirectory() as folder:
            theirs, link = pathlib.Path(folder, "theirs.json"), pathlib.Path(folder, "link.json")
            theirs.write_text('{"messages": []}')
            link.symlink_to(theirs)
            for file in (theirs, link):
                reply, = asked({"do": "save", "file": str(file)})
                self.assertIn("already exists", reply["error"]["message"])
            self.assertEqual(theirs.read_text(), '{"messages": []}')
            reply, other = asked({"do": "save", "file": f"{folder}/none/a.json"}, {"do": "save", "file": "/dev/full"})
            self.assertEqual((reply["error"]["code"], other["error"]["code"]), ("not_found", "io"))
            self.assertIn("No space left", other["error"]["message"])
            self.assertEqual(sorted(os.listdir(folder)), ["link.json", "theirs.json"])

    def test_what_cannot_be_loaded_changes_nothing(self):
        user, model = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
        wrong = ["", "{", "[]", "{}", {"messages": 1}, {"messages": [user]}, {"messages": [model]},
                 {"messages": [user, user]}, {"messages": [user, {**model, "role": "tool"}]},
                 {"messages": [user, {**model, "tool_calls": [1]}]}, {"messages": [user, {"role": "assistant"}]},
                 {"messages": [{"role": "user", "content": []}, model]},
                 {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "none.png"}}]},
                               model]},
                 {"messages": [{"role": "user", "content": [{"type": "text", "text": "<image> <image>"},
                                                            {"type": "image_url", "image_url": {"url": IMAGE}}]},
                               model]}]
        with tempfile.TemporaryDirectory() as folder:
            requests = [{"text": "hello"}]
            for i, text in enumerate(wrong):
                file = pathlib.Path(folder, f"{i}.json")
                file.write_text(text if isinstance(text, str) else json.dumps(text))
                requests += [{"do": "load", "file": str(file)}, {"do": "state"}]
            requests += [{"do": "load", "file": f"{folder}/none"}, {"do": "load", "file": folder}, {"do": "state"}]
            replies = asked(*requests)
            for i, text in enumerate(wrong):
                self.assertIn("error", replies[1 + 2 * i], text)
                self.assertEqual(replies[2 + 2 * i], {"turns": 2, "images": 0}, text)
            self.assertIn("error", replies[-3])
            self.assertIn("error", replies[-2])
            self.assertEqual(replies[-1], {"turns": 2, "images": 0})


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
