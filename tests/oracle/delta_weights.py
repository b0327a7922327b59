# SPDX-License-Identifier: Apache-2.0
"""Writes a base, a delta and what LLaVA's own apply_delta makes of them: tests/data/torch/{base,tiny-delta-v0,target}.

    python tests/oracle/delta_weights.py    needs the packages of original_program.py

The base is a random LLaMA in f32, the delta a random LLaVA with a linear projector in f16, as pytorch_model.bin, and
with three more tokens. The program reads both as f16 and adds them. Of the target only the tensors are kept.
"""
import pathlib
import shutil
import tempfile

import torch
import transformers
from llava import LlavaLlamaForCausalLM
from llava.model.apply_delta import apply_delta
from llava.model.language_model.llava_llama import LlavaConfig

from original_program import GOLDENS

OUT = GOLDENS.parent / "torch"
SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}


def randomise(model, seed):
    torch.manual_seed(seed)
    for tensor in model.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape) * 3)
    return model


@torch.no_grad()
def main():
    with tempfile.TemporaryDirectory() as scratch:
        base, delta, target = (pathlib.Path(scratch) / name for name in ("base", "tiny-delta-v0", "target"))
        llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=30, **SIZES))
        randomise(llama, 1).save_pretrained(base)
        tower = {"mm_vision_tower": str(GOLDENS / "original_folder" / "tower"), "mm_vision_select_layer": -2}
        llava = LlavaLlamaForCausalLM(LlavaConfig(vocab_size=33, mm_hidden_size=8, mm_projector_type="linear", **tower,
                                                  **SIZES))
        randomise(llava, 2).half().save_pretrained(delta, safe_serialization=False)
        for file in ("tokenizer.model", "tokenizer_config.json"):
            shutil.copy(GOLDENS / "original_folder" / file, delta)
        apply_delta(base, target, delta)
        for folder, file in ((base, "model.safetensors"), (delta, "pytorch_model.bin"), (target, "model.safetensors")):
            (OUT / folder.name).mkdir(exist_ok=True)
            shutil.copy(folder / file, OUT / folder.name)


if __name__ == "__main__":
    main()
