# SPDX-License-Identifier: Apache-2.0
"""Tests `llava eval`."""
import json
import os
import pathlib
import pty
import subprocess
import tempfile
import unittest

from run_llava import LLAVA, llava


class Eval(unittest.TestCase):
    def test_scenes_by_kind_and_answers_in_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            done = llava("eval", "scenes", "--limit", "12", "--answers-file", f"{folder}/answers.jsonl")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            records = [json.loads(line) for line in
                       pathlib.Path(f"{folder}/answers.jsonl").read_text(encoding="utf-8").splitlines()]
            right = sum(r["text"] == r["answer"] for r in records)
            self.assertIn(f"{right} of {len(records):6}", done.stdout.splitlines()[-1])

    def test_easy_vqa_without_its_data_is_an_error(self):
        self.assertIn("cannot open /absent/test/questions.json", llava("eval", "easy-vqa", "--data", "/absent").stderr)

    def test_a_progress_bar_is_shown_only_on_a_terminal(self):
        # All scenes on one thread of the slow backend take longer than the 2 s after which the bar appears.
        words = [LLAVA, "eval", "scenes", "--threads", "1", "--dtype", "f32", "--backend", "scalar"]
        try:
            main, other = pty.openpty()
        except OSError as reason:
            self.skipTest(f"this machine provides no terminal: {reason}")
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=other)
        os.close(other)
        seen = b""
        while b"asking [" not in seen:
            try:
                part = os.read(main, 4096)
            except OSError:
                break
            if not part:
                break
            seen += part
        process.kill()
        process.wait()
        os.close(main)
        self.assertIn(b"asking [", seen)
