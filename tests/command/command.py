# SPDX-License-Identifier: Apache-2.0
"""Tests the `llava` command as a user runs it: options, output, errors. Run `command.py LLAVA` in the repository's
root."""
import ast
import json
import pathlib
import pty
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

LLAVA = sys.argv.pop(1) if len(sys.argv) > 1 else "build/release/llava"
TINY = "examples/tiny"
IMAGE, OTHER = f"{TINY}/images/three-shapes.png", f"{TINY}/images/tall.jpg"


def llava(*words):
    return subprocess.run([LLAVA, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)


def ask(*words):
    return llava("ask", "--model-path", TINY, "--temperature", "0", *words)


def npy(path):
    """Returns shape and values of a .npy file of float32 or int32, read as the format (version 1) specifies."""
    data = pathlib.Path(path).read_bytes()
    assert data[:6] == b"\x93NUMPY" and data[6] == 1
    (length,) = struct.unpack("<H", data[8:10])
    header = ast.literal_eval(data[10:10 + length].decode())
    assert (10 + length) % 64 == 0 and not header["fortran_order"]
    kind = {"<f4": "f", "<i4": "i"}[header["descr"]]
    values = struct.unpack(f"<{(len(data) - 10 - length) // 4}{kind}", data[10 + length:])
    return header["shape"], values


class Ask(unittest.TestCase):
    def test_answers_on_standard_output_and_nothing_else(self):
        done = ask("--image-file", IMAGE, "--query", "How many shapes are there?")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.strip() and done.stdout.count("\n") == 1)

    def test_json_is_one_object_and_follows_the_seed(self):
        words = ("--image-file", f"{IMAGE},{OTHER}", "--query", "describe the second picture.", "--json")
        one, two = json.loads(ask(*words).stdout), json.loads(ask(*words).stdout)
        self.assertEqual(one["text"], two["text"])
        self.assertEqual(one["finish_reason"], "eos")
        self.assertGreater(one["prompt_tokens"], 98)
        hot = [json.loads(llava("ask", "--model-path", TINY, "--temperature", "3", "--seed", s,
                                *words).stdout)["tokens"] for s in ("1", "1", "2")]
        self.assertEqual(hot[0], hot[1])
        self.assertNotEqual(hot[0], hot[2])

    def test_says_which_conversation_template_and_why_and_warns_of_a_guess(self):
        words = ("--query", "hello", "--json", "--max-new-tokens", "2")

        def about(folder, *more):
            done = llava("ask", "--model-path", folder, *words, *more)
            said = json.loads(done.stdout)
            return said["conversation"], said["conversation_reason"], said["conversation_guessed"], done.stderr

        self.assertEqual(about(TINY), ("chat_template", "the folder has one in chat_template.jinja", False, ""))
        self.assertEqual(about(TINY, "--conv-mode", "mpt"), ("mpt", "it was requested", False, ""))
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree("tests/data/goldens/original_inside", f"{folder}/tuned")
            os.symlink(f"{folder}/tuned", f"{folder}/llava-v1.5-7b")
            guess = (f"llava: {folder}/llava-v1.5-7b: the conversation template llava_v0 is a guess: the folder is "
                     "called tuned, which matches no known model; --conv-mode chooses another\n")
            self.assertEqual(about(f"{folder}/llava-v1.5-7b"),
                             ("llava_v0", "the folder is called tuned, which matches no known model", True, guess))
            self.assertEqual(about(f"{folder}/llava-v1.5-7b", "--conv-mode", "llava_v1")[2:], (False, ""))
            os.remove(f"{folder}/llava-v1.5-7b")
            os.rename(f"{folder}/tuned", f"{folder}/llava-v1.5-7b")
            self.assertEqual(about(f"{folder}/llava-v1.5-7b"),
                             ("llava_v1", "the folder is called llava-v1.5-7b", False, ""))
            self.assertEqual(
                llava("quantize", f"{folder}/llava-v1.5-7b", "--to", "q8_0", "-o", f"{folder}/q8").returncode, 0)
            self.assertEqual(about(f"{folder}/q8"),
                             ("llava_v1", "config.json says llava_model_name llava-v1.5-7b", False, ""))

    def test_a_video_is_a_folder_of_frames_an_animation_or_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            model, frames = f"{folder}/llava-v1.6-video", f"{folder}/frames"
            shutil.copytree("tests/data/goldens/original_anyres", model)
            config = json.loads(pathlib.Path(model, "config.json").read_text())
            config |= {"mm_spatial_pool_mode": "average", "add_time_instruction": False}
            pathlib.Path(model, "config.json").write_text(json.dumps(config))
            os.mkdir(frames)
            for name, image in (("2.png", IMAGE), ("10.jpg", OTHER), ("3.png", IMAGE)):
                shutil.copy(image, f"{frames}/{name}")
            words = ("--query", "What moves?", "--json", "--max-new-tokens", "2", "--temperature", "0")

            def prompt_tokens(*more, model=model):
                done = llava("ask", "--model-path", model, *words, *more)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                return json.loads(done.stdout)["prompt_tokens"]

            one = prompt_tokens("--video", frames, "--frames", "1")
            self.assertEqual(prompt_tokens("--video", frames), one + 2 * 4)  # 2 x 2 image tokens a frame
            config["force_sample"] = True
            pathlib.Path(model, "config.json").write_text(json.dumps(config))
            self.assertEqual(prompt_tokens("--video", frames, "--frames", "8"), one + 7 * 4)

            pack = pathlib.Path("tests/data/image/animations.pack").read_bytes()
            pathlib.Path(folder, "x.gif").write_bytes(pack[:149])  # animations.txt: the file "one"
            pathlib.Path(folder, "x.mp4").write_bytes(pathlib.Path("tests/data/image/videos.pack").read_bytes()[:3347])
            for name in ("x.gif", "x.mp4"):
                done = llava("ask", "--model-path", model, *words, "--video", f"{folder}/{name}", "--frames", "2")
                if "which this build of llava does not read; install lib" in done.stderr:
                    self.assertEqual(done.returncode, 1)
                else:
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertEqual(json.loads(done.stdout)["prompt_tokens"], one + 4)

            for more, sentence in ((("--video", f"{folder}/none"), f"llava: cannot open the video {folder}/none: "),
                                   (("--video", model), "has no frames, expected JPEG or PNG files"),
                                   (("--video", frames, "--image-file", IMAGE), "--image-file excludes --video"),
                                   (("--frames", "3"), "--frames requires --video"),
                                   (("--video", frames, "--frames", "0"), "--frames")):
                done = llava("ask", "--model-path", model, *words, *more)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(sentence, done.stderr)
            done = llava("ask", "--model-path", TINY, *words, "--video", frames)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("llava: this model takes no videos", done.stderr)

    def test_every_backend_and_dtype_gives_the_same_answer(self):
        answers = {ask("--image-file", IMAGE, "--query", "What color is the star?", "--backend", b, "--dtype", d,
                       "--threads", "1").stdout
                   for b, d in (("simd", "f16"), ("simd", "f32"), ("scalar", "f16"), ("scalar", "f32"))}
        self.assertEqual(len(answers), 1)

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
            self.assertIn("holds only a projector, mm_projector.bin; give its language model with --model-base",
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

    def test_a_converted_folder_answers_as_before_in_both_layouts(self):
        question = ("--image-file", IMAGE, "--query", "How many shapes are there?", "--temperature", "0")
        expected = ask(*question[:4]).stdout
        with tempfile.TemporaryDirectory() as folder:
            there, back = f"{folder}/llava-v1.5-tiny", f"{folder}/back"
            for words in (("convert", TINY, "--to", "original", "-o", there),
                          ("convert", there, "--to", "llava-hf", "-o", back),
                          ("consolidate", there, "--dtype", "f32", "-o", f"{folder}/llava-v1.5-wide")):
                done = llava(*words)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""), words)
            mode = ("--conv-mode", "vicuna_v1")  # the name of the folder says llava_v1
            for made, more in ((there, mode), (f"{folder}/llava-v1.5-wide", mode)):
                self.assertEqual(llava("ask", "--model-path", made, *question, *more).stdout, expected)
            self.assertEqual(llava("ask", "--model-path", back, *question).returncode, 0)
            self.assertIn("folder's name", llava("convert", TINY, "--to", "original", "-o", f"{folder}/x").stderr)
            self.assertIn("--to", llava("convert", TINY, "--to", "onnx", "-o", f"{folder}/x").stderr)
            self.assertEqual(sorted(os.listdir(folder)), ["back", "llava-v1.5-tiny", "llava-v1.5-wide"])

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

    def test_options_of_the_reference(self):
        done = ask("--image-file", f"{IMAGE};{OTHER}", "--sep", ";",
                   "--query", "<image>\n<image>\nWhich picture has more shapes, the first or the second?",
                   "--conv-mode", "vicuna_v1", "--top_p", "0.9", "--max-new-tokens", "3")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_errors_are_one_sentence_on_standard_error(self):
        for words, sentence in (
                (("--image-file", "absent.png"), "cannot open the image absent.png: No such file or directory"),
                (("--image-file", "a, b.png"), "No such file or directory; ',' separates images: if it is part of a "
                                               "name, choose another with --sep"),
                (("--image-file", "https://x.org/a,b.png"), "an image cannot be given as a URL"),
                (("--image-file", "data:image/png;base64,AAAA"), "an image cannot be given as a data: URL"),
                (("--image-file", "-"), "an image cannot be given as \"-\" (standard input)"),
                (("--image-file", "README.md"), "README.md is neither JPEG nor PNG"),
                (("--image-file", ""), "image 1 of '' has an empty name"),
                (("--image-file", f"{IMAGE},"), "has an empty name"),
                (("--top-p", "nan"), "generation_settings::top_p must be"),
                (("--image-file", IMAGE, "--conv-mode", "nonsense"), "no conversation template is called 'nonsense'"),
                (("--image-file", f"{IMAGE},{OTHER}", "--query", "<image> and?"), "1 <image> for 2 images")):
            words = words if "--query" in words else (*words, "--query", "x")
            done = ask(*words)
            self.assertEqual((done.returncode, done.stdout), (1, ""), words)
            self.assertIn(sentence, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)
        hot = llava("ask", "--model-path", TINY, "--query", "x", "--temperature", "nan")
        self.assertEqual((hot.returncode, hot.stdout), (1, ""))
        self.assertIn("generation_settings::temperature must be", hot.stderr)
        absent = llava("ask", "--model-path", "someone/model", "--query", "x")
        self.assertIn("hf download someone/model", absent.stderr)
        self.assertNotEqual(llava("ask", "--query", "x").returncode, 0)
        self.assertNotEqual(ask("--query", "x", "--seed", "-1").returncode, 0)
        self.assertNotEqual(ask("--query", "x", "--backend", "gpu").returncode, 0)


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
        self.assertIn("hf download liuhaotian/llava-v9", done.stderr)


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


if __name__ == "__main__":
    unittest.main()
