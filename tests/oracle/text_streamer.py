#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records the pieces that TextIteratorStreamer of transformers 4.37.2, LLaVA's, makes of the bundled model's tokens:

    text_streamer.py TINY OUT      TINY: examples/tiny; OUT: tests/data/serve/text_streamer.json
"""
import json
import pathlib
import sys

import numpy as np
from transformers import LlamaTokenizer
from transformers.generation.streamers import TextIteratorStreamer

tokenizer = LlamaTokenizer.from_pretrained(sys.argv[1], legacy=False)


class Ids(np.ndarray):
    """All that put() needs of a tensor."""


cases = []
for text in ["Two circles and one star.", "One.\nTwo three\n\nfour ", "caf\u00e9 \u4f60\u597d, ok",
    "\u4f60\u597d\u4f60", " ", "a", "",
             "\U0001f600 smile \U0001f600\U0001f600", "\uac00\u3042 x", "a  b   c", "</s> over </s>"]:
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    streamer = TextIteratorStreamer(tokenizer, skip_special_tokens=True)
    for t in tokens:
        streamer.put(np.array([t]).view(Ids))
    streamer.end()
    cases.append(dict(tokens=tokens, pieces=list(streamer)))
pathlib.Path(sys.argv[2]).write_text(json.dumps(cases, indent=1) + "\n")
print(len(cases), "cases", [c["pieces"] for c in cases][:3])
