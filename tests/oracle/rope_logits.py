# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/models/rope_logits.json: the fp32 logits of the last position of a prompt, computed by transformers
with the golden model text_llama and other scalings of its rotary embedding ("scaling": what replaces `"rope_type":
"default"` in its config.json).

    python3 tests/oracle/rope_logits.py         (torch, transformers 5, tokenizers)
"""
import json
import pathlib

import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
PROMPT = "How many shapes are there? What follows from all this, and who says so?"
folder = DATA / "goldens" / "text_llama"
stated = json.loads((folder / "config.json").read_text())
half = stated["head_dim"] // 2
SCALINGS = [
    {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32},
    {"rope_type": "yarn", "factor": 4.0, "attention_factor": 0.5, "original_max_position_embeddings": 256},
    {"rope_type": "longrope", "factor": 16.0, "original_max_position_embeddings": 128,
     "short_factor": [1.0 + i for i in range(half)], "long_factor": [9.0] * half},
    {"rope_type": "dynamic", "factor": 4.0},
]


def logits(scaling, ids):
    config = LlamaConfig.from_pretrained(folder, attn_implementation="eager")
    config.rope_parameters = scaling | {"rope_theta": stated["rope_parameters"]["rope_theta"]}
    model = LlamaForCausalLM.from_pretrained(folder, config=config, dtype=torch.float32).eval()
    with torch.no_grad():
        return [float(f"{x:.7g}") for x in model(torch.tensor([ids])).logits[0, -1].tolist()]


ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(PROMPT).ids
record = {"prompt": PROMPT, "tokens": len(ids),
          "cases": [{"scaling": json.dumps(s)[1:-1], "logits": logits(s, ids)} for s in SCALINGS]}
(DATA / "models" / "rope_logits.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
