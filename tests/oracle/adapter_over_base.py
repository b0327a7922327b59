# SPDX-License-Identifier: Apache-2.0
"""Writes a LoRA folder of LLaVA's training, and what LLaVA's own program answers with it: tests/data/lora/llava.

    python tests/oracle/adapter_over_base.py      needs the packages of original_program.py, and peft

The folder is like those of train.py --lora_enable: config.json, adapter_config.json and adapter_model.bin of peft, and
non_lora_trainables.bin with the projector. Its base is the golden original_folder, which also has its tower. The
projector is f16 already: the program rounds it, but on the CPU its float16 is float32.

answer.json          picture (an image of original_folder's golden.safetensors), query, prompt, input_ids, tokens, text
"""
import json
import os
import pathlib
import shutil
import tempfile

import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from original_program import GOLDENS, Asked, hold_on_cpu

OUT = GOLDENS.parent / "lora" / "llava"
BASE = GOLDENS / "original_folder"
PICTURE, QUERY = "wide", "What is in the picture?"
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def write_adapter(config):
    torch.manual_seed(11)
    text = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in config.items() if k != "model_type"}))
    model = get_peft_model(text, LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, lora_dropout=0.05, bias="none",
                                            task_type="CAUSAL_LM", base_model_name_or_path="lmsys/vicuna-7b-v1.5"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(OUT, safe_serialization=False)
    (OUT / "README.md").unlink(missing_ok=True)
    base = load_file(BASE / "model.safetensors")
    others = {f"base_model.model.{name}": (torch.randn(t.shape) * 0.2).half().float()
              for name, t in base.items() if ".mm_projector." in name}
    torch.save(others, OUT / "non_lora_trainables.bin")


@torch.inference_mode(False)
def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    config = json.loads((BASE / "config.json").read_text()) | {"model_type": "llava_llama"}
    write_adapter(config)
    (OUT / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    about = json.loads((OUT / "adapter_config.json").read_text())
    about["target_modules"] = sorted(about["target_modules"])
    (OUT / "adapter_config.json").write_text(json.dumps(about, indent=2) + "\n")
    hold_on_cpu()
    with tempfile.TemporaryDirectory() as scratch, torch.inference_mode():
        folder = pathlib.Path(scratch) / "llava-v1.5-lora"
        shutil.copytree(OUT, folder)
        shutil.copytree(BASE / "tower", folder / "tower")
        pixels = load_file(BASE / "golden.safetensors")[f"picture.{PICTURE}"]
        Image.fromarray(pixels.numpy()).save(folder / "picture.png")
        answer = {"picture": PICTURE, "query": QUERY}
        answer |= Asked(folder, str(BASE)).ask(folder / "picture.png", QUERY, None)
        plain = pathlib.Path(scratch) / "llava-v1.5-base"
        shutil.copytree(BASE, plain)
        without = Asked(plain).ask(folder / "picture.png", QUERY, None)
        os.chdir("/")
    assert answer["tokens"] != without["tokens"], "the adapter changes nothing"
    (OUT / "answer.json").write_text(json.dumps(answer) + "\n")
    print(answer)


if __name__ == "__main__":
    main()
