# SPDX-License-Identifier: Apache-2.0
"""Records the greedy answers that transformers gives with the bundled model "tiny" in float32, token by token.

    python tests/oracle/tiny_answers.py examples/tiny tests/data/tiny_answers.jsonl

One line is one conversation:

    source      "scenes" (images are names in examples/tiny/scenes) or "easy_vqa" (images are numbers of images of its
                test split)
    prompt      the prompt of the last turn, with the model's own earlier answers
    input_ids   its tokens; each image is one <image> token here, and 49 in the model's input
    turns       text and category of the question, the reference answer, and
      prompt_length, input_length   number of characters (all ASCII) of prompt and number of elements of input_ids
                                    that are the prompt of this turn
      output_ids, answer            the tokens of greedy decoding, </s> included, and their text
      margin                        the smallest lead of a chosen token's logit over the second-best logit

Needs: torch, transformers, Pillow, easy-vqa.
"""

import argparse
import json
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

from tiny_data import easy_questions
from tiny_tokenizer import prompt_of


def conversations(folder, single, double, easy):
    """Yields (source, image names or numbers, image paths, turns) of each conversation."""
    lines = [json.loads(line) for line in open(folder / "scenes" / "questions.jsonl", encoding="utf-8")]
    for count, limit in ((1, single), (2, double)):
        for line in [line for line in lines if len(line["images"]) == count][:limit]:
            yield "scenes", line["images"], [folder / "scenes" / name for name in line["images"]], line["turns"]
    turns, paths = easy_questions("test")
    numbers = sorted(turns)
    for position, number in enumerate(numbers[::max(1, len(numbers) // easy)][:easy]):
        turn = turns[number][position % len(turns[number])]
        yield "easy_vqa", [number], [paths[number]], [turn._asdict()]


def unexpanded(ids, image):
    """Returns the ids with every run of <image> tokens reduced to one."""
    return [token for i, token in enumerate(ids) if token != image or i == 0 or ids[i - 1] != image]


@torch.no_grad()
def ask(model, processor, prompt, pictures):
    """Returns input ids, output ids and the margin of one greedy answer."""
    inputs = processor(images=pictures, text=prompt, return_tensors="pt")
    result = model.generate(**inputs, do_sample=False, max_new_tokens=64, output_logits=True,
                            return_dict_in_generate=True)
    leads = [logits[0].topk(2).values for logits in result.logits]
    output = result.sequences[0, inputs.input_ids.shape[1]:].tolist()
    return inputs.input_ids[0].tolist(), output, min((first - second).item() for first, second in leads)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--single", type=int, default=60, help="number of conversations about one scene")
    parser.add_argument("--double", type=int, default=20, help="number of conversations about two scenes")
    parser.add_argument("--easy", type=int, default=100, help="number of questions of easy-VQA")
    options = parser.parse_args()
    model = LlavaForConditionalGeneration.from_pretrained(options.model, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(options.model, backend="pil")
    image = model.config.image_token_id
    right = asked = 0
    with open(options.output, "w", encoding="utf-8") as out:
        for source, images, paths, turns in conversations(options.model, options.single, options.double, options.easy):
            pictures = [Image.open(path).convert("RGB") for path in paths]
            history, records, earlier = [], [], []
            for turn in turns:
                prompt = prompt_of([*history, (turn["text"], None)], len(images))
                ids, output, margin = ask(model, processor, prompt, pictures)
                if ids[:len(earlier)] != earlier:
                    raise ValueError(f"the answer's tokens change when its text is tokenised again: {prompt!r}")
                earlier = ids + output
                ids = unexpanded(ids, image)
                answer = processor.tokenizer.decode(output, skip_special_tokens=True)
                records.append({"text": turn["text"], "category": turn["category"], "reference": turn["answer"],
                                "prompt_length": len(prompt), "input_length": len(ids), "output_ids": output,
                                "answer": answer, "margin": round(margin, 3)})
                history.append((turn["text"], answer))
                right += answer == turn["answer"]
                asked += 1
            line = {"source": source, "images": images, "prompt": prompt, "input_ids": ids, "turns": records}
            out.write(json.dumps(line, separators=(",", ":")) + "\n")
    print(f"{asked} turns, {right} answers equal to the reference, {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
