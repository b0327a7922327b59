# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/models/gelu_gate.json: the ids of a prompt and the fp32 logits of its last position, computed by
transformers with the golden model text_llama and "hidden_act": "gelu" in its config.json.

    python3 tests/oracle/gelu_gate.py         (torch, transformers, tokenizers)
"""
import json
import pathlib

import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
PROMPT = "How many shapes are there?"

folder = DATA / "goldens" / "text_llama"
config = LlamaConfig.from_pretrained(folder, hidden_act="gelu", attn_implementation="eager")
model = LlamaForCausalLM.from_pretrained(folder, config=config, torch_dtype=torch.float32).eval()
ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(PROMPT).ids
with torch.no_grad():
    logits = model(torch.tensor([ids])).logits[0, -1]
record = {"prompt": PROMPT, "ids": ids, "logits": [float(x) for x in logits]}
(DATA / "models").mkdir(exist_ok=True)
(DATA / "models" / "gelu_gate.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
