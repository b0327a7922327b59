# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/models/positions.json: how transformers encodes positions.

    python3 tests/oracle/position_vectors.py         (torch, transformers 5)

alibi: the slopes of build_mpt_alibi_tensor for several numbers of heads and biases. rope: inv_freq and attention_factor
of ROPE_INIT_FUNCTIONS for texts of config.json, with the length of the sequence for which they were computed; null is
the length that the function assumes when a model is made. No length exceeds the context that the library has.
"""
import json
import pathlib

import transformers
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "models" / "positions.json"
SHORT, LONG = [1.0 + i / 4 for i in range(8)], [2.0 + 3 * i for i in range(8)]
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONGROPE = {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG}
# rope_scaling or rope_parameters, other keys of config.json, lengths
ROPES = [
    ({"rope_type": "linear", "factor": 4.0}, {}, [None]),
    ({"type": "linear", "factor": 2.5}, {"rope_theta": 1e6}, [None]),
    (LLAMA3 | {"original_max_position_embeddings": 64}, {}, [None]),
    (LLAMA3 | {"original_max_position_embeddings": 8192, "factor": 32.0}, {"rope_theta": 5e5}, [None]),
    ({"rope_type": "dynamic", "factor": 2.0}, {}, [None, 1, 64, 512]),
    ({"rope_type": "yarn", "factor": 4.0}, {}, [None, 64]),
    ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}, {"rope_theta": 1e6}, [None]),
    ({"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 32, "beta_fast": 8.0, "beta_slow": 2.0,
      "truncate": False}, {}, [None]),
    ({"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 4096, "mscale": 0.707,
      "mscale_all_dim": 1.2}, {}, [None]),
    ({"rope_type": "yarn", "factor": 2.0, "attention_factor": 1.5}, {}, [None]),
    (LONGROPE | {"original_max_position_embeddings": 128}, {}, [None, 1, 128]),
    (LONGROPE | {"original_max_position_embeddings": 128, "factor": 8.0}, {}, [128]),
    (LONGROPE | {"original_max_position_embeddings": 512}, {}, [None]),
    (LONGROPE | {"original_max_position_embeddings": 128, "attention_factor": 1.25}, {}, [128]),
    (LONGROPE, {"original_max_position_embeddings": 64}, [None, 64]),
]
USUAL = {"hidden_size": 64, "num_attention_heads": 4, "head_dim": 16, "max_position_embeddings": 512,
         "rope_theta": 10000.0}


def rope(scaling, more, length):
    stated = USUAL | more
    config = LlamaConfig(**{k: v for k, v in stated.items() if k != "rope_theta"},
                         rope_parameters=dict(scaling) | {"rope_theta": stated["rope_theta"]})
    kind = scaling.get("rope_type", scaling.get("type"))
    inv_freq, attention = ROPE_INIT_FUNCTIONS[kind](config, "cpu", seq_len=length)
    text = json.dumps({"model_type": "llama"} | stated | {"rope_scaling": scaling})
    return {"config": text, "length": length, "inv_freq": [float(x) for x in inv_freq],
            "attention_factor": float(attention)}


def alibi(heads, bias):
    table = build_mpt_alibi_tensor(heads, 2, bias)  # (H, 1, 2): the bias of the key one position back is −slope
    return {"heads": heads, "bias": bias, "slopes": [-float(x) for x in table[:, 0, 0]]}


record = {"transformers": transformers.__version__,
          "alibi": [alibi(h, b) for h, b in ((1, 8), (2, 8), (3, 8), (6, 8), (7, 4), (12, 16), (32, 8), (40, 8))],
          "rope": [rope(s, more, n) for s, more, lengths in ROPES for n in lengths]}
OUT.write_text(json.dumps(record) + "\n", encoding="utf-8")
print(f"{OUT.name}: {OUT.stat().st_size} bytes")
