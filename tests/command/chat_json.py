# SPDX-License-Identifier: Apache-2.0
"""Tests of `llava chat --json` for chat.py, and of conversations that are saved and loaded."""
import base64
import json
import os
import pathlib
import signal
import struct
import subprocess
import tempfile
import unittest

from chat_program import IMAGE, LONG, OTHER, PROGRAM, RANDOM, TINY, asked, data_url


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

    def test_a_picture_of_another_format_is_kept_with_its_type(self):
        bmp = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 70, 0, 0, 54, 40, 2, 2, 1, 24, 0, 16, 0, 0, 0, 0) + bytes(16)
        with tempfile.TemporaryDirectory() as folder:
            picture, file = pathlib.Path(folder, "black.bmp"), f"{folder}/a.json"
            picture.write_bytes(bmp)
            asked({"text": "What is it?", "images": [str(picture)]}, {"do": "save", "file": file})
            message = json.loads(pathlib.Path(file).read_text())["messages"][0]
            self.assertEqual(message["content"][0]["image_url"]["url"],
                             "data:image/bmp;base64," + base64.b64encode(bmp).decode())
            self.assertEqual(asked({"do": "load", "file": file}), [{"turns": 2, "images": 1}])

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
