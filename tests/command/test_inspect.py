# SPDX-License-Identifier: Apache-2.0
"""Tests `llava inspect` and `llava tokenize`."""
import json
import tempfile
import unittest

from run_llava import IMAGE, OTHER, TINY, llava, npy


class Inspect(unittest.TestCase):
    def stage(self, stage, *words):
        with tempfile.TemporaryDirectory() as folder:
            done = llava("inspect", TINY, "--stage", stage, "--out", f"{folder}/x.npy", *words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return npy(f"{folder}/x.npy")

    def test_stages_have_their_shapes(self):
        prompt = "A USER: <image>\nHow many? ASSISTANT:"
        self.assertEqual(self.stage("pixels", "--image", IMAGE)[0], (1, 3, 84, 84))
        self.assertEqual(self.stage("features", "--image", f"{IMAGE},{OTHER}")[0], (2, 49, 128))
        self.assertEqual(self.stage("image_tokens", "--image", IMAGE)[0], (1, 49, 128))
        (_, count), ids = self.stage("input_ids", "--image", IMAGE, "--prompt", prompt)
        self.assertEqual(ids[0], 1)
        self.assertEqual(self.stage("logits", "--image", IMAGE, "--prompt", prompt)[0], (1, count + 48, 768))

    def test_a_prompt_without_its_image_is_text(self):
        (_, count), ids = self.stage("input_ids", "--prompt", "see <image> here")
        self.assertNotIn(766, ids)
        self.assertGreater(count, 5)

    def test_tokenize_prints_ids_and_pieces(self):
        lines = llava("tokenize", TINY, "two stars").stdout.splitlines()
        self.assertEqual(lines[0].split("\t")[0], "1")
        self.assertEqual("".join(json.loads(line.split("\t")[1]) for line in lines[1:]).replace(" ", ""), "twostars")
