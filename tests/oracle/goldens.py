# SPDX-License-Identifier: Apache-2.0
"""Small random models and what transformers computes with them at every stage, in fp32: tests/data/goldens/.

    python3 tests/oracle/goldens.py            makes all of them (torch, transformers, sentencepiece, Pillow, safetensors)

Each folder is a model as save_pretrained writes it, with pictures, golden.json (cases: prompt, pictures) and
golden.safetensors: <case>.pixel_values, .features, .image_tokens, .input_ids, .logits (last rows), .greedy (64 tokens, no
eos). Pictures are opened without EXIF rotation; image processors are the ones on Pillow. Weights are drawn so that the
greedy tokens are well apart from the second best; a seed for which they are not is passed over.
"""
import json
import pathlib
import shutil
import sys
import tempfile

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from golden_models import CASES, TEMPLATE, build, original_layout, tokenizer_for

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "goldens"
NEW_TOKENS = 64
LOGIT_ROWS = 24


def pictures(folder):
    """Three pictures that show every rounding: smooth, noisy, tall."""
    made = {}
    for name, (w, h), seed in (("wide", (61, 40), 1), ("square", (37, 37), 2), ("tall", (33, 90), 3)):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[0:h, 0:w]
        base = np.stack([x * 255 / w, y * 255 / h, (x + y) * 255 / (w + h)], -1)
        image = Image.fromarray(np.clip(base + rng.normal(0, 30, (h, w, 3)), 0, 255).astype(np.uint8))
        image.save(folder / f"{name}.png", optimize=True)
        made[f"{name}.png"] = image
    return made


def features_of(model, pixels):
    """The hidden state that the projector is given."""
    config = model.config
    hidden = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[config.vision_feature_layer]
    return hidden[:, 1:] if config.vision_feature_select_strategy == "default" else hidden


def greedy(model, embeddings):
    """64 tokens without eos, and the smallest margin between the best and the next one."""
    tokens, margin = [], float("inf")
    out = model.model.language_model(inputs_embeds=embeddings, use_cache=True) if hasattr(model.model, "language_model") else model.model(inputs_embeds=embeddings, use_cache=True)
    for _ in range(NEW_TOKENS):
        logits = model.lm_head(out.last_hidden_state[:, -1])[0]
        best = torch.topk(logits, 2).values
        margin = min(margin, float((best[0] - best[1]) / logits.abs().max()))
        tokens.append(int(logits.argmax()))
        step = model.get_input_embeddings()(torch.tensor([[tokens[-1]]]))
        text = model.model.language_model if hasattr(model.model, "language_model") else model.model
        out = text(inputs_embeds=step, past_key_values=out.past_key_values, use_cache=True)
    return tokens, margin


def run_case(model, spec, tokenizer, processor, images, case):
    """All stages of one prompt."""
    stages = {}
    ids = tokenizer.encode(TEMPLATE.format(case["question"]))
    if case["pictures"]:
        pixels = torch.cat([torch.tensor(np.array(processor(images=images[p])["pixel_values"])) for p in case["pictures"]]).float()
        features = features_of(model, pixels)
        projected = model.model.multi_modal_projector(features)
        stages |= {"pixel_values": pixels, "features": features, "image_tokens": projected}
    embed, rows, image = model.get_input_embeddings(), [], 0
    for i in ids:
        if case["pictures"] and i == spec.image_token:
            rows.append(projected[image])
            image += 1
        else:
            rows.append(embed(torch.tensor([i])))
    embeddings = torch.cat(rows)[None]
    text = model.model.language_model if hasattr(model.model, "language_model") else model.model
    logits = model.lm_head(text(inputs_embeds=embeddings).last_hidden_state)[0]
    tokens, margin = greedy(model, embeddings)
    stages |= {"input_ids": torch.tensor(ids, dtype=torch.int32), "logits": logits[-LOGIT_ROWS:], "greedy": torch.tensor(tokens, dtype=torch.int32)}
    return stages, margin, logits.shape[0]


@torch.no_grad()
def make(spec):
    for seed in range(1, 40):
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "pictures").mkdir()
        images = pictures(folder / "pictures")
        build(spec, seed, folder)
        model, processor, tokenizer = reopen(spec, folder)
        expected, cases, worst = {}, [], float("inf")
        for name, case in CASES.items():
            if bool(case["pictures"]) and not spec.vision:
                continue
            stages, margin, length = run_case(model, spec, tokenizer, processor, images, case)
            worst = min(worst, margin)
            expected |= {f"{name}.{k}": v.contiguous() for k, v in stages.items()}
            cases.append({"name": name, "prompt": TEMPLATE.format(case["question"]), "pictures": case["pictures"], "tokens": length})
        distinct = min(len(set(v.tolist())) for k, v in expected.items() if k.endswith("greedy"))
        if worst > 2e-4 and distinct > 12:
            break
        shutil.rmtree(folder)
    else:
        sys.exit(f"{spec.name}: no seed keeps its greedy tokens apart")
    save_file(expected, folder / "golden.safetensors")
    about = {"cases": cases, "new_tokens": NEW_TOKENS, "seed": seed, "margin": worst,
             "versions": {"transformers": transformers.__version__, "torch": torch.__version__, "Pillow": PIL.__version__}}
    (folder / "golden.json").write_text(json.dumps(about, indent=1) + "\n")
    original_layout(spec, folder)
    shutil.rmtree(OUT / spec.name, ignore_errors=True)
    shutil.copytree(folder, OUT / spec.name)
    size = sum(f.stat().st_size for f in (OUT / spec.name).rglob("*") if f.is_file())
    print(f"{spec.name:24} seed {seed}, margin {worst:.1e}, {distinct} distinct tokens, {size // 1024} KiB", flush=True)


def reopen(spec, folder):
    """The model of the folder, not of memory."""
    kind = transformers.LlavaForConditionalGeneration if spec.vision else transformers.AutoModelForCausalLM
    model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    return model, spec.processor() if spec.vision else None, tokenizer_for(spec, folder)


if __name__ == "__main__":
    torch.set_num_threads(1)
    from golden_models import SPECS
    for one in SPECS:
        if len(sys.argv) < 2 or one.name in sys.argv[1:]:
            make(one)
