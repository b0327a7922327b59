# SPDX-License-Identifier: Apache-2.0
"""Vectors for tests/text/chat_template.cpp: small templates, rendered by Jinja with the settings of transformers.

    pip install jinja2==3.1.6
    python3 tests/oracle/chat_template_vectors.py                      writes tests/data/text/chat_templates.json
    python3 tests/oracle/chat_template_vectors.py --random 200000 --out FILE
    LLAVA_CHAT_TEMPLATE_VECTORS=FILE llava_tests "[#chat_template]"

All templates are our own: a list that uses every construct, and random templates of white space around tags and of
expressions. The file is {"variables": {...}, "vectors": [[template, text], ...]}; text is null if rendering must fail.
"""
import argparse
import json
import pathlib
import random
import re

import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chat_template_cases import STATEMENTS, VALUES

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "text" / "chat_templates.json"

VARIABLES = {
    "messages": [
        {"role": "system", "content": "Be brief.\n"},
        {"role": "user", "content": [{"type": "text", "text": " What is it? "}, {"type": "image"},
                                     {"type": "text", "text": "And this"}]},
        {"role": "assistant", "content": "Äpfel & <b>\"Birnen\"</b> 漢字\t\\",
         "tool_calls": [{"function": {"name": "f", "arguments": {"b": 1, "a": [True, None, "x"]}}}]},
        {"role": "tool", "content": "  <think>hm</think>\n\nan answer  ", "items": "shadow"},
    ],
    "tools": None, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>", "empty": "",
    "word": "hello world", "numbers": [3, 1, 2],
    "nested": {"a": {"b": [10, {"c": "deep"}]}, "k": "v", "list": [1, [2, 3], {}]},
    "zero": 0, "seven": 7, "yes": True, "no": False, "nothing": None,
    "uni": "aé漢😀b", "spaces": "\u00a0 \u2003x\u0085 ",
}


