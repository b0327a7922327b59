#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a small base, four adapters of it and what peft merges: tests/data/lora.

    python tests/oracle/lora.py          needs peft, safetensors, torch

    base.safetensors                     three linear layers and a norm, f32
    NAME/adapter_config.json             as peft saves it, and adapter_model.safetensors beside it
    NAME/merged.safetensors              merge_and_unload() of base and adapter, the weights that differ from the base
        plain                            r 4
        patterns                         rsLoRA, a rank and an alpha of their own for two modules; r 20
        dora                             DoRA, and f16 tensors
        saved                            a module saved whole, and biases
"""
import json
import shutil
from importlib.metadata import version
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

OUT = Path(__file__).resolve().parent.parent / "data" / "lora"
WIDTH, INNER = 70, 18


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj = torch.nn.Linear(WIDTH, INNER)
        self.up_proj = torch.nn.Linear(WIDTH, INNER, bias=False)
        self.down_proj = torch.nn.Linear(INNER, WIDTH, bias=False)
        self.norm = torch.nn.LayerNorm(WIDTH)

    def forward(self, x):
        return self.down_proj(self.q_proj(x) * self.up_proj(self.norm(x)))


class Base(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([Layer()])

    def forward(self, x):
        return self.layers[0](x)


ADAPTERS = {
    "plain": dict(r=4, lora_alpha=6, target_modules=["q_proj", "down_proj"]),
    "patterns": dict(r=20, lora_alpha=5, target_modules=["q_proj", "up_proj", "down_proj"], use_rslora=True,
                     rank_pattern={"layers.0.q_proj": 3}, alpha_pattern={"down_proj": 9}),
    "dora": dict(r=2, lora_alpha=4, target_modules=["up_proj"], use_dora=True),
    "saved": dict(r=2, lora_alpha=4, target_modules=["q_proj"], modules_to_save=["norm"], bias="lora_only"),
}


def main():
    torch.manual_seed(5)
    base = Base().state_dict()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    made_by = {"made by": f"peft {version('peft')}, torch {torch.__version__}"}
    save_file(base, OUT / "base.safetensors", made_by)
    for name, settings in ADAPTERS.items():
        model = Base()
        model.load_state_dict(base)
        model = get_peft_model(model, LoraConfig(**settings))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:  # as after training: B is no longer zero
                    parameter.add_(torch.randn_like(parameter) * 0.2)
        folder = OUT / name
        model.save_pretrained(folder)
        (folder / "README.md").unlink()
        about = json.loads((folder / "adapter_config.json").read_text())
        about["target_modules"].sort()  # a set, whose order changes from run to run
        (folder / "adapter_config.json").write_text(json.dumps(about, indent=2, sort_keys=True) + "\n")
        if name == "dora":
            file = folder / "adapter_model.safetensors"
            halves = {key: value.half() for key, value in load_file(file).items()}
            save_file(halves, file)
            model.load_state_dict({key.replace(".lora_A.", ".lora_A.default.").replace(".lora_B.", ".lora_B.default.")
                                   .replace("magnitude_vector", "magnitude_vector.default.weight"): value.float()
                                   for key, value in halves.items()}, strict=False)
        merged = model.merge_and_unload().state_dict()
        changed = {key: value.contiguous() for key, value in merged.items() if not torch.equal(value, base[key])}
        save_file(changed, folder / "merged.safetensors", made_by)


if __name__ == "__main__":
    main()
