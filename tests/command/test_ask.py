# SPDX-License-Identifier: Apache-2.0
"""Tests `llava ask` on the bundled model: answers, prompts, options, errors."""
import json
import os
import pathlib
import shutil
import tempfile
import unittest

from run_llava import IMAGE, OTHER, TINY, ask, llava


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

    def test_options_of_the_reference(self):
        done = ask("--image-file", f"{IMAGE};{OTHER}", "--sep", ";",
                   "--query", "<image>\n<image>\nWhich picture has more shapes, the first or the second?",
                   "--conv-mode", "vicuna_v1", "--top_p", "0.9", "--max-new-tokens", "3")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_sampling_options(self):
        words = ("--image-file", IMAGE, "--query", "How many shapes are there?", "--json")
        plain = json.loads(ask(*words).stdout)
        self.assertNotIn("logprobs", plain)
        top = json.loads(ask(*words, "--top-logprobs", "3").stdout)
        self.assertEqual((top["text"], len(top["logprobs"])), (plain["text"], len(plain["tokens"])))
        for token, logprob, likeliest in zip(top["tokens"], top["logprobs"], top["top_logprobs"]):
            self.assertEqual(len(likeliest), 3)
            self.assertEqual(likeliest[0], {"token": token, "logprob": logprob})  # greedy
            self.assertGreaterEqual(likeliest[0]["logprob"], likeliest[1]["logprob"])
        self.assertEqual(json.loads(ask(*words, "--top-logprobs", "0").stdout)["top_logprobs"],
                         [[] for _ in plain["tokens"]])
        first = str(plain["tokens"][0])
        other = json.loads(ask(*words, "--logit-bias", first, "-100", "--logit-bias", "300", "100",
                               "--max-new-tokens", "2").stdout)
        self.assertEqual(other["tokens"], [300, 300])
        stopped = json.loads(ask(*words, "--stop-token-id", first).stdout)
        self.assertEqual((stopped["tokens"], stopped["finish_reason"], stopped["text"]),
                         ([plain["tokens"][0]], "stop_token", ""))
        for more in (("--presence-penalty", "2"), ("--frequency-penalty", "-2"), ("--repetition-penalty", "5"),
                     ("--min-p", "1")):
            self.assertEqual(ask(*words, *more).returncode, 0, more)
        beams = json.loads(ask(*words, "--num_beams", "3").stdout)
        self.assertEqual((beams["finish_reason"], beams["tokens"][-1]), ("eos", 2))
        self.assertIn("needs temperature 0", llava("ask", "--model-path", TINY, *words, "--num_beams", "3").stderr)
        hot = json.loads(llava("ask", "--model-path", TINY, *words, "--temperature", "3", "--min_p", "1").stdout)
        self.assertEqual(hot["tokens"], plain["tokens"])  # only the likeliest is left

    def test_image_files_of_all_formats_turned_and_within_limits(self):
        data = pathlib.Path("tests/data/image")
        pack, files = (data / "formats.pack").read_bytes(), {}
        for line in (data / "formats.txt").read_text().splitlines():
            name, *words = line.split()
            if not line.startswith("#"):
                files[name] = pack[int(words[0]):int(words[0]) + int(words[1])]
        with tempfile.TemporaryDirectory() as folder:
            def said(name, *more):
                pathlib.Path(folder, "x").write_bytes(files[name])
                return ask("--image-file", f"{folder}/x", "--query", "What?", "--json", "--top-logprobs", "1",
                           "--max-new-tokens", "1", *more)

            for name in ("bmp-pillow", "gif-pillow", "tiff-pillow-tiff_lzw", "webp-pillow"):
                done = said(name)
                if name[0] != "b" and "; save it as JPEG or PNG" in done.stderr:  # this build has no library for it
                    self.assertEqual(done.returncode, 1)
                else:
                    self.assertEqual((done.returncode, done.stderr), (0, ""), name)
            plain, turned = (json.loads(said("exif-png-6", *more).stdout)["logprobs"]
                             for more in ((), ("--apply-orientation",)))
            self.assertNotEqual(plain, turned)
            self.assertEqual(json.loads(said("exif-png-none", "--apply-orientation").stdout)["logprobs"], plain)
            self.assertIn("24 x 18 pixels, expected at most 65535 per side and 431 in total",
                          said("exif-png-6", "--max-image-megapixels", "0.000431").stderr)
            self.assertEqual(said("exif-png-6", "--max-image-megapixels", "0.000432").returncode, 0)
            files["large"] = files["exif-png-6"] + bytes(20 << 20)
            self.assertIn("has more than 20971520 bytes, the limit", said("large").stderr)
            self.assertEqual(said("large", "--max-image-mib", "21").returncode, 0)

    def test_errors_are_one_sentence_on_standard_error(self):
        for words, sentence in (
                (("--image-file", "absent.png"), "cannot open the image absent.png: No such file or directory"),
                (("--image-file", "a, b.png"), "No such file or directory; ',' separates images: if it is part of a "
                                               "name, choose another with --sep"),
                (("--image-file", "https://x.org/a,b.png"), "an image cannot be given as a URL"),
                (("--image-file", "data:image/png;base64,AAAA"), "an image cannot be given as a data: URL"),
                (("--image-file", "-"), "an image cannot be given as \"-\" (standard input)"),
                (("--image-file", "README.md"), "README.md is neither JPEG nor PNG"),
                (("--image-file", f"{IMAGE},"), "has an empty name"),
                (("--logit-bias", "123456789", "1"), "llava: logit_bias has token 123456789, expected 0"),
                (("--stop-token-id", "-1"), "llava: stop_token_ids has token -1, expected 0 to"),
                (("--repetition-penalty", "0"), "llava: repetition_penalty must be a positive number"),
                (("--image-file", IMAGE, "--conv-mode", "nonsense"), "no conversation template is called 'nonsense'"),
                (("--image-file", f"{IMAGE},{OTHER}", "--query", "<image> and?"), "1 <image> for 2 images")):
            words = words if "--query" in words else (*words, "--query", "x")
            done = ask(*words)
            self.assertEqual((done.returncode, done.stdout), (1, ""), words)
            self.assertIn(sentence, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)
        absent = llava("ask", "--model-path", "someone/model", "--query", "x")
        self.assertIn("llava pull someone/model", absent.stderr)
        self.assertNotEqual(llava("ask", "--query", "x").returncode, 0)
        self.assertNotEqual(ask("--query", "x", "--seed", "-1").returncode, 0)
        self.assertNotEqual(ask("--query", "x", "--backend", "gpu").returncode, 0)
