# SPDX-License-Identifier: Apache-2.0
"""Measures ik_llama.cpp (PyPI ik-llama-cpp-python, whose wheel is built for AVX2) on the GGUF file that rival.py gives
to llama.cpp.

    rival_ik.py MODEL.gguf THREADS

Prints {"prefill": tokens per second for 640 tokens, "decode": tokens per second after them} as JSON. Flash attention is
off, the package's default on processors without AVX-VNNI.
"""
import json
import sys
import time

TOKENS, ANSWER = 640, 16


def ik(model, threads):
    from ik_llama_cpp._internals import IkContext, IkModel, make_batch_range, make_batch_single

    context = IkContext(IkModel(model), n_ctx=2048, n_threads=threads, flash_attn=False)

    def decode(batch):
        start = time.monotonic()
        if context.decode(batch):
            sys.exit("ik_llama.cpp: llama_decode failed")
        context.get_logits(-1)  # waits for the result
        return time.monotonic() - start

    prompt = make_batch_range([i * 7919 % 30000 + 100 for i in range(TOKENS)])
    decode(prompt)  # the first call maps the file
    context.kv_cache_clear()
    prefill = decode(prompt)
    steps = [decode(make_batch_single(1000 + i, TOKENS + i)) for i in range(ANSWER)]
    return {"prefill": TOKENS / prefill, "decode": ANSWER / sum(steps)}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(json.dumps(ik(sys.argv[1], int(sys.argv[2]))))