class Generation(jinja2.ext.Extension):
    """The tag `generation` prints its body. Variables that the body sets are local to it."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_print"), [], [], body).set_lineno(line)

    def _print(self, caller):
        return caller()


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])

    def refuse(sentence):
        raise jinja2.exceptions.TemplateError(sentence)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env.globals["raise_exception"], env.filters["tojson"] = refuse, tojson
    for name in ("string", "join", "trim"):
        env.filters[name] = of_texts(name, env.filters[name])
    return env


def of_texts(name, of_anything):
    """Returns a filter that rejects a list or a dictionary as a text, as the library does on purpose."""
    def checked(value):
        if isinstance(value, (list, tuple, dict)):
            raise TypeError(name)
        return value

    if name != "join":
        return lambda value, *a, **k: of_anything(checked(value), *a, **k)

    @jinja2.pass_eval_context
    def join(context, value, d="", attribute=None):
        value = list(value)
        return of_anything(context, [checked(v) for v in value] if attribute is None else value,
                           checked(d) if value else "", attribute)

    return join


ENVIRONMENT = environment()


def rendered(template):
    try:
        return ENVIRONMENT.from_string(template).render(**VARIABLES)
    except Exception:
        return None


def white_space(rng):
    """Returns a random template: mostly white space around tags with all white-space marks (`-`, `+`)."""
    out = ""
    for _ in range(rng.randint(2, 6)):
        out += rng.choice(["", "a", "a ", " b", "\n", "\n\n", "  ", "\t", "a\n", "a\n  ", "\n b", " \n ", "\n\n  ",
                           "c\r\n", "\u00a0", "a\u2003\n\u2003"])
        left, right = rng.choice(["", "", "-", "+"]), rng.choice(["", "", "-", "+"])
        inner = rng.choice(["", " ", "\n", " \n"])
        kind = rng.randrange(4)
        if kind == 0:
            out += "{{" + left + inner + "'v'" + inner + right.replace("+", "") + "}}"
        elif kind == 1:
            out += "{#" + left + inner + "note" + inner + right + "#}"
        elif kind == 2:
            out += "{%" + left + inner + " set z = 1" + inner + " " + right + "%}"
        else:
            end, start = rng.choice(["", "-", "+"]), rng.choice(["", "-", "+"])
            middle = rng.choice(["", "m", " ", "\n", "\n m\n ", "  \n"])
            out += "{%" + left + " if yes " + end + "%}" + middle + "{%" + start + inner + " endif " + right + "%}"
    return out + rng.choice(["", "e", "\n", "\n\n", " ", "e\n"])


def expression(rng, kind, depth):
    """Returns a random expression, mostly of `kind`: s text, n number, b bool, l list, t dictionary."""
    if rng.random() < 0.03:
        kind = rng.choice("stnbl")
    if depth == 0:
        leaves = {"s": ["'a'", "''", "'x y '", "word", "empty", "uni", "bos_token", "messages[0].content", "nested.k",
                        "' pad '"],
                  "n": ["0", "1", "7", "seven", "numbers[0]", "zero", "-3"],
                  "b": ["true", "no", "missing is defined", "word is string", "nothing is none"],
                  "l": ["numbers", "[]", "[1, 2, 3]", "nested.list", "['a', 'b']", "messages[1].content"],
                  "t": ["nested", "{}", "{'a': 1}", "nested.a", "messages[3]"]}
        return rng.choice(leaves[kind])

    def e(k):
        return expression(rng, k, depth - 1)

    def index():
        return rng.choice([str(rng.randint(-4, 4)), ""])

    if kind == "s":
        return rng.choice([
            lambda: f"({e('s')} + {e('s')})", lambda: f"({e('s')} | string ~ ({e(rng.choice('sn'))}) | string)",
            lambda: f"{e('s')} | trim", lambda: f"({e('s')}).strip()", lambda: f"({e('s')})[{index()}:{index()}]",
            lambda: f"({e('s')} if {e('b')} else {e('s')})", lambda: f"{e('l')} | join({e('s')})",
            lambda: f"({e('s')} | string | replace('a', {e('s')} | string))", lambda: f"({e('s')} or {e('s')})",
            lambda: f"({e('s')}).split(' ')[{rng.randint(-2, 1)}]",
            lambda: f"({e('l')} | tojson)", lambda: f"({e('t')} | tojson(indent={rng.randint(0, 3)}))",
            lambda: f"({e('n')} | string)", lambda: f"({e('t')}).get('a', {e('s')})",
            lambda: f"({e('s')})[::{rng.choice([-2, -1, 1, 2])}]", lambda: f"({e('s')} | reverse)",
            lambda: f"({e('s')} | default({e('s')}, {e('b')}))", lambda: f"({e('s')})[{rng.randint(-3, 3)}]",
            lambda: f"({e('s')}).rstrip({e('s')})", lambda: f"({e('s')}).lstrip('a x')"])()
    if kind == "n":
        return rng.choice([
            lambda: f"({e('n')} {rng.choice(['+', '-', '*'])} {e('n')})",
            lambda: f"({e('n')} {rng.choice(['//', '%'])} {e('n')})", lambda: f"({e('s')} | length)",
            lambda: f"({e('l')} | length)", lambda: f"({e('l')} | count)", lambda: f"-{e('n')}",
            lambda: f"({e('s')} | int)", lambda: f"({e('n')} if {e('b')} else {e('n')})",
            lambda: f"({e('l')})[{rng.randint(-2, 2)}]", lambda: f"({e('n')} and {e('n')})",
            lambda: f"({e('l')} | first)", lambda: f"({e('l')} | last)"])()
    if kind == "b":
        return rng.choice([
            lambda: f"({e('n')} {rng.choice(['<', '<=', '>', '>=', '==', '!='])} {e('n')})",
            lambda: f"({e('s')} {rng.choice(['==', '!=', '<'])} {e('s')})",
            lambda: f"({e('s')} {rng.choice(['in', 'not in'])} {e('s')})", lambda: f"({e('n')} in {e('l')})",
            lambda: f"not {e('b')}", lambda: f"({e('b')} {rng.choice(['and', 'or'])} {e('b')})",
            lambda: f"({e('l')} == {e('l')})",
            lambda: (f"({e(rng.choice('snblt'))}) is "
                     f"""{rng.choice(['string', 'number', 'mapping', 'iterable', 'sequence', 'none', 'defined',
                                      'boolean', 'integer', 'true'])}"""),
            lambda: f"({e('n')}) is {rng.choice(['odd', 'even', 'not odd', 'divisibleby 3', 'lt 4'])}",
            lambda: f"({e('s')}).startswith({e('s')} | string)", lambda: f"({e('n')} < {e('n')} < {e('n')})",
            lambda: f"({e('s')} in {e('t')})", lambda: f"({e('t')} == {e('t')})"])()
    if kind == "l":
        return rng.choice([
            lambda: f"({e('l')} + {e('l')})", lambda: f"({e('l')})[{index()}:{index()}]",
            lambda: f"({e('l')})[::{rng.choice([-2, -1, 1, 2])}]", lambda: f"[{e('s')}, {e('n')}]",
            lambda: f"[{e('b')}, {e('l')}]", lambda: f"({e('s')}).split()", lambda: f"({e('s')} | list)",
            lambda: f"({e('l')} | reverse | list)",
            lambda: f"({e('l')} | select('{rng.choice(['string', 'number', 'defined', 'mapping'])}') | list)",
            lambda: f"({e('l')} | reject('number') | list)", lambda: f"({e('l')} | map('string') | list)",
            lambda: f"({e('t')} | list)",
            lambda: f"(range({rng.randint(0, 4)}) | list)", lambda: f"({e('l')} if {e('b')} else {e('l')})",
            lambda: f"({e('l')} | selectattr('type', 'defined') | list)", lambda: f"({e('t')} | items | list)",
            lambda: f"({e('l')} or {e('l')})"])()
    return rng.choice([
        lambda: "{'k': " + e("s") + ", 'n': " + e("n") + "}", lambda: f"dict(a={e('l')})",
        lambda: f"({e('t')} if {e('b')} else {e('t')})", lambda: "{'t': " + e("t") + "}"])()


def random_template(rng):
    if rng.random() < 0.4:
        return white_space(rng)
    kind = rng.choice("snbsnblt")
    value = expression(rng, kind, rng.randint(1, 3))
    if rng.random() < 0.2:
        return ("{% for x in " + expression(rng, rng.choice("lls"), 2) + " %}{{ loop.index }}{{ x | tojson }}{% if "
                + expression(rng, "b", 1) + " %}+{% endif %}{% endfor %}")
    return "{{ (" + value + ") | tojson }}" if kind in "lt" or rng.random() < 0.3 else "{{ " + value + " }}"


def refuses(template, text):
    """Returns whether the text contains a list, a dictionary or an object, which the library rejects on purpose."""
    return (text is not None and bool(re.search(r"\[.*\]|\{.*\}|<generator|built-in|object at", text))
            and "tojson" not in template)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--random", type=int, default=500)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=pathlib.Path, default=OUT)
    o = options.parse_args()
    rng = random.Random(o.seed)
    templates = ["{{ " + v + " }}" for line in VALUES.strip().splitlines() for v in line.split(" ;; ")] + STATEMENTS
    made = {t: text for t in templates if not refuses(t, text := rendered(t))}
    count = 0
    while count < o.random:
        t = random_template(rng)
        text = rendered(t)
        if t in made or refuses(t, text) or len(text or "") > 300:
            continue
        made[t] = text
        count += 1
    o.out.write_text(json.dumps({"variables": VARIABLES, "vectors": list(made.items())}, ensure_ascii=False, indent=0)
                     + "\n", encoding="utf-8")
    print(f"{len(made)} templates, {sum(v is None for v in made.values())} of them must fail")


if __name__ == "__main__":
    main()
