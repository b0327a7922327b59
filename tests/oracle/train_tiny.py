"""Trains and exports the bundled model "tiny": LLaVA-1.5's structure with under two million parameters.

    python tests/oracle/train_tiny.py --work DIR                              # train; run again to resume
    python tests/oracle/train_tiny.py --work DIR --export examples/tiny       # write the model
    python tests/oracle/train_tiny.py --work DIR --evaluate examples/tiny     # measure what was written

It learns easy-VQA and the synthetic scenes of scenes.py from nothing, on a CPU. An auxiliary loss,
dropped at export, asks the vision tower which kind of thing has its centre in each patch and which
it is from the left and from the top. As in LLaVA-1.5, features are taken before the tower's last
layer, so that layer stays as initialised.

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
from transformers import (AutoTokenizer, CLIPVisionConfig, GenerationConfig, LlamaConfig, LlavaConfig,
                          LlavaForConditionalGeneration, LlavaProcessor)

import tiny_tokenizer
from scene_questions import Turn, one_picture_turns, two_picture_turns
from scenes import KINDS, make_scene
from tiny_data import (IGNORED, PATCH, PATCHES, SIDE, Conversation, Corpus, Encoder, easy_questions,
                       image_processor, to_bytes)

PACKAGES = ("torch", "transformers", "tokenizers", "sentencepiece", "safetensors", "numpy", "pillow", "easy-vqa")
VALIDATE_EVERY = 500
# The auxiliary labels of a patch (centre_labels in tiny_data.py): number of classes and weight of each.
AUXILIARY = ((1 + len(KINDS), 1.0), (4, 0.1), (4, 0.1))
LONGEST = 232


def make_tokenizer(folder):
    """Trains the tokenizer once and checks that all its files agree."""
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


def make_model(tokenizer):
    vision = CLIPVisionConfig(
        hidden_size=128, intermediate_size=384, num_hidden_layers=5, num_attention_heads=4, image_size=SIDE,
        patch_size=PATCH, hidden_act="quick_gelu", projection_dim=128)
    text = LlamaConfig(
        hidden_size=128, intermediate_size=320, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=4,
        vocab_size=len(tokenizer), max_position_embeddings=2048, rms_norm_eps=1e-5, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=2, pad_token_id=tokenizer.pad_token_id)
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=PATCHES, vision_feature_layer=-2, vision_feature_select_strategy="default",
        projector_hidden_act="gelu", tie_word_embeddings=False, pad_token_id=tokenizer.pad_token_id)
    return LlavaForConditionalGeneration(config)


def normalise(pixels, processor):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (processor.image_mean, processor.image_std))
    return (pixels.float() / 255 - mean) / std


class Learner(torch.nn.Module):
    """The model's forward pass without what training has no use for, and the auxiliary head."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.head = torch.nn.Linear(model.config.vision_config.hidden_size, sum(size for size, _ in AUXILIARY))

    def forward(self, pixels, ids, places):
        """Logits at the flat places of the batch, and those of the auxiliary head."""
        core = self.model.model
        tower = core.vision_tower
        features = tower.pre_layrnorm(tower.embeddings(pixels))
        for layer in tower.encoder.layers[:-1]:
            features = layer(features, attention_mask=None)
        features = features[:, 1:]
        embeddings = core.language_model.embed_tokens(ids)
        is_image = (ids == self.model.config.image_token_id).unsqueeze(-1)
        projected = core.multi_modal_projector(features).to(embeddings.dtype)
        embeddings = embeddings.masked_scatter(is_image, projected)
        hidden = core.language_model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
        return self.model.lm_head(hidden.flatten(0, 1)[places]), self.head(features)


def answer_places(labels):
    """Where a label is predicted (the position before it) in the flat batch, and the labels there."""
    shifted = torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], IGNORED)], dim=1).flatten()
    places = (shifted != IGNORED).nonzero().squeeze(1)
    return places, shifted[places]


def auxiliary_loss(guesses, labels):
    parts = guesses.flatten(0, 1).split([size for size, _ in AUXILIARY], dim=1)
    return sum(weight * cross_entropy(part, wanted, ignore_index=IGNORED)
               for part, wanted, (_, weight) in zip(parts, labels.flatten(0, 1).unbind(1), AUXILIARY))


