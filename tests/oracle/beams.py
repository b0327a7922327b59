# SPDX-License-Identifier: Apache-2.0
"""Records the answers of transformers' generate() with num_beams: tests/data/generate/beams.json.

    python tests/oracle/beams.py        needs torch, transformers 5.24, safetensors, Pillow

Each case: model (of tests/data/goldens, or the bundled "tiny"), case of its golden, or seed of its image and prompt;
num_beams, max_new_tokens, ends (end tokens; null: the model's own), repetition_penalty, and
  tokens   the best answer
  score    the mean of its tokens' log-probabilities, after the penalty
"""
import json
import pathlib

import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoProcessor, LlavaForConditionalGeneration

TESTS = pathlib.Path(__file__).resolve().parents[1]
TINY = TESTS.parent / "examples" / "tiny"
FILE = TESTS / "data" / "generate" / "beams.json"


@torch.no_grad()
def searched(model, inputs, beams, tokens, ends=None, penalty=1.0):
    ending = {} if ends is None else {"eos_token_id": ends or None}
    out = model.generate(**inputs, num_beams=beams, do_sample=False, length_penalty=1.0, early_stopping=False,
                         max_new_tokens=tokens, repetition_penalty=penalty, pad_token_id=0, output_scores=True,
                         return_dict_in_generate=True, **ending)
    new = out.sequences[0, inputs["input_ids"].shape[1]:].tolist()
    return new, round(float(out.sequences_scores[0]), 6)


def golden_cases():
    for name, case in (("clip_mha", "one"), ("clip_mha", "text"), ("text_llama", "text")):
        folder = TESTS / "data" / "goldens" / name
        golden = load_file(folder / "golden.safetensors")
        kind = AutoModelForCausalLM if name.startswith("text") else LlavaForConditionalGeneration
        model = kind.from_pretrained(folder, dtype=torch.float32).eval()
        model.generation_config.eos_token_id = None
        ids, inputs = golden[f"{case}.input_ids"].long(), {}
        if f"{case}.pixel_values" in golden:
            image, rows = model.config.image_token_index, golden[f"{case}.image_tokens"].shape[1]
            ids = torch.cat([i.repeat(rows if i == image else 1) for i in ids])
            inputs["pixel_values"] = golden[f"{case}.pixel_values"]
        inputs |= {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None]}
        for beams, penalty in ((2, 1.0), (5, 1.0), (4, 1.3)):
            endless, score = searched(model, inputs, beams, 14, [], penalty)
            # Tokens that the beams come across, so that answers end at different lengths.
            for ends in ([], [endless[4]], sorted({endless[3], endless[5], endless[7]})):
                found, score = searched(model, inputs, beams, 14, ends, penalty) if ends else (endless, score)
                yield {"model": name, "case": case, "num_beams": beams, "max_new_tokens": 14, "ends": ends,
                       "repetition_penalty": penalty, "tokens": found, "score": score}


def square(seed):
    """The image of tiny::test_image (tests/pipeline/tiny_model.hpp)."""
    image = Image.new("RGB", (100, 80), "white")
    left, top = 5 + seed * 13 % 66, 5 + seed * 7 % 46
    image.paste(((220, 30, 30), (30, 60, 200), (20, 160, 60), (230, 200, 30))[seed % 4],
                (left, top, left + 24, top + 24))
    return image


def tiny_cases():
    model = LlavaForConditionalGeneration.from_pretrained(TINY, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(TINY)
    for seed, question in ((0, "Describe the image."), (6, "Is there a red star?"), (None, "What is a triangle?")):
        prompt = f"USER: {'' if seed is None else '<image>' + chr(10)}{question} ASSISTANT:"
        pictures = None if seed is None else [square(seed)]
        inputs = processor(images=pictures, text=prompt, return_tensors="pt")
        for beams in (2, 5):
            found, score = searched(model, inputs, beams, 30)
            yield {"model": "tiny", "seed": seed, "prompt": prompt, "num_beams": beams, "max_new_tokens": 30,
                   "ends": None, "repetition_penalty": 1.0, "tokens": found, "score": score}


def main():
    torch.set_num_threads(1)
    cases = [*golden_cases(), *tiny_cases()]
    FILE.write_text('{"cases": [\n ' + ",\n ".join(map(json.dumps, cases)) + "\n]}\n")


if __name__ == "__main__":
    main()
