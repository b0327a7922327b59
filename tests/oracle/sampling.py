# SPDX-License-Identifier: Apache-2.0
"""Records how logits become choices: tests/data/generate/sampling.json.

    python tests/oracle/sampling.py        needs numpy, torch, transformers 5.24

choices    random logits, the settings, and the tokens that transformers' processors and warpers leave, by falling
           probability, with their probabilities
penalties  random logits before and after repetition_penalty and suppress_tokens (transformers), and OpenAI's penalties
           and biases in numpy: logit - count * frequency_penalty - (count > 0) * presence_penalty, then + bias
top        the likeliest tokens and their log-probabilities, by torch in double; of equal ones the first
"""
import collections
import json
import pathlib

import numpy
import torch
from transformers import (MinPLogitsWarper, RepetitionPenaltyLogitsProcessor, SuppressTokensLogitsProcessor,
                          TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper)

FILE = pathlib.Path(__file__).resolve().parents[1] / "data" / "generate" / "sampling.json"


def random_logits(generator, size, scale):
    """Multiples of 1/1024, so that the file is short and the values are exact."""
    return (torch.randn(1, size, generator=generator) * scale * 1024).round() / 1024


def choices():
    generator = torch.Generator().manual_seed(11)
    for temperature, top_k, top_p, min_p, repetition in (
            (1.0, 0, 1.0, 0.0, 1.0), (1.0, 0, 1.0, 0.05, 1.0), (1.0, 0, 1.0, 0.5, 1.0), (0.7, 0, 1.0, 0.1, 1.0),
            (2.5, 0, 1.0, 0.1, 1.0), (1.0, 5, 1.0, 0.02, 1.0), (1.0, 0, 0.8, 0.02, 1.0), (1.5, 12, 0.9, 0.08, 1.0),
            (0.6, 20, 0.95, 0.01, 1.3), (1.2, 0, 0.8, 0.1, 1.2), (1.0, 0, 1.0, 1.0, 1.0), (3.0, 30, 0.99, 0.25, 0.8)):
        logits = random_logits(generator, 40, 2)
        before = torch.randint(0, 40, (7,), generator=generator).tolist()
        ids, scores = torch.tensor([before]), logits.clone()
        steps = []
        if repetition != 1:
            steps.append(RepetitionPenaltyLogitsProcessor(repetition))
        if temperature != 1:  # transformers' order: _get_logits_processor
            steps.append(TemperatureLogitsWarper(temperature))
        if top_k:
            steps.append(TopKLogitsWarper(top_k))
        if top_p < 1:
            steps.append(TopPLogitsWarper(top_p))
        if min_p:
            steps.append(MinPLogitsWarper(min_p))
        for step in steps:
            scores = step(ids, scores)
        left = torch.softmax(scores[0].double(), -1)
        kept = sorted((t for t in range(40) if scores[0, t] > -float("inf")), key=lambda t: -left[t])
        yield {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "repetition": repetition,
               "before": before, "logits": logits[0].tolist(), "tokens": kept,
               "probabilities": [round(float(left[t]), 9) for t in kept]}


def penalties():
    generator = torch.Generator().manual_seed(12)
    for frequency, presence, bias, repetition, suppressed in (
            (0.5, 0.0, {}, 1.0, []), (0.0, 1.5, {}, 1.0, []), (-2.0, -0.7, {}, 1.0, []), (2.0, 2.0, {}, 1.0, []),
            (0.0, 0.0, {3: -100.0, 5: 100.0, 11: 0.1}, 1.0, []), (0.3, 0.9, {0: 1.7, 4: -2.3}, 1.3, [2, 9])):
        logits = random_logits(generator, 12, 4)
        prompt = torch.randint(0, 12, (4,), generator=generator).tolist()
        answer = torch.randint(0, 12, (7,), generator=generator).tolist() + [4, 4]
        ids, scores = torch.tensor([prompt + answer]), logits.clone()
        if repetition != 1:
            scores = RepetitionPenaltyLogitsProcessor(repetition)(ids, scores)
        frequency, presence = numpy.float32(frequency), numpy.float32(presence)
        counts = collections.Counter(answer)
        count = numpy.array([counts[t] for t in range(12)], numpy.float64)
        after = scores[0].numpy().astype(numpy.float64)
        after = (after - (count * frequency + (count > 0) * numpy.float64(presence))).astype(numpy.float32)
        for token, by in bias.items():
            after[token] = numpy.float32(after[token]) + numpy.float32(by)
        if suppressed:
            after = SuppressTokensLogitsProcessor(suppressed)(ids, torch.tensor(after)[None])[0].numpy()
        yield {"frequency": float(frequency), "presence": float(presence), "bias": list(bias.items()),
               "repetition": repetition, "suppressed": suppressed, "prompt": prompt, "answer": answer,
               "logits": logits[0].tolist(), "after": [None if x == -numpy.inf else float(x) for x in after]}


def top():
    generator = torch.Generator().manual_seed(13)
    for size, scale, k in ((50, 3, 20), (50, 0.001, 7), (30, 8, 30), (3, 1, 3), (300, 2, 1), (200, 0.003, 20)):
        logits = random_logits(generator, size, scale)[0]
        probabilities, tokens = torch.log_softmax(logits.double(), -1).sort(descending=True, stable=True)
        yield {"logits": logits.tolist(), "tokens": tokens[:k].tolist(),
               "logprobs": [round(x, 9) for x in probabilities[:k].tolist()]}


def main():
    parts = {"choices": list(choices()), "penalties": list(penalties()), "top": list(top())}
    lines = [f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, cases)) + "\n ]" for name, cases in parts.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
