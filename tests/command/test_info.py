# SPDX-License-Identifier: Apache-2.0
"""Tests `llava info`, and GGUF files."""
import json
import os
import pathlib
import re
import shutil
import struct
import tempfile
import unittest

from run_llava import IMAGE, TINY, llava


class Info(unittest.TestCase):
    def about(self, name):
        done = llava("info", name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return dict(line.split(":", 1) for line in done.stdout.splitlines())

    def test_a_folder_says_what_it_holds(self):
        said = self.about(TINY)
        self.assertEqual(said["folder"].strip(), TINY)
        self.assertTrue(said["decoder"].strip().startswith("llama, "))
        self.assertEqual(said["projector"].strip(), "mlp_gelu")
        self.assertIn("84 pixels, 49 features", said["tower"])
        self.assertIn("bytes of f16", said["weights"])
        self.assertIn("none", self.about("tests/data/goldens/text_mpt")["tower"])

    def test_json_has_every_fact_of_the_text(self):
        def values_in(v):
            if isinstance(v, dict):
                v = list(v.values())
            return [w for one in v for w in values_in(one)] if isinstance(v, list) else [v]

        folders = [(TINY,), ("tests/data/goldens/gguf_llama",), ("tests/data/goldens/text_mpt",),
                   ("tests/data/goldens/original_anyres",), ("liuhaotian/llava-v1.5-7b-lora",)]
        for words in folders:
            text, done = llava("info", *words), llava("info", *words, "--json")
            self.assertEqual((text.returncode, done.returncode, done.stderr), (0, 0, ""))
            said = json.loads(done.stdout)
            lines = [line.split(":", 1) for line in text.stdout.splitlines()]
            self.assertEqual(set(said), {key.replace(" ", "_") for key, _ in lines})
            for key in set(said):
                own = [value for k, value in lines if k.replace(" ", "_") == key]
                if isinstance(said[key], list):
                    self.assertEqual(len(own), len(said[key]))
                known = {str(v) for v in values_in(said[key])}
                for value in own:
                    for number in re.findall(r"(?<![\w./-])\d+(?![\w.])", value):
                        if isinstance(said[key], (dict, list, int)):
                            self.assertIn(number, known, (key, value))

    def test_sizes_licence_and_memory_before_anything_is_loaded(self):
        said = json.loads(llava("info", TINY, "--json").stdout)
        stored = sum(int(np["data_offsets"][1]) - int(np["data_offsets"][0]) for np in self.header(TINY).values())
        self.assertLessEqual(said["stored"], stored)
        self.assertEqual(said["stored"], sum(w["bytes"] for w in said["weights"]))
        self.assertEqual(said["form"], "folder in transformers' layout (llava-hf)")
        config = json.loads(pathlib.Path(TINY, "config.json").read_text())["text_config"]
        heads, dim = config["num_key_value_heads"], config.get("head_dim") or (
            config["hidden_size"] // config["num_attention_heads"])
        self.assertEqual(said["cache"], 2 * 2 * config["num_hidden_layers"] * heads * dim)  # keys and values in f16
        memory = {m["dtype"]: m for m in said["memory"]}
        listed = re.search(r"--dtype \S*?\{auto,([^}]*)\}", llava("ask", "--help").stdout)
        self.assertEqual(set(memory), set(listed.group(1).split(",")))
        weights = {d: m["allocated"] + m["mapped"] for d, m in memory.items()}
        self.assertTrue(weights["q4_0"] < weights["q8_0"] < weights["f16"] < weights["f32"])
        self.assertEqual(weights["f16"], weights["bf16"])
        self.assertLess(memory["bf16"]["mapped"], memory["f16"]["mapped"])
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(TINY, folder, dirs_exist_ok=True)
            pathlib.Path(folder, "LICENSE.txt").write_text("terms")
            self.assertIn("LICENSE.txt", json.loads(llava("info", folder, "--json").stdout)["licence"]["files"])
            pathlib.Path(folder, "config.json").write_text(pathlib.Path(folder, "config.json").read_text().replace(
                '"intermediate_size"', '"intermediate_size": 8, "was"', 1))
            done = llava("info", folder)
            self.assertEqual(done.returncode, 0)
            self.assertIn("unknown, because the files do not fit", done.stdout)
        published = json.loads(llava("info", "llava-v1.5-7b-lora", "--json").stdout)
        self.assertEqual(published["licence"], "Llama 2 Community License, of its base")

    @staticmethod
    def header(folder):
        data = pathlib.Path(folder, "model.safetensors").read_bytes()
        header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
        return {k: v for k, v in header.items() if k != "__metadata__"}

    def test_a_folder_over_its_base_says_what_both_hold(self):
        base = "tests/data/goldens/original_folder"
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/llava-v1.5-lora"
            shutil.copytree("tests/data/lora/llava", path)
            shutil.copytree(f"{base}/tower", f"{path}/tower")
            done = llava("info", path, "--model-base", base)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(f"base:         {base}", done.stdout.splitlines())
            self.assertIn("computed while they are read", done.stdout)

    def test_a_folder_of_gptq_names_the_form(self):
        def packed(name, n, k):  # in 4 bits, two groups, all codes and scales 0
            return {f"{name}.qweight": ("I32", [k // 8, n]), f"{name}.qzeros": ("I32", [2, n // 8]),
                    f"{name}.scales": ("F16", [2, n])}

        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(TINY, folder, dirs_exist_ok=True)
            file = pathlib.Path(folder, "model.safetensors")
            data = file.read_bytes()
            length = struct.unpack("<Q", data[:8])[0]
            header = json.loads(data[8:8 + length])
            name = next(n for n in header if n.endswith("layers.0.self_attn.q_proj.weight") and "language" in n)
            n, k = header[name]["shape"]
            parts, end = packed(name.removesuffix(".weight"), n, k), len(data) - 8 - length
            old, more = header.pop(name), 0
            header["unused"] = old
            for part, (dtype, shape) in parts.items():
                size = shape[0] * shape[1] * (4 if dtype == "I32" else 2)
                header[part] = {"dtype": dtype, "shape": shape, "data_offsets": [end + more, end + more + size]}
                more += size
            text = json.dumps(header).encode()
            file.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length:] + bytes(more))
            config = pathlib.Path(folder, "config.json")
            config.write_text(json.dumps(json.loads(config.read_text()) | {"quantization_config": {
                "quant_method": "gptq", "bits": 4, "group_size": k // 2, "desc_act": False}}))
            done = llava("info", folder)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(f"weights:      {more} bytes of gptq, 4 bits, opened as {2 * n * k} bytes of f16",
                          done.stdout.splitlines())

    def test_a_published_name_says_what_it_needs(self):
        said = {k: v.strip() for k, v in self.about("liuhaotian/llava-lightning-mpt-7b-preview").items()}
        self.assertEqual((said["type"], said["base"], said["conversation"]),
                         ("llava::llava_mpt_7b", "MPT-7B-chat", "mpt"))
        self.assertEqual(said["tower"], "openai/clip-vit-large-patch14")
        self.assertEqual(said["licence"], "CC BY-NC-SA 4.0")
        next = {k: v.strip() for k, v in self.about("lmms-lab/llava-next-110b").items()}
        self.assertEqual((next["type"], next["conversation"], next["licence"], next["tower"]),
                         ("llava::llava_next_qwen_110b", "qwen_1_5", "Tongyi Qianwen License Agreement, of its base",
                          "in its files"))
        delta = self.about("LLaVA-7b-delta-v0")
        self.assertIn("a delta", delta["form"])
        self.assertIn("LLaMA-7B, to be given with --model-base", delta["base"])

    def test_any_other_name_is_an_error(self):
        done = llava("info", "liuhaotian/llava-v9")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("llava pull liuhaotian/llava-v9", done.stderr)


class Gguf(unittest.TestCase):
    FOLDER = "tests/data/goldens/gguf_llama"
    MODEL, VISION = f"{FOLDER}/model.gguf", f"{FOLDER}/mmproj.gguf"

    def test_info_prints_types_and_bytes(self):
        done = llava("info", self.MODEL)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for line in (f"folder:       {self.MODEL}", "conversation: llava_v1 (general.name is llava-v1.5-random)",
                     f"weights:      {16 * 34} bytes of Q8_0, kept in format ggml",  # attn_v of layer 0
                     f"weights:      {400 * 34} bytes of Q8_0, opened as {400 * 64} bytes of f16"):  # token_embd
            self.assertIn(line, done.stdout.splitlines())

    def test_answers_with_the_mmproj_beside_it_or_named(self):
        words = ("--image-file", IMAGE, "--query", "hello", "--temperature", "0", "--max-new-tokens", "4")
        beside = llava("ask", "--model-path", self.MODEL, *words)
        self.assertEqual((beside.returncode, beside.stderr), (0, ""))
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(self.MODEL, folder)
            text_only = llava("ask", "--model-path", f"{folder}/model.gguf", *words)
            self.assertEqual(text_only.returncode, 1)
            self.assertIn("this model has no vision tower", text_only.stderr)
            named = llava("ask", "--model-path", f"{folder}/model.gguf", "--mmproj", self.VISION, *words)
            self.assertEqual((named.returncode, named.stdout), (0, beside.stdout))
            made = llava("quantize", f"{folder}/model.gguf", "--to", "q4_0", "-o", f"{folder}/new")
            self.assertEqual(made.returncode, 1)
            self.assertIn("is a GGUF file, which cannot be quantised", made.stderr)
            self.assertFalse(os.path.exists(f"{folder}/new"))
