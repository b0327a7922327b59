# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/goldens/: small random models and the results of transformers at every stage, in fp32.

    python3 tests/oracle/goldens.py [NAME…]                 makes all of them, or these (torch, transformers,
                                                            sentencepiece, tokenizers, Pillow, safetensors, gguf)
    python3 tests/oracle/goldens.py original_anyres original_llama3 original_qwen2 gguf_llama gguf_qwen2
                                                            with Pillow 12, which LLaVA's own program resizes with

Each folder is a model in one of the layouts of golden_models.py, with golden.json (cases: prompt, pictures) and
golden.safetensors: picture.<name> (H, W, 3), <case>.pixel_values, .features, .image_tokens, .input_ids, .logits (last
rows), .greedy (64 tokens, no eos). The image processors are those that use Pillow. With any resolution the squares, and
the image tokens, of a case's images follow each other. The second case has no pixel_values. Original folders of any
resolution or with S2 have none at all (image_plans.py has the squares). A seed is used only if the logits of all greedy
tokens are clearly above the second best.
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
from safetensors.torch import save_file

from golden_models import CASES, SPECS, build
from golden_tokenizers import tokenizer_for

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "goldens"
NEW_TOKENS = 64
LOGIT_ROWS = 4


def pictures():
    """Returns three images that exercise every rounding: wide, square, tall."""
    made = {}
    for name, (w, h), seed in (("wide", (61, 40), 1), ("square", (37, 37), 2), ("tall", (33, 90), 3)):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[0:h, 0:w]
        base = np.stack([x * 255 / w, y * 255 / h, (x + y) * 255 / (w + h)], -1)
        made[name] = Image.fromarray(np.clip(base + rng.normal(0, 30, (h, w, 3)), 0, 255).astype(np.uint8))
    return made


def features_of(model, pixels, scales=()):
    """Returns the hidden states that the projector reads, side by side: of several layers, and of S2's scales."""
    config, layers = model.config, model.config.vision_feature_layer

    def encode(squares):
        states = model.model.vision_tower(squares, output_hidden_states=True).hidden_states
        hidden = torch.cat([states[i] for i in ([layers] if isinstance(layers, int) else layers)], dim=-1)
        return hidden[:, 1:] if config.vision_feature_select_strategy == "default" else hidden

    if not scales:
        return encode(pixels)
    maps = []
    for scale in scales:
        along, side = scale // scales[0], scales[0]
        image = torch.nn.functional.interpolate(pixels, size=scale, mode="bicubic")
        tiles = image.unflatten(2, (along, side)).unflatten(4, (along, side)).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
        seen = encode(tiles)
        grid = int(seen.shape[1] ** 0.5)
        seen = seen.unflatten(1, (grid, grid)).unflatten(0, (-1, along, along)).permute(0, 5, 1, 3, 2, 4)
        seen = torch.nn.functional.interpolate(seen.flatten(4, 5).flatten(2, 3), size=grid, mode="area")
        maps.append(seen.flatten(2).transpose(1, 2))
    return torch.cat(maps, dim=-1)


def greedy(model, text, embeddings):
    """Returns 64 tokens, with no stop at eos, and the smallest relative margin of the best logit over the second."""
    tokens, margin = [], float("inf")
    out = text(inputs_embeds=embeddings, use_cache=True)
    for _ in range(NEW_TOKENS):
        logits = model.lm_head(out.last_hidden_state[:, -1])[0]
        best = torch.topk(logits, 2).values
        margin = min(margin, float((best[0] - best[1]) / logits.abs().max()))
        tokens.append(int(logits.argmax()))
        step = model.get_input_embeddings()(torch.tensor([[tokens[-1]]]))
        out = text(inputs_embeds=step, past_key_values=out.past_key_values, use_cache=True)
    return tokens, margin


