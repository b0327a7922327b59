# SPDX-License-Identifier: Apache-2.0
"""Tests of `llava chat` for chat.py: questions and commands over pipes."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from chat_program import GREEDY, IMAGE, PROGRAM, piped


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
