# SPDX-License-Identifier: Apache-2.0
"""Two more programs on the GGUF file that rival.py gives llama.cpp: ik_llama.cpp (PyPI ik-llama-cpp-python, whose wheel is
built for AVX2) and OpenVINO GenAI (PyPI openvino-genai, which reads GGUF by itself).

    rival_others.py ik|openvino MODEL.gguf THREADS

Prints {"prefill": tokens a second of 640, "decode": tokens a second after them} as JSON. Ends with another code than 0, and
with the program's own words, where it does not run.
"""
import json
import statistics
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
        context.get_logits(-1)  # waits
        return time.monotonic() - start

    prompt = make_batch_range([i * 7919 % 30000 + 100 for i in range(TOKENS)])
    decode(prompt)  # maps the file
    context.kv_cache_clear()
    prefill = decode(prompt)
    steps = [decode(make_batch_single(1000 + i, TOKENS + i)) for i in range(ANSWER)]
    return {"prefill": TOKENS / prefill, "decode": 1 / statistics.median(steps)}


def openvino(model, threads):
    import openvino_genai
    import openvino

    pipe = openvino_genai.LLMPipeline(model, "CPU", INFERENCE_NUM_THREADS=threads)
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens, config.ignore_eos, config.do_sample = ANSWER + 1, True, False
    config.apply_chat_template = False
    ids = [[i * 7919 % 30000 + 100 for i in range(TOKENS)]]
    prompt = openvino.Tensor(__import__("numpy").array(ids, dtype="int64"))
    pipe.generate(prompt, config)  # compiles
    metrics = pipe.generate(prompt, config).perf_metrics
    return {"prefill": TOKENS / (metrics.get_ttft().mean / 1e3), "decode": 1e3 / metrics.get_tpot().mean}


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("ik", "openvino"):
        sys.exit(__doc__)
    print(json.dumps({"ik": ik, "openvino": openvino}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))))