def run_case(model, spec, tokenizer, images, case):
    """Returns the results of all stages for one prompt, the margin of greedy(), and the number of positions."""
    stages = {}
    ids = tokenizer.encode(spec.template.format(case["question"]))
    if case["pictures"]:
        process = spec.processor()
        pixels = [torch.tensor(np.array(process(images=images[p])["pixel_values"])).float() for p in case["pictures"]]
        squares = [p[0] if spec.canvases else p for p in pixels]
        features = features_of(model, torch.cat(squares), spec.scales)
        projected = model.model.multi_modal_projector(features)
        if spec.canvases:
            projected = model.model.pack_image_features(
                torch.split(projected, [len(s) for s in squares]),
                torch.tensor([[images[p].height, images[p].width] for p in case["pictures"]]), spec.select,
                model.model.image_newline)[0]
        # the case "two" covers "tall" alone
        if len(set(case["pictures"]) & {"tall"}) < len(case["pictures"]):
            stages |= {"features": features, "image_tokens": torch.cat(list(projected))}
            if not spec.scales and (not spec.canvases or (spec.layout != "original" and len(squares) == 1)):
                stages["pixel_values"] = torch.cat(squares)
    embed, rows, image = model.get_input_embeddings(), [], 0
    for i in ids:
        if case["pictures"] and i == spec.image_token:
            rows.append(projected[image])
            image += 1
        else:
            rows.append(embed(torch.tensor([i])))
    assert image == len(case["pictures"])
    embeddings = torch.cat(rows)[None]
    text = model.model.language_model if spec.vision is not None else model.base_model
    logits = model.lm_head(text(inputs_embeds=embeddings).last_hidden_state)[0]
    tokens, margin = greedy(model, text, embeddings)
    stages |= {"input_ids": torch.tensor(ids, dtype=torch.int32), "logits": logits[-LOGIT_ROWS:],
               "greedy": torch.tensor(tokens, dtype=torch.int32)}
    return stages, margin, logits.shape[0]


def check_folder(spec, folder, model):
    """Asserts that transformers reads the folder as the model in memory."""
    kind = (transformers.AutoModelForCausalLM if spec.vision is None else
            transformers.LlavaNextForConditionalGeneration if spec.canvases else
            transformers.LlavaForConditionalGeneration)
    read, report = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    for (name, a), (_, b) in zip(model.named_parameters(), read.named_parameters()):
        assert torch.equal(a, b), name


@torch.no_grad()
def make(spec):
    for seed in range(1, 60):
        folder = pathlib.Path(tempfile.mkdtemp())
        images = pictures()
        model, tokenizer = build(spec, seed, folder), tokenizer_for(spec, folder)
        expected, cases, worst = {}, [], float("inf")
        for name, case in CASES.items():
            if name not in spec.cases or (case["pictures"] and spec.vision is None):
                continue
            stages, margin, length = run_case(model, spec, tokenizer, images, case)
            worst = min(worst, margin)
            expected |= {f"{name}.{k}": v.clone().contiguous() for k, v in stages.items()}
            cases.append({"name": name, "prompt": spec.template.format(case["question"]), "pictures": case["pictures"],
                          "tokens": length})
        distinct = min(len(set(v.tolist())) for k, v in expected.items() if k.endswith("greedy"))
        if worst > 2e-4 and distinct > 8:
            break
        shutil.rmtree(folder)
    else:
        sys.exit(f"{spec.name}: no seed keeps its greedy tokens apart")
    if spec.layout not in ("original", "gguf"):
        check_folder(spec, folder, model)
    if spec.vision is not None:
        expected |= {f"picture.{name}": torch.tensor(np.array(image)) for name, image in images.items()
                     if any(name in case["pictures"] for case in cases)}
    save_file(expected, folder / "golden.safetensors")
    about = {"cases": cases, "new_tokens": NEW_TOKENS, "seed": seed, "margin": worst,
             "versions": {"transformers": transformers.__version__, "torch": torch.__version__,
                          "Pillow": PIL.__version__}}
    (folder / "golden.json").write_text(json.dumps(about, indent=1) + "\n")
    for made in folder.rglob("*"):
        made.chmod(0o755 if made.is_dir() else 0o644)
    shutil.rmtree(OUT / spec.name, ignore_errors=True)
    shutil.copytree(folder, OUT / spec.name)
    shutil.rmtree(folder)
    size = sum(f.stat().st_size for f in (OUT / spec.name).rglob("*") if f.is_file())
    print(f"{spec.name:24} seed {seed}, margin {worst:.1e}, {distinct} distinct tokens, {size // 1024} KiB", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for one in SPECS:
        if len(sys.argv) < 2 or one.name in sys.argv[1:]:
            make(one)