@torch.no_grad()
def exact(learner, encoder, conversations, pixels_of, processor, size=64):
    """{category: [right, asked]}: a turn is right if greedy decoding would give exactly its answer.

    Earlier turns of a conversation hold the reference answers.
    """
    learner.eval()
    scores = {}
    encoded = sorted(((encoder.encode(c), c) for c in conversations), key=lambda pair: len(pair[0][0]))
    for start in range(0, len(encoded), size):
        part = encoded[start:start + size]
        ids, labels = encoder.batch([e for e, _ in part])
        places, wanted = answer_places(labels)
        pixels = torch.stack([pixels_of(i) for _, c in part for i in c.pictures])
        logits, _ = learner(normalise(pixels, processor), ids, places)
        wrong = set((places[logits.argmax(-1) != wanted] + 1).tolist())
        for row, ((_, _, spans), conversation) in enumerate(part):
            for turn, (first, last) in zip(conversation.turns, spans):
                score = scores.setdefault(turn.category, [0, 0])
                score[0] += not any(row * ids.shape[1] + i in wrong for i in range(first, last))
                score[1] += 1
    learner.train()
    return scores


def share(scores):
    return sum(right for right, _ in scores.values()) / max(1, sum(asked for _, asked in scores.values()))


def in_words(scores):
    return ", ".join(f"{name} {right / asked:.2%}" for name, (right, asked) in sorted(scores.items()))


def save(state, path):
    torch.save(state, f"{path}.new")
    os.replace(f"{path}.new", path)


def learning_rate(step, options):
    """Warm-up, then half a cosine down to a hundredth."""
    if step < options.warm_up:
        return options.rate * (step + 1) / options.warm_up
    done = min(1, (step - options.warm_up) / max(1, options.steps - options.warm_up))
    return options.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def train(options, checkpoint):
    torch.manual_seed(0)
    folder = options.work / "tokenizer"
    done = (folder / "tokenizer_config.json").exists()
    tokenizer = AutoTokenizer.from_pretrained(folder) if done else make_tokenizer(folder)
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
    print(f"{sum(p.numel() for p in learner.model.parameters())} parameters, {len(corpus.pixels)} pictures, "
          f"step {step}", flush=True)
    began, sums = time.time() - seconds, [0.0, 0.0, 0]
    while step < options.steps:
        rng = random.Random(step)
        conversations = [corpus.sample(rng, step) for _ in range(options.batch)]
        encoded = [encoder.encode(c, LONGEST) for c in conversations]
        pictures = [i for c in conversations for i in c.pictures]
        pixels = normalise(torch.stack([corpus.augmented(rng, i) for i in pictures]), processor)
        ids, labels = encoder.batch(encoded)
        places, wanted = answer_places(labels)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options)
        logits, guesses = forward(pixels, ids, places)
        loss = cross_entropy(logits, wanted)
        auxiliary = auxiliary_loss(guesses, corpus.labels[pictures])
        optimizer.zero_grad()
        (loss + auxiliary).backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        step += 1
        sums = [sums[0] + loss.item(), sums[1] + auxiliary.item(), sums[2] + 1]
        if step % 50 == 0:
            print(f"step {step} loss {sums[0] / sums[2]:.4f} auxiliary {sums[1] / sums[2]:.4f} "
                  f"{time.time() - began:.0f} s", flush=True)
            sums = [0.0, 0.0, 0]
        if step % VALIDATE_EVERY == 0 or step == options.steps:
            scenes, easy = (exact(learner, encoder, conversations, corpus.pixels.__getitem__, processor)
                            for conversations in (scene_validation, easy_validation))
            print(f"step {step} easy-VQA {share(easy):.2%}, scenes {share(scenes):.2%}: {in_words(scenes)}", flush=True)
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
    parser.add_argument("--work", type=Path, help="checkpoint and tokenizer")
    parser.add_argument("--export", type=Path, help="write the model of the checkpoint here instead of training")
    parser.add_argument("--evaluate", type=Path, help="measure the model in this folder instead of training")
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--warm-up", type=int, default=300)
    parser.add_argument("--scenes", type=int, default=30000, help="training pictures of scenes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="compile the model: a quarter faster, a minute to start")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.evaluate:
        return evaluate(options)
    options.work.mkdir(parents=True, exist_ok=True)
    checkpoint = options.work / "checkpoint.pt"
    return export(options, checkpoint) if options.export else train(options, checkpoint)


if __name__ == "__main__":
    main()
