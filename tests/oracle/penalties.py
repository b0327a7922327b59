# SPDX-License-Identifier: Apache-2.0
"""Records the effect of repetition_penalty and suppress_tokens in transformers: tests/data/generate/penalties.json.

    python tests/oracle/penalties.py        needs torch, transformers 4.57, safetensors

logits     random logits before and after the two logits processors; null is -infinity
answers    16 greedy tokens of models of tests/data/goldens with these settings in generation_config.json. llava-hf and
           text folders use generate(). Original ones follow LLaVA on transformers 4.37, where generate() gets
           embeddings and takes BOS as the prompt, so that the processors see BOS and the new tokens.
"""
import json
import pathlib
import shutil
import tempfile

import torch
from safetensors.torch import load_file
from transformers import (AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, LlavaForConditionalGeneration,
                          RepetitionPenaltyLogitsProcessor, SuppressTokensLogitsProcessor)

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
NEW_TOKENS = 16
IMAGE = -200  # the image's id in input_ids of original folders


def processed(logits, before, penalty, suppressed):
    """Returns the logits from which generate() chooses the next token."""
    ids = torch.tensor([before])
    if penalty != 1:
        logits = RepetitionPenaltyLogitsProcessor(penalty)(ids, logits)
    return SuppressTokensLogitsProcessor(suppressed)(ids, logits) if suppressed else logits


def logits_cases():
    generator = torch.Generator().manual_seed(7)
    for penalty, suppressed in ((1.3, []), (0.7, []), (1.0, [2, 9]), (10.0, [0, 11, 40]), (1.3, [5])):
        logits = torch.randn(1, 12, generator=generator) * 4
        before = torch.randint(0, 12, (6,), generator=generator).tolist() + [3, 3]
        after = processed(logits.clone(), before, penalty, suppressed)
        yield {"penalty": penalty, "suppressed": suppressed, "before": before, "logits": logits[0].tolist(),
               "after": [None if x == -float("inf") else x for x in after[0].tolist()]}


def by_transformers(kind, folder, settings, case, golden):
    """Returns the tokens of generate() with a copy of the folder that has these settings."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = pathlib.Path(scratch) / folder.name
        shutil.copytree(folder, copy)
        (copy / "generation_config.json").write_text(json.dumps(settings))
        model = kind.from_pretrained(copy, dtype=torch.float32).eval()
    ids, more = golden[f"{case}.input_ids"].long(), {}
    if f"{case}.pixel_values" in golden:
        image, rows = model.config.image_token_index, golden[f"{case}.image_tokens"].shape[1]
        ids = torch.cat([i.repeat(rows if i == image else 1) for i in ids])
        more["pixel_values"] = golden[f"{case}.pixel_values"]
    out = model.generate(ids[None], attention_mask=torch.ones_like(ids)[None], max_new_tokens=NEW_TOKENS, **more)
    return out[0, len(ids):].tolist()


def by_llava(folder, settings, case, golden):
    """Returns the tokens of greedy steps from embeddings, with BOS as the prompt."""
    model = LlamaForCausalLM(LlamaConfig(**json.loads((folder / "config.json").read_text()))).eval()
    model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()
                           if "vision_tower" not in k and "mm_projector" not in k})
    embed, rows = model.get_input_embeddings(), []
    for i in golden[f"{case}.input_ids"].tolist():
        rows.append(golden[f"{case}.image_tokens"][0] if i == IMAGE else embed(torch.tensor([i])))
    out = model(inputs_embeds=torch.cat(rows)[None], use_cache=True)
    ids = [1]
    while len(ids) <= NEW_TOKENS:
        scores = processed(out.logits[:, -1].clone(), ids, settings.get("repetition_penalty", 1.0),
                           settings.get("suppress_tokens"))
        ids.append(int(scores.argmax()))
        out = model(input_ids=torch.tensor([ids[-1:]]), past_key_values=out.past_key_values, use_cache=True)
    return ids[1:]


@torch.no_grad()
def answers():
    for name, case in (("clip_mha", "one"), ("clip_mha", "text"), ("text_llama", "text"),
                       ("original_folder", "one"), ("original_folder", "text")):
        folder = DATA / "goldens" / name
        golden = load_file(folder / "golden.safetensors")
        usual = golden[f"{case}.greedy"].tolist()
        for settings in ({}, {"repetition_penalty": 1.3}, {"repetition_penalty": 0.2},
                         {"suppress_tokens": sorted(set(usual[:3]))},
                         {"repetition_penalty": 1.3, "suppress_tokens": sorted(set(usual[:8]))}):
            if name.startswith("original"):
                tokens = by_llava(folder, settings, case, golden)
            else:
                kind = AutoModelForCausalLM if name.startswith("text") else LlavaForConditionalGeneration
                tokens = by_transformers(kind, folder, settings, case, golden)
            if not settings:
                assert tokens == usual[:NEW_TOKENS], (name, case)
                continue
            yield {"model": name, "case": case, "settings": settings, "tokens": tokens,
                   "changed": tokens != usual[:NEW_TOKENS]}


def main():
    parts = {"logits": list(logits_cases()), "answers": list(answers())}
    lines = [f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, cases)) + "\n ]" for name, cases in parts.items()]
    (DATA / "generate").mkdir(exist_ok=True)
    (DATA / "generate" / "penalties.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
