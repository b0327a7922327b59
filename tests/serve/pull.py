# SPDX-License-Identifier: Apache-2.0
"""Tests `llava pull` with a hub of our own (fake_hub.py): which files it fetches, where it stores them, and what it
does when the hub, the network or the disk fails.

    pull.py LLAVA MODEL [--tls CERTIFICATES]     with --tls: the program is built with llava::serve_tls
"""
import argparse
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from fake_hub import COMMIT, Hub, git_hash

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("program")
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("--tls", type=pathlib.Path)
args = parser.parse_args()

TINY = {f.name: f.read_bytes() for f in args.model.iterdir() if f.is_file()}
EXTRA = {"README.md": b"# about", ".gitattributes": b"*", "pytorch_model.bin": b"x",
         "pytorch_model.bin.index.json": b"{}", "consolidated.safetensors": b"y", "onnx/model.onnx": b"z",
         "original/model.safetensors": b"w", "training_args.bin": b"t", "trainer_state.json": b"[]",
         "empty.json": b""}
NEEDED = {f for f in TINY if f.endswith((".json", ".jinja", ".safetensors")) or f == "tokenizer.model"} | {"empty.json"}
NAME = "org/tiny"


class Pull(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.cache = pathlib.Path(self.folder.name) / "hub"
        self.repository = self.cache / "models--org--tiny"
        self.snapshot = self.repository / "snapshots" / COMMIT
        self.hub = Hub({NAME: {**TINY, **EXTRA}})
        self.weights = TINY["model.safetensors"]
        self.blob = self.repository / "blobs" / hashlib.sha256(self.weights).hexdigest()
        self.partial = self.blob.with_name(self.blob.name + ".incomplete")

    def tearDown(self):
        self.hub.server.shutdown()
        self.hub.server.server_close()
        self.folder.cleanup()

    def environment(self, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "XDG_"))}
        return {**kept, "HOME": self.folder.name, "HF_HUB_CACHE": str(self.cache), "HF_ENDPOINT": self.hub.url, **more}

    def llava(self, *words, **environment):
        return subprocess.run([args.program, *words], capture_output=True, text=True, timeout=120,
                              env=self.environment(**environment))

    def pull(self, *words, **environment):
        done = self.llava("pull", *(words or (NAME,)), **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def refused(self, *words, **environment):
        done = self.llava("pull", *(words or (NAME,)), **environment)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        return done.stderr

    def begin(self, *words):
        return subprocess.Popen([args.program, "pull", *(words or (NAME,))], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=self.environment())

    def assert_complete(self):
        found = {str(f.relative_to(self.snapshot)) for f in self.snapshot.rglob("*") if not f.is_dir()}
        self.assertEqual(found, NEEDED)
        for name in NEEDED:
            data = {**TINY, **EXTRA}[name]
            link = self.snapshot / name
            digest = hashlib.sha256(data).hexdigest() if len(data) >= self.hub.large else git_hash(data)
            self.assertEqual(os.readlink(link), f"../../blobs/{digest}")
            self.assertEqual(link.read_bytes(), data)
        self.assertEqual((self.repository / "refs/main").read_text(), COMMIT)
        blobs = {f.name for f in (self.repository / "blobs").iterdir()}
        self.assertFalse([b for b in blobs if not all(c in "0123456789abcdef" for c in b)], blobs)

    def test_a_model(self):
        absent = self.llava("ask", "--model-path", NAME, "--query", "x")
        self.assertIn(f"`llava pull {NAME}`", absent.stderr)
        done = self.pull()
        self.assertEqual(done.stdout, f"{self.snapshot}\n")
        self.assert_complete()
        ask = ["ask", "--model-path", NAME, "--image-file", str(args.model / "images/three-shapes.png"), "--query",
               "How many shapes are there?", "--temperature", "0"]
        self.assertEqual(self.llava(*ask).stdout.strip(), "three")
        # Once more: nothing is fetched again. A large file's redirect is not followed to ask for its hash.
        before = len(self.hub.asked)
        self.pull()
        asked = [a[1] for a in self.hub.asked[before:] if a[0] == "GET"]
        self.assertEqual(asked, [f"/api/models/{NAME}/revision/main"])
        self.assertFalse([a for a in self.hub.asked if a[0] == "HEAD" and a[1].startswith("/cdn/")])
        self.assertTrue(all(a[2]["User-Agent"] and "Authorization" not in a[2] for a in self.hub.asked))
        # HF_HOME and the default place.
        for environment, folder in (({"HF_HOME": "/home"}, "home/hub"), ({}, ".cache/huggingface/hub")):
            environment = {k: self.folder.name + v for k, v in environment.items()}
            self.pull(HF_HUB_CACHE="", **environment)
            self.assertTrue((pathlib.Path(self.folder.name) / folder / "models--org--tiny/refs/main").exists())

    def test_chosen_files(self):
        files = {"a.Q4_K_M.gguf": b"GGUF" * 10, "sub/b c.gguf": b"b" * 200_000, "README.md": b"x"}
        self.hub.repositories["org/gguf"] = files
        said = self.refused("org/gguf")
        self.assertIn("--file", said)
        self.assertIn("a.Q4_K_M.gguf, sub/b c.gguf", said)
        done = self.pull("org/gguf", "--file", "sub/b c.gguf", "--file", "a.Q4_K_M.gguf")
        paths = done.stdout.splitlines()
        found = [pathlib.Path(p).read_bytes() for p in paths]
        self.assertEqual(found, [files["sub/b c.gguf"], files["a.Q4_K_M.gguf"]])
        self.assertIn("it has a.Q4_K_M.gguf, sub/b c.gguf, README.md", self.refused("org/gguf", "--file", "x"))
        # Without safetensors the files of torch are taken, and what comes with LLaVA's own layouts.
        self.hub.repositories["org/torch"] = {f: f.encode() for f in (
            "config.json", "pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json", "mm_projector.bin",
            "optimizer.pt", "flax_model.msgpack", "tf_model.h5", "sft_model/pytorch_model.bin",
            "runs/pytorch_model.bin")}
        self.pull("org/torch")
        found = self.cache / "models--org--torch/snapshots" / COMMIT
        self.assertEqual({str(f.relative_to(found)) for f in found.rglob("*") if f.is_file()},
                         {"config.json", "pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json",
                          "mm_projector.bin", "sft_model/pytorch_model.bin"})
        self.hub.repositories["org/adapter"] = {f: b"{}" for f in ("adapter_config.json", "adapter_model.safetensors",
                                                                   "adapter_model.bin", "non_lora_trainables.bin")}
        self.pull("org/adapter")
        found = self.cache / "models--org--adapter/snapshots" / COMMIT
        self.assertEqual({f.name for f in found.iterdir()},
                         {"adapter_config.json", "adapter_model.safetensors", "non_lora_trainables.bin"})

    def test_tower(self):
        """The vision tower that a folder in LLaVA's layout names comes with it."""
        config = {"model_type": "llava", "mm_vision_tower": "openai/tower", "hidden_size": 64}
        self.hub.repositories["org/own"] = {"config.json": json.dumps(config).encode(), "pytorch_model.bin": b"x"}
        self.hub.repositories["openai/tower"] = {"config.json": b"{}", "pytorch_model.bin": b"y", "tf_model.h5": b"z"}
        self.pull("org/own")
        self.assertTrue((self.cache / "models--openai--tower/refs/main").exists())

    def test_revisions(self):
        self.pull(NAME, "--revision", "refs/pr/1")
        self.assertEqual((self.repository / "refs/refs/pr/1").read_text(), COMMIT)
        self.assertFalse((self.repository / "refs/main").exists())
        self.pull(NAME, "--revision", COMMIT)
        self.assertIn("has no revision v9 of org/tiny", self.refused(NAME, "--revision", "v9"))

    def test_refused(self):
        for words, sentence in (
                (("org/absent",), "has no revision main of org/absent"), (("tiny",), "write ORG/NAME"),
                (("../x/y",), "write ORG/NAME"), (("org/..",), "write ORG/NAME"),
                ((NAME, "--revision", "../../x"), "is not the name of a revision")):
            said = self.refused(*words)
            self.assertIn(sentence, said)
            self.assertEqual(said.count("\n"), 1)
        self.assertIn("HF_ENDPOINT", self.refused(HF_ENDPOINT="ftp://a"))
        self.assertIn("HF_HUB_OFFLINE", self.refused(HF_HUB_OFFLINE="1"))
        self.assertIn("cannot connect", self.refused(HF_ENDPOINT="http://127.0.0.1:1"))
        self.assertIn("cannot make the folder", self.refused(HF_HUB_CACHE="/proc/none"))

    def test_hostile_hub(self):
        for file in ("../evil", "/etc/evil", "a//b", "a/../../b", "a\nb", ".", ""):
            self.hub.repositories["org/evil"] = {file: b"x", "config.json": b"{}", "model.safetensors": b""}
            self.assertIn("names a file in a way that is not valid", self.refused("org/evil"))
        self.hub.cdn = "http://localhost:9"
        self.assertIn("redirects to an address that is not allowed", self.refused())
        for away in ("file:///etc", "//localhost:9", "ftp://a", "http://127.0.0.1@localhost"):
            self.hub.cdn = away
            self.assertIn("redirects to an address that is not allowed", self.refused())
        self.assertFalse(list(self.repository.glob("refs/*")))

    def test_token(self):
        self.hub.token = "hf_secret"
        said = self.refused()
        self.assertIn("set HF_TOKEN", said)
        self.assertIn("set HF_TOKEN", self.refused(HF_TOKEN="hf_other"))
        self.pull(HF_TOKEN="hf_secret")
        self.assert_complete()
        home = pathlib.Path(self.folder.name) / "home"
        home.mkdir()
        (home / "token").write_text("hf_secret\n")
        self.pull(HF_HOME=str(home))
        self.assertNotIn("hf_secret", said)

    def test_interrupted(self):
        for faults in (["cut"], ["cut", "cut", 503, "cut"], [500], ["cut", "no ranges"]):
            self.hub.faults = {"model.safetensors": list(faults), "config.json": [503]}
            self.pull()
            self.assert_complete()
            self.blob.unlink()
        ranges = [h.get("Range") for h in self.hub.gets("model.safetensors")]
        self.assertIn(f"bytes={len(self.weights) // 2}-", ranges)
        # What an earlier process has left is used; if it is damaged, the file is fetched from its beginning.
        for left in (self.weights[:1000], self.weights, b"damaged" * 10, self.weights + b"more", b""):
            self.partial.write_bytes(left)
            self.hub.asked.clear()
            self.pull()
            self.assert_complete()
            wanted = [h.get("Range") for h in self.hub.gets("model.safetensors") if "Host" in h]
            self.assertEqual(bool(wanted), left != self.weights)
            self.assertEqual("bytes=1000-" in wanted, left == self.weights[:1000])
            self.blob.unlink()
        self.hub.faults = {"model.safetensors": ["cut"] * 15}  # each time half of the rest
        self.pull()

    def test_wrong_bytes(self):
        for fault, sentence in (("damaged", "another hash"), ("longer", "more of model.safetensors"),
                                ("shorter", "another hash")):
            self.hub.faults = {"model.safetensors": [fault]}
            if fault == "shorter":  # its rest is asked for; then the whole is right
                self.pull()
                continue
            self.assertIn(sentence, self.refused())
            self.assertFalse(self.blob.exists())
            self.assertFalse((self.repository / "refs/main").exists())
            self.partial.unlink(missing_ok=True)
        self.hub.faults = {"config.json": ["damaged"]}
        (self.snapshot / "config.json").resolve().unlink()
        self.assertIn("another hash", self.refused())
        self.blob.unlink()
        self.partial.write_bytes(self.weights[:100])
        self.hub.faults = {"model.safetensors": ["wrong part"]}
        self.assertIn("sent another part", self.refused())

    def test_stopped(self):
        """SIGINT keeps what has arrived, and the next call goes on; kill -9 too."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            self.hub.delay = 0.02
            process = self.begin()
            while not self.partial.exists() or self.partial.stat().st_size == 0:
                self.assertIsNone(process.poll())
                time.sleep(0.005)
            start = time.monotonic()
            process.send_signal(number)
            self.assertEqual(process.wait(), -number)
            self.assertLess(time.monotonic() - start, 2)
            process.communicate()
            kept = self.partial.stat().st_size
            self.assertTrue(0 < kept < len(self.weights), kept)
            self.assertFalse((self.repository / "refs/main").exists())
            self.hub.delay = 0
            self.hub.asked.clear()
            self.pull()
            self.assertEqual(self.hub.gets("model.safetensors")[-1]["Range"], f"bytes={kept}-")
            self.assert_complete()
            self.blob.unlink()
            (self.repository / "refs/main").unlink()

    def test_two_at_once(self):
        self.hub.delay = 0.005
        running = [self.begin() for _ in range(4)]
        for process in running:
            out, said = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out), (0, f"{self.snapshot}\n"), said)
        self.assert_complete()
        cdn = [a for a in self.hub.asked if a[1].startswith("/cdn/") and a[0] == "GET"]
        self.assertEqual(len(cdn), 1, "a file was fetched twice")

    def test_full_disk(self):
        """A limit on the size of files stands for the disk's."""
        self.hub.sizes = {"model.safetensors": 10**17}
        self.assertIn("more bytes in", self.refused())
        self.hub.sizes = {}
        done = subprocess.run(["bash", "-c", 'trap "" XFSZ; ulimit -f 64; exec "$0" pull "$1"', args.program, NAME],
                              capture_output=True, text=True, env=self.environment())
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("cannot write model.safetensors", done.stderr)
        self.assertIn("is kept", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 2)
        self.assertFalse((self.repository / "refs/main").exists())
        self.pull()
        self.assert_complete()

    @unittest.skipUnless(args.tls, "the program is built without llava::serve_tls")
    def test_tls(self):
        key = args.tls.resolve() / "key.pem"
        trusted = {"SSL_CERT_FILE": str(args.tls.resolve() / "authority.pem")}
        cdn = Hub(self.hub.repositories, certificate=(args.tls / "localhost.pem", key))
        self.hub.cdn, self.hub.token = cdn.url, "hf_secret"
        self.assertIn("no authority that this system knows", self.refused(HF_TOKEN="hf_secret", SSL_CERT_FILE="/none"))
        self.pull(HF_TOKEN="hf_secret", **trusted)
        self.assert_complete()
        self.assertTrue(cdn.asked and all("Authorization" not in a[2] for a in cdn.asked), "the token left the hub")
        for name, sentence in (("localhost", ""), ("other_host", "is that of another host"), ("expired", "has expired"),
                               ("self_signed", "no authority that this system knows")):
            hub = Hub(self.hub.repositories, certificate=(args.tls / f"{name}.pem", key))
            with tempfile.TemporaryDirectory() as cache:
                environment = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": cache, **trusted}
                if not sentence:
                    self.pull(**environment)
                else:
                    self.assertIn(sentence, self.refused(**environment))
                    self.assertFalse(hub.asked)


if __name__ == "__main__":
    unittest.main(argv=[__file__, "-v"])
