# SPDX-License-Identifier: Apache-2.0
"""OpenVINO GenAI (PyPI openvino-genai) on the GGUF file that rival.py gives llama.cpp.

    rival_openvino.py MODEL.gguf THREADS

Prints {"prefill": tokens a second of 640, "decode": tokens a second after them} as JSON. Its settings are its own,
which on processors with products of bf16 means bf16. It wants a tokenizer and cannot make one of the twin's vocabulary;
prompts are given as ids here, so that any of the same size does. Needs PyPI `openvino-tokenizers` and `transformers`,
without torch.
"""
import json
import pathlib
import sys
import tempfile

TOKENS, ANSWER = 640, 16
VOCABULARY = 32064  # of LLaVA-1.5, and so of the twin


def tokenizer():
    import openvino
    import openvino_genai
    from openvino_tokenizers import convert_tokenizer
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"word{i}word": i for i in range(3, VOCABULARY)}
    fast = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocab=words, merges=[], unk_token="<unk>")),
                                   unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    with tempfile.TemporaryDirectory() as folder:
        for name, part in zip(("tokenizer", "detokenizer"), convert_tokenizer(fast, with_detokenizer=True)):
            openvino.save_model(part, pathlib.Path(folder, f"openvino_{name}.xml"))
        return openvino_genai.Tokenizer(folder)


def openvino(model, threads):
    import numpy
    from openvino import Tensor
    from openvino_genai import GenerationConfig, LLMPipeline, TokenizedInputs

    pipeline = LLMPipeline(model, tokenizer(), "CPU", INFERENCE_NUM_THREADS=threads)
    how = GenerationConfig(max_new_tokens=ANSWER + 1, ignore_eos=True)

    def answer(first):
        ids = (numpy.arange(first, first + TOKENS)[None] * 7919 % 30000 + 100).astype(numpy.int64)
        said = pipeline.generate(TokenizedInputs(Tensor(ids), Tensor(numpy.ones_like(ids))), how)
        return said.perf_metrics.raw_metrics

    answer(0)  # lays out its weights
    times = answer(1)  # another prompt: it remembers what prompts begin with
    return {"prefill": TOKENS * 1e6 / times.m_times_to_first_token[0],
            "decode": ANSWER * 1e6 / sum(times.m_durations[-ANSWER:])}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(json.dumps(openvino(sys.argv[1], int(sys.argv[2]))))
