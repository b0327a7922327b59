# SPDX-License-Identifier: Apache-2.0
"""Tests `llava inspect` and `llava tokenize`."""
import json
import pathlib
import shutil
import tempfile
import unittest

from run_llava import IMAGE, OTHER, TINY, llava, npy

GOLDENS = "tests/data/goldens"


def copy_without_weights(model, to):
    return shutil.copytree(model, to, ignore=shutil.ignore_patterns("*.safetensors", "images", "scenes"))


def pieces(model, text):
    """The (id, piece) that `llava tokenize` prints."""
    done = llava("tokenize", model, text)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [(int(number), json.loads(piece)) for number, piece in rows]


class Inspect(unittest.TestCase):
    def stage(self, stage, *words, model=TINY):
        with tempfile.TemporaryDirectory() as folder:
            done = llava("inspect", model, "--stage", stage, "--out", f"{folder}/x.npy", *words)
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

    def test_pixels_and_ids_need_no_weights(self):
        prompt = ("--prompt", "A USER: <image>\nHow many? ASSISTANT:")
        with tempfile.TemporaryDirectory() as folder:
            bare = copy_without_weights(TINY, f"{folder}/bare")
            for words in (("pixels", "--image", f"{IMAGE},{OTHER}"), ("input_ids", "--image", IMAGE, *prompt),
                          ("input_ids", *prompt)):
                self.assertEqual(self.stage(*words, model=bare), self.stage(*words), words)
            for stage in ("features", "image_tokens", "logits"):
                done = llava("inspect", bare, "--stage", stage, "--image", IMAGE, "--out", f"{folder}/x.npy")
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn(f"{bare} has no model.safetensors, ", done.stderr)
            # An original folder that names a published tower, which is not here: 224 × 224 pixels, padded.
            original = pathlib.Path(copy_without_weights(f"{GOLDENS}/original_folder", f"{folder}/llava-v1.5-7b"))
            shutil.rmtree(original / "tower")
            config = json.loads((original / "config.json").read_text())
            for tower, name in (("openai/clip-vit-large-patch14", None), ("tower", "tower"), ("lab/own-tower",) * 2):
                (original / "config.json").write_text(json.dumps(config | {"mm_vision_tower": tower}))
                words = ("--stage", "pixels", "--image", OTHER, "--out", f"{folder}/p.npy")
                done = llava("inspect", str(original), *words)
                self.assertEqual(done.returncode, 1 if name else 0, done.stderr)
                self.assertIn(f"needs the vision tower {name}, which is neither a folder" if name else "", done.stderr)
            shape, values = npy(f"{folder}/p.npy")
            self.assertEqual(shape, (1, 3, 224, 224))
            # The colour of the padding: int(255 * mean), normalised by mean and std of OpenAI's CLIP.
            for channel, (mean, std) in enumerate(((0.48145466, 0.26862954), (0.4578275, 0.26130258),
                                                   (0.40821073, 0.27577711))):
                self.assertAlmostEqual(values[channel * 224 * 224], (int(255 * mean) / 255 - mean) / std, 5)

    def test_a_quantised_folder_needs_no_dtype(self):
        words = ("logits", "--image", IMAGE, "--prompt", "A USER: <image>\nHow many? ASSISTANT:")
        exact = self.stage(*words)
        self.assertEqual(exact, self.stage(*words, "--dtype", "f32"))
        with tempfile.TemporaryDirectory() as folder:
            for form in ("q8_0", "q4_0", "int8"):
                made = f"{folder}/{form}"
                self.assertEqual(llava("quantize", TINY, "--to", form, "-o", made).returncode, 0)
                found = self.stage(*words, model=made)
                self.assertEqual(found, self.stage(*words, "--dtype", form, model=made))
                self.assertNotEqual(found, exact)
                self.assertEqual(found[0], exact[0])
        # What others have quantised opens in f32: bitsandbytes, GGUF.
        for name in ("bitsandbytes_nf4", "gguf_llama"):
            model, text = f"{GOLDENS}/{name}", ("logits", "--prompt", "a few words")
            self.assertEqual(self.stage(*text, model=model), self.stage(*text, "--dtype", "f32", model=model))

    def test_tokenize_prints_ids_and_pieces_of_the_vocabulary(self):
        text = "see <image> ünï ☃  x"
        # tokenizers 0.23.3: Tokenizer.from_file(…).encode(text).ids and .tokens.
        tiny = [(1, "<s>"), (645, "▁see"), (703, "▁"), (766, "<image>"), (703, "▁"), (703, "▁"), (198, "<0xC3>"),
                (191, "<0xBC>"), (714, "n"), (198, "<0xC3>"), (178, "<0xAF>"), (703, "▁"), (229, "<0xE2>"),
                (155, "<0x98>"), (134, "<0x83>"), (703, "▁"), (703, "▁"), (746, "x")]
        qwen = [(82, "s"), (290, "ee"), (220, "Ġ"), (423, "<image>"), (220, "Ġ"), (127, "Ã"), (120, "¼"), (77, "n"),
                (127, "Ã"), (107, "¯"), (220, "Ġ"), (158, "â"), (246, "ĺ"), (225, "ĥ"), (220, "Ġ"), (220, "Ġ"),
                (87, "x")]
        # sentencepiece 0.2.3 of "see " and of " ünï ☃  x"; LLaVA's tokenizer_image_token puts −200 between them.
        original = [(1, "<s>"), (262, "▁s"), (294, "ee"), (344, "▁"), (-200, "<image>"), (344, "▁"), (344, "▁"),
                    (198, "<0xC3>"), (191, "<0xBC>"), (350, "n"), (198, "<0xC3>"), (178, "<0xAF>"), (344, "▁"),
                    (229, "<0xE2>"), (155, "<0x98>"), (134, "<0x83>"), (344, "▁"), (344, "▁"), (373, "x")]
        with tempfile.TemporaryDirectory() as folder:
            for model, expected in ((TINY, tiny), (f"{GOLDENS}/clip_qwen2", qwen),
                                    (f"{GOLDENS}/original_folder", original)):
                self.assertEqual(pieces(model, text), expected)
                bare = copy_without_weights(model, f"{folder}/{pathlib.Path(model).name}")
                self.assertEqual(pieces(bare, text), expected)
        self.assertEqual(pieces(TINY, ""), [(1, "<s>")])
        self.assertEqual(pieces(f"{GOLDENS}/gguf_llama", "a")[0], (1, "<s>"))
