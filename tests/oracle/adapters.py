#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes three adapters of the golden model clip_mha, and the logits that peft computes with them: tests/data/adapters.

    python tests/oracle/adapters.py          needs peft, safetensors, torch, transformers 4.52 or later

    NAME/adapter_config.json            as peft saves it, and adapter_model.safetensors or (mlp) .bin beside it
        attention                       q_proj and v_proj of the language model and the tower, r 4
        mlp                             rsLoRA; gates, up_proj and down_proj, the tower's fc1, the projector; r 3
        all                             every linear layer of the language model's layers, r 20, two ranks of their own
    logits.safetensors                  NAME and none: the logits of the last 4 positions of clip_mha's case "one"

The adapters are not merged: peft adds their products to those of the base, in f32.
"""
import json
import shutil
from importlib.metadata import version
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

DATA = Path(__file__).resolve().parent.parent / "data"
OUT, MODEL = DATA / "adapters", DATA / "goldens" / "clip_mha"
LOGIT_ROWS = 4

ADAPTERS = {
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]),
    "mlp": dict(r=3, lora_alpha=5, use_rslora=True,
                target_modules=["gate_proj", "up_proj", "down_proj", "fc1", "linear_1", "linear_2"]),
    "all": dict(r=20, lora_alpha=10, rank_pattern={"layers.0.self_attn.k_proj": 2, "layers.1.mlp.up_proj": 7},
                target_modules=r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"),
}


def base():
    return transformers.LlavaForConditionalGeneration.from_pretrained(MODEL, dtype=torch.float32)


def logits(model, golden):
    """The logits of the last rows; model is LlavaForConditionalGeneration, with or without adapted modules."""
    config = model.config
    hidden = model.model.vision_tower(golden["one.pixel_values"], output_hidden_states=True).hidden_states
    projected = model.model.multi_modal_projector(hidden[config.vision_feature_layer][:, 1:])
    embed, rows = model.get_input_embeddings(), []
    for i in golden["one.input_ids"].tolist():
        rows.append(projected[0] if i == config.image_token_index else embed(torch.tensor([i])))
    text = model.model.language_model(inputs_embeds=torch.cat(rows)[None])
    return model.lm_head(text.last_hidden_state)[0, -LOGIT_ROWS:].contiguous()


@torch.no_grad()
def main():
    torch.manual_seed(7)
    golden = load_file(MODEL / "golden.safetensors")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    expected = {"none": logits(base(), golden)}
    error = (expected["none"] - golden["one.logits"]).abs().max() / golden["one.logits"].abs().max()
    assert error < 1e-5, error
    for name, settings in ADAPTERS.items():
        model = get_peft_model(base(), LoraConfig(**settings))
        for parameter in model.parameters():
            if parameter.requires_grad:  # as after training: B is no longer zero
                parameter.add_(torch.randn_like(parameter) * 0.15)
        folder = OUT / name
        model.save_pretrained(folder, safe_serialization=name != "mlp")
        (folder / "README.md").unlink()
        about = json.loads((folder / "adapter_config.json").read_text())
        if isinstance(about["target_modules"], list):
            about["target_modules"].sort()  # a set, whose order changes from run to run
        about["base_model_name_or_path"] = "clip_mha"
        (folder / "adapter_config.json").write_text(json.dumps(about, indent=2, sort_keys=True) + "\n")
        expected[name] = logits(model.base_model.model, golden)
        change = (expected[name] - expected["none"]).abs().max() / expected["none"].abs().max()
        print(f"{name}: the largest logit changes by {change:.2f} of the largest")
        assert change > 0.05
    versions = f"peft {version('peft')}, transformers {transformers.__version__}, torch {torch.__version__}"
    save_file(expected, OUT / "logits.safetensors", {"made by": versions})


if __name__ == "__main__":
    main()
