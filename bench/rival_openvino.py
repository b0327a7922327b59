# SPDX-License-Identifier: Apache-2.0
"""Measures OpenVINO GenAI (PyPI openvino-genai) on the GGUF file that rival.py gives to llama.cpp.

    rival_openvino.py MODEL.gguf THREADS

Prints {"prefill": tokens per second for 640 tokens, "decode": tokens per second after them} as JSON. The settings are
OpenVINO's defaults, which mean bf16 on processors with bf16 products. OpenVINO requires a tokenizer and cannot make one
from the vocabulary of rival_twin.py. Prompts are passed as ids, so any tokenizer of the same size works. Needs PyPI
`openvino-tokenizers` and `transformers`, without torch.
"""
import json
import pathlib
import sys
import tempfile

TOKENS, ANSWER = 640, 16
VOCABULARY = 32064  # of LLaVA-1.5 and of rival_twin.py


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

    answer(0)  # the first call lays out the weights
    times = answer(1)  # another prompt, because prompt prefixes are cached
    return {"prefill": TOKENS * 1e6 / times.m_times_to_first_token[0],
            "decode": ANSWER * 1e6 / sum(times.m_durations[-ANSWER:])}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(json.dumps(openvino(sys.argv[1], int(sys.argv[2]))))
