# SPDX-License-Identifier: Apache-2.0
"""Trains and exports the bundled model "tiny": LLaVA-1.5's structure with under two million parameters.

    python tests/oracle/train_tiny.py --work DIR                              # train; run again to resume
    python tests/oracle/train_tiny.py --work DIR --export examples/tiny       # write the model
    python tests/oracle/train_tiny.py --work DIR --evaluate examples/tiny     # measure what was written

It learns easy-VQA and the synthetic scenes of scenes.py from random weights, on a CPU. Auxiliary losses make the vision
tower predict, for each patch, the kind of the thing with its centre there and its rank from the left and from the top,
and make the language model predict the positions of named things. Their heads are dropped at export. As in LLaVA-1.5,
features are taken before the tower's last layer, so that layer keeps its initial weights.

Needs: torch, transformers, tokenizers, sentencepiece, safetensors, Pillow, easy-vqa.
"""

import argparse
import functools
import importlib.metadata
import json
import math
import os
import platform
import random
import shutil
import time
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, GenerationConfig, LlavaForConditionalGeneration, LlavaProcessor

import tiny_tokenizer
import vicuna_template
from scene_questions import Turn, one_picture_turns, two_picture_turns
from scenes import make_scene
from tiny_data import PATCH, Conversation, Corpus, Encoder, easy_questions, image_processor, to_bytes
from tiny_model import (Learner, answer_places, auxiliary_loss, exact, in_words, make_model, normalise,
                        pointer_loss, share)

PACKAGES = ("torch", "transformers", "tokenizers", "sentencepiece", "safetensors", "numpy", "pillow", "easy-vqa")
VALIDATE_EVERY, SAVE_EVERY = 500, 100
LONGEST = 232


def make_tokenizer(folder):
    """Trains the tokenizer and checks that its files agree."""
    rng, texts = random.Random(3), []
    for _ in range(2000):
        first, second = make_scene(rng, most_things=3), make_scene(rng, most_things=3)
        turns = one_picture_turns(rng, first, 8) + two_picture_turns(rng, first, second, 3)
        texts += [f"{turn.text} ASSISTANT: {turn.answer}" for turn in turns]
    easy = [turn for turns in easy_questions("train")[0].values() for turn in turns]
    texts += [f"{turn.text} ASSISTANT: {turn.answer}" for turn in rng.sample(easy, 6000)]
    rng.shuffle(texts)
    tiny_tokenizer.train(texts, folder)
    prompts = [tiny_tokenizer.prompt_of([(t.text, t.answer) for t in one_picture_turns(rng, make_scene(rng), 8)])
               for _ in range(300)]
    prompts += [tiny_tokenizer.prompt_of([(turn.text, None)], images=2) for turn in rng.sample(easy, 300)]
    return tiny_tokenizer.check(folder, prompts)


def save(state, path):
    torch.save(state, f"{path}.new")
    os.replace(f"{path}.new", path)


def learning_rate(step, options):
    """Returns the rate: a linear warm-up, then half a cosine down to a hundredth."""
    if step < options.warm_up:
        return options.rate * (step + 1) / options.warm_up
    done = min(1, (step - options.warm_up) / max(1, options.steps - options.warm_up))
    return options.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def average_gradients(parameters, processes):
    """Averages in one exchange per step. On a busy machine this is far faster than threads that wait for each other."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    parts = (flat / processes).split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts):
        gradient.copy_(part.view_as(gradient))


def train(rank, options, checkpoint):
    """Runs one of options.processes equal learners with its share of every batch. The first one reports and saves."""
    torch.set_num_threads(1)
    meeting = (options.work / "meeting").resolve()
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank,
                                         world_size=options.processes)
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(options.work / "tokenizer")
    encoder, processor, corpus = Encoder(tokenizer), image_processor(), Corpus(options.scenes)
    scene_validation, easy_validation = corpus.validation()
    learner = Learner(make_model(tokenizer))
    forward = torch.compile(learner, dynamic=True) if options.compile else learner
    decayed = [p for p in learner.parameters() if p.dim() > 1]
    rest = [p for p in learner.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0}],
                                  betas=(0.9, 0.98))
    step, seconds = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        learner.load_state_dict(state["learner"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds = state["step"], state["seconds"]
    if rank == 0:
        print(f"{sum(p.numel() for p in learner.model.parameters())} parameters, {len(corpus.pixels)} images, "
              f"step {step}", flush=True)
    began, sums = time.time() - seconds, [0.0, 0.0, 0]
    while step < options.steps:
        rng = random.Random(step * options.processes + rank)
        conversations = [corpus.sample(rng, step) for _ in range(options.batch // options.processes)]
        encoded = [encoder.encode(c, LONGEST) for c in conversations]
        pictures = [i for c in conversations for i in c.pictures]
        pixels = normalise(torch.stack([corpus.augmented(rng, i) for i in pictures]), processor)
        ids, labels = encoder.batch(encoded)
        places, wanted = answer_places(labels)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options)
        mentions, targets = corpus.mentions(encoder, conversations, ids)
        logits, guesses, pointed = forward(pixels, ids, places, mentions)
        loss = cross_entropy(logits, wanted)
        auxiliary = auxiliary_loss(guesses, corpus.labels[pictures]) + pointer_loss(pointed, targets)
        optimizer.zero_grad()
        (loss + auxiliary).backward()
        average_gradients(learner.parameters(), options.processes)
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        step += 1
        if rank > 0:
            continue
        sums = [sums[0] + loss.item(), sums[1] + auxiliary.item(), sums[2] + 1]
        if step % 50 == 0:
            print(f"step {step} loss {sums[0] / sums[2]:.4f} auxiliary {sums[1] / sums[2]:.4f} "
                  f"{time.time() - began:.0f} s", flush=True)
            sums = [0.0, 0.0, 0]
        if step % VALIDATE_EVERY == 0 or step == options.steps:
            scenes, easy = (exact(learner, encoder, conversations, corpus.pixels.__getitem__, processor)
                            for conversations in (scene_validation, easy_validation))
            print(f"step {step} easy-VQA {share(easy):.2%}, scenes {share(scenes):.2%}: {in_words(scenes)}", flush=True)
        if step % SAVE_EVERY == 0 or step == options.steps:
            save({"learner": learner.state_dict(), "optimizer": optimizer.state_dict(), "step": step,
                  "seconds": time.time() - began}, checkpoint)


def name_as_llava(path):
    """Renames the tower's tensors as in the published llava-1.5 files, which transformers reads too."""
    tensors = load_file(path)
    save_file({name.replace("vision_tower.", "vision_tower.vision_model."): tensor for name, tensor in tensors.items()},
              path, metadata={"format": "pt"})
    path.chmod(0o644)


