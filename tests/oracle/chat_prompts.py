# SPDX-License-Identifier: Apache-2.0
"""Writes prompts and ids of conversations by transformers' apply_chat_template, for tests/pipeline/chat_prompts.cpp.

    pip install transformers==4.57.6 jinja2 pillow torch
    python3 tests/oracle/chat_prompts.py          writes tests/data/text/chat_prompts.json

The folders are examples/tiny, whose processor takes messages as parts, and tests/data/goldens/text_llama, whose
tokenizer takes messages as text. Each is run with our own templates and tiny also with its folder's template ("own"). A
turn is (role, text, number of images). Images come first, each followed by a line end, or where the text has <image>. A
record has the prompt and the ids, or null if the reference fails.
"""
import json
import pathlib

from transformers import AutoTokenizer, CLIPImageProcessor, LlavaProcessor

import vicuna_template

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "data" / "text" / "chat_prompts.json"
TEMPLATES = {
    "pictures first": "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['role'].upper() + ': ' }}{% endif %}"
                      "{% for c in m['content'] | selectattr('type', 'equalto', 'image') %}"
                      "{{ '<image>\n' }}{% endfor %}"
                      "{% for c in m['content'] | selectattr('type', 'equalto', 'text') %}"
                      "{{ c['text'] + ' ' }}{% endfor %}{% endfor %}"
                      "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    "pictures with bos": "{{ bos_token }}{% for m in messages %}[{{ m.role }}] "
                         "{% for c in m.content %}{{ '<image>' if c.type == 'image' else c.text }}{% endfor %}"
                         "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}",
    "either": "{% for m in messages %}{{ m.role }}: {% if m.content is string %}{{ m.content }}{% else %}"
              "{% for c in m.content %}{% if c.type == 'image' %}<image>\n{% else %}{{ c.text }}{% endif %}{% endfor %}"
              "{% endif %}\n{% endfor %}{{ 'assistant:' if add_generation_prompt }}",
    "text": "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system text') }}{% endif %}"
            "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] | trim + '\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
    "text with bos": "{{ bos_token }}"
                     "{% for m in messages %}{{ m['role'] + ' ' + m['content'] + eos_token }}{% endfor %}",
}
CONVERSATIONS = [
    [("user", "<image>\nWhat is in the picture?", 1)],
    [("user", "How are you?", 0)],
    [("user", "<image>\n<image>\nCompare these.", 2), ("assistant", "They differ.", 0), ("user", " How? ", 0)],
    [("system", "Be brief.", 0), ("user", "<image>\nWhat?", 1)],
    [("user", "Look at <image> and say what you see.", 1)],
    [("user", "<image>\nLook at <image> as well.", 2)],
    [("user", "<image>\n", 1)],
    [("user", "one", 0), ("assistant", "two", 0), ("user", "<image>\nthree", 1), ("assistant", "four", 0),
     ("user", "five", 0)],
    [("user", "Is <image> a tag?", 0)],
    [("user", "a", 0), ("tool", "b", 0), ("user", "c", 0)],
    [("user", "Grüße, 漢字 \U0001f600\n\n", 0)],
    [("user", "", 0)],
]


def parts(text, pictures):
    """Returns a turn's text in the form that a processor takes."""
    out = []
    while pictures > len(out) and text.startswith("<image>\n"):
        out.append({"type": "image"})
        text = text.removeprefix("<image>\n")
    return out + ([{"type": "text", "text": text}] if text or not out else [])


def of_processor(processor, template, turns):
    messages = [{"role": role, "content": parts(text, pictures)} for role, text, pictures in turns]
    prompt = processor.apply_chat_template(messages, chat_template=template, add_generation_prompt=True)
    ids = processor.apply_chat_template(messages, chat_template=template, add_generation_prompt=True, tokenize=True)[0]
    return prompt, ids


def of_tokenizer(tokenizer, template, turns):
    messages = [{"role": role, "content": text} for role, text, _ in turns]
    prompt = tokenizer.apply_chat_template(messages, chat_template=template, add_generation_prompt=True, tokenize=False)
    return prompt, tokenizer.apply_chat_template(messages, chat_template=template, add_generation_prompt=True)


def records():
    # transformers 5 wrote the folder. 4.57 misreads its list of special tokens.
    tiny = ROOT / "examples" / "tiny"
    processor = LlavaProcessor(CLIPImageProcessor.from_pretrained(tiny),
                               AutoTokenizer.from_pretrained(tiny, extra_special_tokens={}), patch_size=12)
    assert (tiny / vicuna_template.NAME).read_text() == vicuna_template.TEMPLATE, (
        "examples/tiny has another chat template")
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "tests" / "data" / "goldens" / "text_llama",
                                              extra_special_tokens={})
    for folder, names in (("tiny", ["own", "pictures first", "pictures with bos", "either"]),
                          ("text_llama", ["text", "text with bos", "either"])):
        for name in names:
            for turns in CONVERSATIONS:
                template = TEMPLATES.get(name, vicuna_template.TEMPLATE)
                try:
                    made = (of_processor(processor, template, turns) if folder == "tiny"
                            else of_tokenizer(tokenizer, template, turns))
                except Exception as e:
                    print(folder, name, turns, repr(e)[:100])
                    made = (None, None)
                yield {"folder": folder, "template": name, "turns": turns, "prompt": made[0], "ids": made[1]}


if __name__ == "__main__":
    all_of_them = list(records())
    lines = ",\n".join(json.dumps(r, ensure_ascii=False) for r in all_of_them)
    OUT.write_text('{"templates": ' + json.dumps(TEMPLATES, ensure_ascii=False) + ',\n"prompts": [\n' + lines
                   + "\n]}\n", encoding="utf-8")
    print(len(all_of_them), "prompts")
