# SPDX-License-Identifier: Apache-2.0
"""Tests that output which cannot be written is an error."""
import subprocess
import tempfile
import unittest

from run_llava import LLAVA, TINY, npy


class Output(unittest.TestCase):
    COMMANDS = (("ask", "--model-path", TINY, "--query", "hello"),
                ("ask", "--model-path", TINY, "--query", "hello", "--json"),
                ("tokenize", TINY, "two stars"), ("eval", "scenes", "--limit", "1"), ("--help",), ("--version",))

    def test_output_that_cannot_be_written_is_an_error(self):
        for words in self.COMMANDS:
            with open("/dev/full", "wb") as full:
                done = subprocess.run([LLAVA, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=300)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("standard output: No space left on device", done.stderr, words)
            # `>&-` closes standard output. No file that the command opens may take its descriptor.
            done = subprocess.run(["sh", "-c", '"$0" "$@" >&-', LLAVA, *words], stderr=subprocess.PIPE, text=True,
                                  timeout=300)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("to standard output", done.stderr, words)

    def test_a_stage_is_written_to_its_file_if_standard_output_is_closed(self):
        with tempfile.TemporaryDirectory() as folder:
            words = [LLAVA, "inspect", TINY, "--stage", "input_ids", "--prompt", "hello", "--out", f"{folder}/x.npy"]
            done = subprocess.run(["sh", "-c", '"$0" "$@" >&-', *words], stderr=subprocess.PIPE, text=True, timeout=300)
            self.assertEqual(done.returncode, 1)  # its one line could not be printed
            self.assertEqual(npy(f"{folder}/x.npy")[0][0], 1)