def export(options, checkpoint):
    """Writes the llava-hf folder: float16 weights, configurations, processor and tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(options.work / "tokenizer")
    learner = Learner(make_model(tokenizer))
    state = torch.load(checkpoint, weights_only=True)
    learner.load_state_dict(state["learner"])
    model = learner.model.half()
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=tokenizer.pad_token_id)
    model.save_pretrained(options.export)
    name_as_llava(options.export / "model.safetensors")
    LlavaProcessor(image_processor(), tokenizer, patch_size=PATCH, vision_feature_select_strategy="default",
                   image_token="<image>", num_additional_image_tokens=1).save_pretrained(options.export)
    image_processor().save_pretrained(options.export)
    for name in tiny_tokenizer.FILES:
        shutil.copyfile(options.work / "tokenizer" / name, options.export / name)
    vicuna_template.write(options.export)
    record = {"parameters": sum(p.numel() for p in model.parameters()), "step": state["step"],
              "training_seconds": round(state["seconds"]), "python": platform.python_version(),
              "packages": {name: importlib.metadata.version(name) for name in PACKAGES}}
    (options.export / "training.json").write_text(json.dumps(record, indent=2) + "\n")


def evaluate(options):
    """Measures an exported folder, in float32, on easy-VQA's test split and on the held-out scenes."""
    model = LlavaForConditionalGeneration.from_pretrained(options.evaluate, dtype=torch.float32)
    encoder, processor = Encoder(AutoTokenizer.from_pretrained(options.evaluate)), image_processor()
    learner = Learner(model)
    turns, paths = easy_questions("test")
    conversations = [Conversation([paths[i]], [turn]) for i in sorted(turns) for turn in turns[i]]
    folder = options.evaluate / "scenes"
    lines = [json.loads(line) for line in open(folder / "questions.jsonl", encoding="utf-8")]
    scenes = [Conversation([folder / name for name in line["images"]], [Turn(**turn) for turn in line["turns"]])
              for line in lines]
    for name, part in (("easy-VQA test", conversations), ("held-out scenes", scenes)):
        scores = exact(learner, encoder, part, functools.cache(
            lambda path: torch.from_numpy(to_bytes(processor, Image.open(path)))), processor)
        print(f"{name}: {share(scores):.2%} of {sum(asked for _, asked in scores.values())}: {in_words(scores)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, help="folder of the checkpoint and the tokenizer")
    parser.add_argument("--export", type=Path, help="write the model of the checkpoint here instead of training")
    parser.add_argument("--evaluate", type=Path, help="measure the model in this folder instead of training")
    parser.add_argument("--steps", type=int, default=11000,
                        help="length of the schedule; the bundled model was taken at 9000")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--warm-up", type=int, default=300)
    parser.add_argument("--scenes", type=int, default=30000, help="number of training images of scenes")
    parser.add_argument("--processes", type=int, default=1, help="learners of one thread each, which share a batch")
    parser.add_argument("--compile", action="store_true", help="compile the model: a quarter faster after a minute")
    options = parser.parse_args()
    if options.evaluate:
        return evaluate(options)
    options.work.mkdir(parents=True, exist_ok=True)
    checkpoint = options.work / "checkpoint.pt"
    if options.export:
        return export(options, checkpoint)
    if not (options.work / "tokenizer" / "tokenizer_config.json").exists():
        make_tokenizer(options.work / "tokenizer")
    (options.work / "meeting").unlink(missing_ok=True)
    if options.processes == 1:
        return train(0, options, checkpoint)
    torch.multiprocessing.spawn(train, (options, checkpoint), nprocs=options.processes)


if __name__ == "__main__":
    main()
