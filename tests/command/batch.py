# SPDX-License-Identifier: Apache-2.0
"""Tests `llava batch` with the bundled model. Run in the repository's root:

    batch.py LLAVA_SERVE
"""
import base64
import fcntl
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from terminal import Terminal

PROGRAM = sys.argv[1]
TINY = "examples/tiny"
SCENES = f"{TINY}/scenes"
IMAGE = f"{TINY}/images/three-shapes.png"
GREEDY = ("--model-path", TINY, "--temperature", "0", "--threads", "2", "--max_new_tokens", "32")


def run(questions, answers, *options, code=0, **how):
    done = subprocess.run([PROGRAM, "batch", *GREEDY, questions, "-o", answers, *options], capture_output=True,
                          text=True, timeout=300, stdin=subprocess.DEVNULL, check=False, **how)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    return done.stderr


def scenes(count):
    """The first questions about the bundled scenes with one image, as lines of the reference's question files."""
    lines = []
    with open(f"{SCENES}/questions.jsonl", encoding="utf-8") as file:
        for record in map(json.loads, file):
            if len(record["images"]) == 1:
                lines += [{"question_id": len(lines) + i, "image": record["images"][0], "text": t["text"],
                           "category": t["category"]} for i, t in enumerate(record["turns"])]
            if len(lines) >= count:
                return lines[:count]
    raise AssertionError


def write(path, lines):
    pathlib.Path(path).write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))


