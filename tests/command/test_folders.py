# SPDX-License-Identifier: Apache-2.0
"""Tests the commands that write a folder of a model, by asking it afterwards."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from run_llava import IMAGE, LLAVA, TINY, ask, llava


class Folders(unittest.TestCase):
    def test_a_quantised_folder_opens_in_its_own_format_and_answers(self):
        question = ("--image-file", IMAGE, "--query", "How many shapes are there?", "--temperature", "0")
        expected = ask(*question[:4]).stdout
        with tempfile.TemporaryDirectory() as folder:
            for dtype in ("q16_0", "q8_0", "q4_0", "q4_i8"):
                made = f"{folder}/{dtype}"
                done = llava("quantize", TINY, "--to", dtype, "-o", made)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
                sizes = [os.path.getsize(f"{folder}/model.safetensors") for folder in (made, TINY)]
                self.assertLess(sizes[0], sizes[1] * (1.1 if dtype == "q16_0" else 1))
                stored = llava("ask", "--model-path", made, *question)
                loaded = llava("ask", "--model-path", TINY, "--dtype", dtype, *question)
                self.assertEqual((stored.returncode, stored.stderr, stored.stdout), (0, "", loaded.stdout))
                self.assertEqual(stored.stdout, expected)
                wrong = llava("ask", "--model-path", made, "--dtype", "f16", *question)
                self.assertEqual(wrong.returncode, 1)
                self.assertIn(f"open the model with weights of {dtype}", wrong.stderr)
            finer = llava("ask", "--model-path", f"{folder}/q8_0", "--dtype", "q8_0_a16", *question)
            self.assertEqual((finer.returncode, finer.stdout), (0, expected))
            self.assertEqual(sorted(os.listdir(made)),
                             sorted(set(os.listdir(TINY)) - {"images", "scenes", "training.json"}))
            again = llava("quantize", TINY, "--to", "q8_0", "-o", f"{folder}/q8_0")
            self.assertEqual(again.returncode, 1)
            self.assertIn("already exists", again.stderr)
            self.assertEqual(sorted(os.listdir(folder)), ["q16_0", "q4_0", "q4_i8", "q8_0"])

    def test_a_projector_alone_needs_its_language_model(self):
        base = "tests/data/goldens/original_folder"
        with tempfile.TemporaryDirectory() as folder:
            path, made = f"{folder}/llava-v1.5-projector", f"{folder}/llava-v1.5-q8"
            shutil.copytree("tests/data/torch/projector", path)
            shutil.copytree(f"{base}/tower", f"{path}/tower")
            words = ("--query", "hello", "--temperature", "0", "--max-new-tokens", "4")
            alone = llava("ask", "--model-path", path, *words)
            self.assertEqual((alone.returncode, alone.stdout), (1, ""))
            self.assertIn("holds only a projector, mm_projector.bin; give its language model as model_base",
                          alone.stderr)
            done = llava("ask", "--model-path", path, "--model-base", base, *words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            quantised = llava("quantize", path, "--model-base", base, "--to", "q8_0", "-o", made)
            self.assertEqual((quantised.returncode, quantised.stderr), (0, ""))
            self.assertEqual(llava("ask", "--model-path", made, "--dtype", "q8_0", *words).returncode, 0)

    def test_lora_adds_an_adapter_to_the_weights_as_they_are(self):
        adapter = "tests/data/adapters/all"
        words = ("ask", "--model-path", "tests/data/goldens/clip_mha", "--image-file", IMAGE, "--query", "hello",
                 "--temperature", "0", "--max-new-tokens", "8", "--json")
        plain, live, small = (json.loads(llava(*words, *more).stdout)["tokens"]
                              for more in ((), ("--lora", adapter), ("--lora", adapter, "--dtype", "q8_0")))
        self.assertNotEqual(plain, live)
        self.assertTrue(small)
        for more, sentence in ((("--lora", TINY), "adapter_config.json"),
                               (("--lora", adapter, "--dtype", "nf4"),
                                "built without backend adapted<simd> with weights as nf4")):
            done = llava(*words, *more)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(sentence, done.stderr)

    def test_load_4bit_is_nf4_and_load_8bit_is_int8(self):
        words = ("ask", "--model-path", TINY, "--image-file", IMAGE, "--query", "How many shapes are there?",
                 "--temperature", "0")
        plain = llava(*words).stdout
        for flag, dtype in (("--load-4bit", "nf4"), ("--load-8bit", "int8")):
            loaded, named = llava(*words, flag), llava(*words, "--dtype", dtype)
            self.assertEqual((loaded.returncode, loaded.stderr), (0, ""))
            self.assertEqual((loaded.stdout, named.stdout), (plain, plain))
            self.assertIn(f"--dtype excludes {flag}", llava(*words, flag, "--dtype", "f16").stderr)
        self.assertIn("--load-4bit excludes --load-8bit", llava(*words, "--load-8bit", "--load-4bit").stderr)
        self.assertIn("nf4 not in", llava("quantize", TINY, "--to", "nf4", "-o", "/nowhere/x").stderr)

    def test_interrupted_quantising_leaves_no_files(self):
        with tempfile.TemporaryDirectory() as folder:
            for number in (signal.SIGINT, signal.SIGTERM):
                for wait in (0.02, 0.1, 0.3):
                    process = subprocess.Popen([LLAVA, "quantize", TINY, "--to", "q4_i8", "-o", f"{folder}/q4",
                                                "--threads", "1"],
                                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                    time.sleep(wait)
                    process.send_signal(number)
                    _, said = process.communicate(timeout=60)
                    if process.returncode == 0:  # it finished before the signal
                        self.assertEqual(os.listdir(folder), ["q4"])
                        shutil.rmtree(f"{folder}/q4")
                    else:
                        self.assertEqual(process.returncode, -number)
                        self.assertEqual(os.listdir(folder), [], said)

    def test_a_converted_folder_answers_as_before_in_every_layout(self):
        question = ("--image-file", IMAGE, "--query", "How many shapes are there?", "--temperature", "0")
        expected = ask(*question[:4]).stdout
        with tempfile.TemporaryDirectory() as folder:
            there, back = f"{folder}/llava-v1.5-tiny", f"{folder}/back"
            for words in (("convert", TINY, "--to", "original", "-o", there),
                          ("convert", there, "--to", "llava-hf", "-o", back),
                          ("convert", TINY, "--to", "gguf", "-o", f"{folder}/files"),
                          ("convert", f"{folder}/files", "--to", "llava-hf", "-o", f"{folder}/of-gguf"),
                          ("convert", f"{folder}/files", "--to", "original", "-o", f"{folder}/llava-v1.5-of-gguf"),
                          ("consolidate", f"{folder}/files/model.gguf", "-o", f"{folder}/joined"),
                          ("consolidate", there, "--dtype", "f32", "-o", f"{folder}/llava-v1.5-wide")):
                done = llava(*words)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""), words)
            mode = ("--conv-mode", "vicuna_v1")  # the name of the folder says llava_v1
            for made, more in ((there, mode), (f"{folder}/llava-v1.5-wide", mode), (f"{folder}/of-gguf", ()),
                               (f"{folder}/llava-v1.5-of-gguf", mode), (f"{folder}/joined", ())):
                self.assertEqual(llava("ask", "--model-path", made, *question, *more).stdout, expected)
            self.assertEqual(llava("ask", "--model-path", back, *question).returncode, 0)
            self.assertEqual(llava("ask", "--model-path", f"{folder}/files", *question).stdout, expected)
            self.assertEqual(sorted(os.listdir(f"{folder}/files")), ["mmproj.gguf", "model.gguf"])
            self.assertIn("folder's name", llava("convert", TINY, "--to", "original", "-o", f"{folder}/x").stderr)
            self.assertIn("--to", llava("convert", TINY, "--to", "onnx", "-o", f"{folder}/x").stderr)
            self.assertEqual(sorted(os.listdir(folder)), ["back", "files", "joined", "llava-v1.5-of-gguf",
                                                          "llava-v1.5-tiny", "llava-v1.5-wide", "of-gguf"])

    def test_an_adapter_is_merged_into_a_folder_of_its_own(self):
        base = "tests/data/goldens/original_folder"
        words = ("--query", "hello", "--temperature", "0", "--max-new-tokens", "4")
        with tempfile.TemporaryDirectory() as folder:
            path, made = f"{folder}/llava-v1.5-lora", f"{folder}/llava-v1.5-merged"
            shutil.copytree("tests/data/lora/llava", path)
            shutil.copytree(f"{base}/tower", f"{path}/tower")
            done = llava("merge-lora", path, "--model-base", base, "-o", made)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            live = llava("ask", "--model-path", path, "--model-base", base, *words)
            merged = llava("ask", "--model-path", made, *words)
            self.assertEqual((merged.returncode, merged.stdout), (0, live.stdout))

    def test_a_projector_is_extracted_and_serves_over_its_model(self):
        base = "tests/data/goldens/original_folder"
        words = ("--query", "hello", "--temperature", "0", "--max-new-tokens", "4")
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/llava-v1.5-projector"
            shutil.copytree(f"{base}/tower", f"{path}/tower")
            shutil.copy(f"{base}/config.json", path)
            done = llava("extract-projector", base, "--dtype", "f16", "-o", f"{path}/mm_projector.bin")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            self.assertEqual(llava("ask", "--model-path", path, "--model-base", base, *words).returncode, 0)
            again = llava("extract-projector", base, "-o", f"{path}/mm_projector.bin")
            self.assertEqual(again.returncode, 1)
            self.assertIn("File exists", again.stderr)

    def test_verify_says_what_is_wrong_and_its_code_tells(self):
        done = llava("verify", TINY)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("; 0 mistakes\n", done.stdout)
        with tempfile.TemporaryDirectory() as folder:
            for form in ("q16_0", "q8_0", "q4_0", "q4_i8", "int8"):
                self.assertEqual(llava("quantize", TINY, "--to", form, "-o", f"{folder}/{form}").returncode, 0)
                done = llava("verify", f"{folder}/{form}")
                self.assertEqual((done.returncode, done.stdout[-13:]), (0, "; 0 mistakes\n"), form)
            made = f"{folder}/broken"
            shutil.copytree(TINY, made)
            with open(f"{made}/model.safetensors", "r+b") as file:
                file.seek(-2, os.SEEK_END)
                file.write(b"\x00\x7e")  # NaN
            done = llava("verify", made)
            self.assertEqual((done.returncode, done.stderr), (1, ""))
            self.assertRegex(done.stdout, r"wrong: \S+: 1 of \d+ values in \S+ are NaN and 0 are infinite\n")
            self.assertIn("; 1 mistakes\n", done.stdout)

    def test_existing_files_are_not_overwritten(self):
        with tempfile.TemporaryDirectory() as folder:
            notes = pathlib.Path(folder, "notes")
            notes.write_text("mine")
            for words in (("inspect", TINY, "--stage", "pixels", "--image", IMAGE, "--out", str(notes)),
                          ("eval", "scenes", "--limit", "1", "--answers-file", str(notes)),
                          ("ask", "--model-path", TINY, "--dtype", "q8_0", "--packed-file", str(notes), "--query", "x"),
                          ("quantize", TINY, "--to", "q8_0", "-o", str(notes))):
                done = llava(*words)
                self.assertEqual((done.returncode, done.stdout), (1, ""), words)
                self.assertIn(f"{notes} already exists", done.stderr)
                self.assertEqual(notes.read_text(), "mine")
            # The command overwrites its own files.
            for words in (("inspect", TINY, "--stage", "pixels", "--image", IMAGE, "--out", f"{folder}/ours"),
                          ("eval", "scenes", "--limit", "1", "--answers-file", f"{folder}/ours")):
                codes = [llava(*words).returncode for _ in range(2)]
                self.assertEqual((codes, sorted(os.listdir(folder))), ([0, 0], ["notes", "ours"]))
                os.remove(f"{folder}/ours")
            absent = llava("eval", "scenes", "--limit", "1", "--answers-file", f"{folder}/no/such/x")
            self.assertIn("No such file or directory", absent.stderr)
            self.assertEqual(os.listdir(folder), ["notes"])