def read(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


class Batch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = cls.temporary.name
        cls.questions = f"{cls.folder}/questions.jsonl"
        cls.lines = scenes(60)
        write(cls.questions, cls.lines)
        cls.whole = f"{cls.folder}/whole.jsonl"
        cls.said = run(cls.questions, cls.whole, "--image-folder", SCENES)
        cls.bytes = pathlib.Path(cls.whole).read_bytes()

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def resumed(self, name, start):
        """Runs with `start` as the answers so far, and compares the end with the whole file."""
        answers = f"{self.folder}/{name}"
        pathlib.Path(answers).write_bytes(start)
        said = run(self.questions, answers, "--image-folder", SCENES)
        self.assertEqual(pathlib.Path(answers).read_bytes(), self.bytes)
        return said

    def test_lines_are_those_of_the_reference_in_the_order_of_the_questions(self):
        self.assertEqual(self.said, "")  # no progress bar in a pipe
        for line, question in zip(self.bytes.decode("ascii").splitlines(), self.lines, strict=True):
            answer = json.loads(line)
            self.assertEqual(list(answer), ["question_id", "prompt", "text", "answer_id", "model_id", "metadata"])
            self.assertEqual(line, json.dumps(answer))  # as Python writes it
            self.assertEqual((answer["question_id"], answer["prompt"], answer["model_id"], answer["metadata"]),
                             (question["question_id"], question["text"], "tiny", {}))
            self.assertRegex(answer["answer_id"], "^[2-9A-HJ-NP-Za-km-z]{22}$")
        self.assertEqual(len({a["answer_id"] for a in read(self.whole)}), 60)

    def test_answers_are_those_of_single_runs(self):
        requests = "".join(json.dumps(r) + "\n" for q in self.lines for r in (
            {"do": "clear"}, {"text": q["text"], "images": [f"{SCENES}/{q['image']}"]}))
        done = subprocess.run([PROGRAM, "chat", *GREEDY, "--json"], input=requests, capture_output=True, text=True,
                              timeout=300, check=True)
        alone = [r["text"] for r in map(json.loads, done.stdout.splitlines()) if "text" in r]
        self.assertEqual([a["text"] for a in read(self.whole)], alone)
        self.assertGreater(len(set(alone)), 10)
        for most in ("1", "5"):
            answers = f"{self.folder}/most{most}.jsonl"
            run(self.questions, answers, "--image-folder", SCENES, "--max-sequences", most)
            self.assertEqual(pathlib.Path(answers).read_bytes(), self.bytes)

    def test_a_run_goes_on_where_it_was_stopped(self):
        ends = [i + 1 for i, b in enumerate(self.bytes) if b == 10]
        for cut in (0, 1, 9, ends[0] - 1, ends[0], ends[0] + 20, ends[30] - 1, ends[58], len(self.bytes) - 1,
                    len(self.bytes)):
            said = self.resumed("cut.jsonl", self.bytes[:cut])
            kept = sum(cut >= e - 1 for e in ends)  # a line that lacks only its newline is whole
            self.assertEqual(said, f"llava: {self.folder}/cut.jsonl has {kept} answers already\n" if kept else "")

    def test_interrupts_leave_a_file_to_go_on_with(self):
        many, answers = f"{self.folder}/many.jsonl", f"{self.folder}/interrupted.jsonl"
        write(many, self.lines * 100)
        words = [PROGRAM, "batch", *GREEDY, many, "-o", answers, "--image-folder", SCENES]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as p:
            while not os.path.exists(answers) or os.path.getsize(answers) < 2000:
                self.assertIsNone(p.poll())
                time.sleep(0.005)
            p.send_signal(signal.SIGINT)
            said = p.communicate(timeout=60)[1]
            self.assertRegex(said, r"^llava: stopped after \d+ answers; the same command goes on\n$")
        self.assertEqual(p.returncode, -signal.SIGINT)
        found = pathlib.Path(answers).read_bytes()
        self.assertTrue(found.endswith(b"\n"))
        self.assertLess(found.count(b"\n"), 6000)
        texts = [a["text"] for a in read(self.whole)]
        self.assertEqual([a["text"] for a in read(answers)], (texts * 100)[:found.count(b"\n")])
        kept = read(answers)[:60]
        write(answers, kept)
        said = self.resumed("again.jsonl", pathlib.Path(answers).read_bytes())
        self.assertIn(f"has {len(kept)} answers already", said)

    def test_a_bad_line_gives_an_error_and_the_others_their_answers(self):
        user = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE}},
                                            {"type": "text", "text": "How many shapes are there?"}]}
        data = "data:image/png;base64," + base64.b64encode(pathlib.Path(IMAGE).read_bytes()).decode()
        good = [{"question_id": "a", "image": IMAGE, "text": "How many shapes are there?"},
                {"image": data, "text": "How many shapes are there?"}, {"question_id": 3, "messages": [user]},
                {"question_id": 4, "image": [IMAGE, IMAGE], "text": "How many shapes are in the first picture?"},
                {"question_id": 5, "messages": [user, {"role": "assistant", "content": "three <image>"},
                                                {"role": "user", "content": "What color is the star?"}]}]
        bad = ["{", "7", '{"question_id": 1}', '{"question_id": "é", "image": "none.png", "text": "x"}',
               '{"question_id": 1.5, "text": "x"}', '{"text": "x", "messages": []}', '{"messages": []}',
               '{"image": 1, "text": "x"}', {"text": "many words " * 2000}, {"messages": [user, user]},
               {"image": "http://127.0.0.1:1/a.png", "text": "x"}, {"image": IMAGE, "text": "<image> <image>"},
               {"messages": [{"role": "system", "content": "x"}]}, "\ufffd{"]
        lines = [x for pair in zip(good, bad) for x in pair] + bad[len(good):]
        questions, answers = f"{self.folder}/bad.jsonl", f"{self.folder}/bad_answers.jsonl"
        write(questions, lines[:3] + ["", "  "] + lines[3:])  # empty lines do not count
        said = run(questions, answers, code=1)
        # Lines without a question_id have their number, which may be the question_id of another.
        repeated = (f"llava: 2 of {len(lines)} questions have the question_id of an earlier one; answers are in the "
                    "order of the questions\n")
        self.assertEqual(said, f"{repeated}llava: {len(bad)} of {len(lines)} questions have no answer; their lines in "
                         f"{answers} say why\n")
        found = read(answers)
        self.assertEqual(len(found), len(lines))
        for i, (line, answer) in enumerate(zip(lines, found)):
            if line in good:
                self.assertEqual(answer["question_id"], line.get("question_id", i + 1))
                if line is not good[4]:
                    self.assertEqual(answer["text"], "three", line)
                continue
            self.assertEqual(list(answer), ["question_id", "prompt", "error", "model_id"])
            self.assertTrue(answer["error"]["message"].startswith("llava: "), answer)
        self.assertEqual(found[7]["question_id"], "é")
        self.assertIn("cannot open the image none.png", found[7]["error"]["message"])
        self.assertEqual(found[8]["prompt"], "What color is the star?")
        before = pathlib.Path(answers).read_bytes()
        self.assertIn("have no answer", run(questions, answers, code=1))  # they count in the next run too
        self.assertEqual(pathlib.Path(answers).read_bytes(), before)

    def test_files_that_are_no_answers_to_these_questions_are_not_touched(self):
        other = [{**a, "question_id": 1000 + a["question_id"]} for a in read(self.whole)]
        for name, content in (("text", b"some notes"), ("notes", b"some notes\nmore\n"), ("array", b"[1, 2]\n"),
                              ("questions", pathlib.Path(self.questions).read_bytes()),
                              ("one", json.dumps(self.lines[0]).encode()),
                              ("other", "".join(json.dumps(a) + "\n" for a in other).encode()),
                              ("model", self.bytes.replace(b'"tiny"', b'"huge"')),
                              ("longer", self.bytes * 2)):
            path = pathlib.Path(self.folder, name)
            path.write_bytes(content)
            self.assertRegex(run(self.questions, str(path), "--image-folder", SCENES, code=1),
                             "another name")
            self.assertEqual(path.read_bytes(), content, name)
        self.assertIn("holds the questions", run(self.questions, self.questions, code=1))
        with open(self.whole, "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.assertIn("is being written by another run", run(self.questions, self.whole, code=1))
        self.assertIn("cannot open", run(f"{self.folder}/none", self.whole, code=1))
        self.assertIn("Is a directory", run(self.folder, f"{self.folder}/x", code=1))

    def test_a_full_disk_is_told_and_the_file_is_whole(self):
        answers = f"{self.folder}/full.jsonl"

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        said = run(self.questions, answers, "--image-folder", SCENES, code=1, preexec_fn=limit)
        self.assertIn(f"llava: cannot write {answers}: File too large", said)
        found = pathlib.Path(answers).read_bytes()
        self.assertTrue(found.endswith(b"\n") and len(found) <= 1000 and self.bytes.startswith(found))
        self.resumed("full.jsonl", found)
        self.assertIn("No space left on device", run(self.questions, "/dev/full", "--image-folder", SCENES, code=1))

    def test_questions_from_a_pipe_and_options_of_the_reference(self):
        with open(self.questions, "rb") as lines:
            done = subprocess.run([PROGRAM, "batch", *GREEDY, "--question-file", "/dev/stdin", "--answers-file",
                                   "/dev/stdout", "--image-folder", SCENES], stdin=lines,
                                  capture_output=True, timeout=300, check=False)
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, b"", self.bytes))

    def test_standard_streams_by_a_hyphen(self):
        words = [PROGRAM, "batch", *GREEDY, "-", "-o", "-", "--image-folder", SCENES]
        done = subprocess.run(words, input=pathlib.Path(self.questions).read_bytes(), capture_output=True, timeout=300,
                              check=False)
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, b"", self.bytes))
        # Answers that are there are found, however the questions come.
        answers = f"{self.folder}/streamed.jsonl"
        pathlib.Path(answers).write_bytes(self.bytes[:self.bytes.index(b"\n") + 1])
        words = [PROGRAM, "batch", *GREEDY, "-", "-o", answers, "--image-folder", SCENES]
        with open(self.questions, "rb") as lines:
            done = subprocess.run(words, stdin=lines, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, f"llava: {answers} has 1 answers already\n"))
        self.assertEqual(pathlib.Path(answers).read_bytes(), self.bytes)
        with open(self.questions, "rb") as lines:
            words[words.index(answers)] = self.questions
            done = subprocess.run(words, stdin=lines, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("holds the questions", done.stderr)
        done = subprocess.run(["sh", "-c", '"$0" "$@" <&-', *words], capture_output=True, text=True, timeout=300,
                              check=False)
        self.assertEqual(done.returncode, 1)
        with open("/dev/full", "wb") as full:
            words[words.index(self.questions)] = "-"
            done = subprocess.run(words, input=pathlib.Path(self.questions).read_bytes(), stdout=full,
                                  stderr=subprocess.PIPE, timeout=300, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"llava: cannot write standard output: No space left", done.stderr)

    def test_a_question_id_may_come_again(self):
        questions, answers = f"{self.folder}/twice.jsonl", f"{self.folder}/twice_answers.jsonl"
        write(questions, [self.lines[0], {**self.lines[1], "question_id": 0}, {"text": "hello"}, {"text": "hello"},
                          {"question_id": 4, "text": "hello"}])
        told = ("llava: 2 of 5 questions have the question_id of an earlier one; answers are in the order of the "
                "questions\n")
        self.assertEqual(run(questions, answers, "--image-folder", SCENES), told)
        self.assertEqual([a["question_id"] for a in read(answers)], [0, 0, 3, 4, 4])
        self.assertEqual([a["text"] for a in read(answers)][:2], [a["text"] for a in read(self.whole)][:2])
        self.assertEqual(run(questions, answers, "--image-folder", SCENES),
                         f"llava: {answers} has 5 answers already\n" + told)

    def test_a_progress_bar_on_a_terminal(self):
        many = f"{self.folder}/bar.jsonl"
        write(many, self.lines * 200)
        answers = f"{self.folder}/bar_answers.jsonl"
        with Terminal([PROGRAM, "batch", *GREEDY, many, "-o", answers, "--image-folder", SCENES]) as t:
            while not os.path.exists(answers) or os.path.getsize(answers) < 100:
                self.assertIsNone(t.process.poll())
                time.sleep(0.01)
            t.process.send_signal(signal.SIGSTOP)  # the bar comes after two seconds
            time.sleep(2)
            t.process.send_signal(signal.SIGCONT)
            t.wait_for("answering [")
            t.type("\x03")
            t.wait_for("the same command goes on")
            self.assertEqual(t.wait_for_end(), -signal.SIGINT)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
