# SPDX-License-Identifier: Apache-2.0
"""Vectors for tests/grammar/json_schema.cpp: texts that a schema accepts or refuses, judged by the package jsonschema.

    pip install jsonschema==4.26.0
    python3 tests/oracle/grammar_vectors.py                 writes tests/data/grammar/vectors.json
    LLAVA_GRAMMAR_WALKS=FILE llava_tests "[#constraint]"
    python3 tests/oracle/grammar_vectors.py --walks FILE    validates the texts that random tokens gave

Each case has a schema, values that it accepts, and texts that it refuses. In a refused text, the mark ¦ stands in front
of the first byte that no valid answer has there; it is placed by hand, and jsonschema confirms that the text is not
valid. Texts under "outside" are valid, and outside of the policy of json_schema.hpp. From the values, others are made
at random: a part replaced, removed or added. jsonschema says whether the schema accepts them.
"""
import argparse
import copy
import json
import pathlib
import random
import re
import sys

import jsonschema

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "grammar" / "vectors.json"
MARK = "\u00a6"
STRICT = {"additionalProperties": False}

CASES = [
    {"schema": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                "required": ["name"], **STRICT},
     "values": [{"name": "x"}, {"name": "Ä\"\\\n\u0001漢😀/", "age": -12}, {"name": "", "age": 0}],
     "refused": ["{¦}", '{"¦age": 1}', '{"name": "x", "age": ¦"1"}', '{"name": "x",¦}', '{"name": "x"¦', '{"name":¦1}',
                 '{"name": "x", "¦name": "y"}', '{"name": "a\\¦q"}', '{"name": "a¦\n"}', '{"name": "x", "¦b": 1}',
                 '¦[]', '{"name": "x"}¦}', '{"name": "x", "age": 0¦1}', '{"name": "x", "age": 1¦.5}',
                 '{"name": "x", "age": ¦+1}'],
     "outside": ['{"name": "x", "age": 1¦e2}', '{"¦age": 1, "name": "x"}',
                 '{¦ "name": "x"}', '{"name"¦ : "x"}',
                 '{"name": "x"}¦ ', '{"name": ¦ "x"}', '{"¦\\u006eame": "x"}',
                 '{"name": "x", "age": -¦0}']},
    {"schema": {"type": "object", "properties": {"b": {"type": "boolean"}, "a": {"type": "null"},
                                                 "c": {"type": ["number", "string"]}}, **STRICT},
     "values": [{}, {"b": True}, {"a": None}, {"c": 1.5}, {"b": False, "a": None, "c": "x"}, {"b": True, "c": -1.5e-7}],
     "refused": ['{"a": null, "c": ¦true}', '{"b": t¦s}', '{"b": ¦null}', '{"c": 1.¦}',
                 '{"c": ¦.5}', '{"c": 1e¦}', '{"c": -¦}', '{"c": 1.5¦.}',
                 '{¦,}']},
    {"schema": {"type": "array", "items": {"type": "integer", "minimum": -5, "maximum": 120}, "minItems": 1,
                "maxItems": 4},
     "values": [[0], [1, 2], [-5, 120, 99, 7]],
     "refused": ["[¦]", "[12¦1]", "[-¦6]", "[1, 2, 3, 4¦, 5]", "[1,¦]", '[¦"1"]', "[5¦", "[120¦0]", "[13¦0]"]},
    {"schema": {"type": "array", "items": {"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 1000.5},
                "minItems": 3},
     "values": [[10, 999, 1000], [10, 100, 500, 42, 77]],
     "refused": ["[9¦, 10, 11]", "[10, 11¦]", "[10, 100¦1, 10]", "[¦-10, 10, 10]", "[¦0, 10, 10]"]},
    {"schema": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": False},
     "values": [[], ["a"], ["a", True]],
     "refused": ["[¦true]", '["a", true¦, 1]', '["a", ¦"b"]']},
    {"schema": {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "null"}, "minItems": 3,
                "maxItems": 5},
     "values": [["", None, None], ["a", None, None, None, None]],
     "refused": ['["a", null¦]', '["a", null, null, null, null¦, null]', '["a"¦]', '[¦null, null, null]']},
    {"schema": {"enum": ["red", "green", "grey", 1, 12, 1.5, None, True, {"a": [1, "x"]}, [], "ü\n"]},
     "values": ["red", "grey", 1, 12, 1.5, None, True, {"a": [1, "x"]}, [], "ü\n"],
     "refused": ['"gr¦ay"', "1¦3", "¦false", '{"a":[1,"¦y"]}', '"red¦', "[¦1]"],
     "outside": ['{"a":¦ [1, "x"]}', '"¦\\u0072ed"']},
    {"schema": {"const": {"x": [True, None]}}, "values": [{"x": [True, None]}], "refused": ['{"¦y": 1}', "¦true"]},
    {"schema": {"anyOf": [{"type": "object", "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}},
                           "required": ["kind", "r"], **STRICT},
                          {"type": "object", "properties": {"kind": {"const": "square"}, "side": {"type": "integer"}},
                           "required": ["kind", "side"], **STRICT}]},
     "values": [{"kind": "circle", "r": 1.5}, {"kind": "square", "side": 3}],
     "refused": ['{"kind": "circle", "¦side": 3}', '{"kind": "square", "¦r": 3}', '{"kind": "c¦c"}',
                 '{"kind": "square"¦}']},
    {"schema": {"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "array", "items": {"type": "boolean"}}]},
     "values": ["x", 3, [True, False], []], "refused": ["1¦.5", "[¦1]", "¦{}", "¦null"]},
    {"schema": {"$defs": {"node": {"type": "object", "properties": {
        "value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
        "required": ["value", "next"], **STRICT}}, "$ref": "#/$defs/node"},
     "values": [{"value": 1, "next": None}, {"value": 1, "next": {"value": 2, "next": {"value": 3, "next": None}}}],
     "refused": ['{"value": 1¦}', '{"value": 1, "next": {¦}}', '{"value": 1, "next": {"value": 2, "next": ¦2}}']},
    {"schema": {"type": "object", "properties": {"c~/d%": {"type": "integer"},
                                                 "x": {"$ref": "#/properties/c~0~1d%25"}}, "required": ["x"], **STRICT},
     "values": [{"x": 1}, {"c~/d%": 2, "x": 3}], "refused": ['{"c~/d%": 1¦}', '{"x": ¦"y"}']},
    {"schema": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}, **STRICT},
     "values": [{}, {"children": []}, {"children": [{}, {"children": [{}]}]}],
     "refused": ['{"children": [{}, ¦1]}', '{"children": ¦{}}', '{"c¦c": 1}']},
    {"schema": {"type": "string", "minLength": 2, "maxLength": 4},
     "values": ["ab", "abcd", "漢字", "😀😀😀😀", "\n\"é\\"],
     "refused": ['"a¦"', '"abcd¦e"', '"漢¦"', '"😀😀😀😀¦😀"', '"\\n¦"', '"abcd¦\\n"'], "escaped": True},
    {"schema": {"type": "string", "maxLength": 0}, "values": [""], "refused": ['"¦a"']},
    {"schema": {"type": "string", "minLength": 3}, "values": ["abc", "abcdefghijklmnop"], "refused": ['"ab¦"'],
     "escaped": True},
    {"schema": {"type": "object", "properties": {"abc": {"type": "integer"}, "é": {"type": "integer"}},
                "additionalProperties": {"type": "string"}},
     "values": [{}, {"abc": 1}, {"x": "y"}, {"abc": 1, "ab": "", "abcd": "s", "": "q"}, {"é": 3, "è": "e", "a漢": "z"}],
     "refused": ['{"abc": ¦"x"}', '{"é": ¦"x"}', '{"x": ¦1}'],
     "outside": ['{"x": "y", "abc¦": 1}', '{"x": "y", "é¦": 1}', '{"a¦\\nb": "x"}']},
    {"schema": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}},
     "values": [{}, {"a": [], "b\n": [1, 2]}], "refused": ['{"a": ¦1}', '{"a": [¦null]}']},
    {"schema": {"type": "object"},
     "values": [{}, {"a": {"b": [1, "x", None, True, {"c": -1.25e+10}]}, "漢": [[], [[]], {}]}],
     "refused": ["¦[]", '{"a"¦}', '{"a": 1,¦}', '{¦a: 1}', '{"a": tru¦}', '{"a": [1, ¦]}', '{"a": 0¦1}',
                 '{"a": "\\ud800¦"}',
                 '{"a": "\\ud¦e00"}', '{"a": "\x7f"¦']},
    {"schema": {"required": ["a", "b"], "type": "object", "properties": {"a": {"type": "integer"}}},
     "values": [{"a": 1, "b": None}, {"a": 1, "b": [{"a": 1}]}], "refused": ['{"a": 1¦}', '{"¦b": 1}'], "exact": True,
     "outside": ['{"a": 1, "b": 1¦, "c": 2}']},
    {"schema": {"allOf": [{"type": ["integer", "null"], "minimum": 0}], "title": "t", "default": 3, "description": "d"},
     "values": [0, 5, None, 999999999999999999], "refused": ["¦-1", "¦true", "1¦.5"],
     "outside": ["100000000000000000¦0"]},
    {"schema": {"type": "number"}, "values": [0, -0.5, 12.75, 1e-9, 2.5e+20, 0.1],
     "refused": ["0¦1", "1.¦e5", "1e+¦", "-¦-1", "¦+1", "1¦f", "-¦"],
     "outside": ["1e12¦3"]},
    {"schema": {"type": "integer", "minimum": 10, "maximum": 10}, "values": [10],
     "refused": ["1¦1", "¦2", "10¦0", "1¦"]},
    {"schema": {"type": "integer", "minimum": -1205, "maximum": -37}, "values": [-37, -1205, -99, -100, -999, -1199],
     "refused": ["-36¦", "-120¦6", "-130¦0", "¦1", "-20¦", "-380¦0"]},
    {"schema": {"type": "integer", "minimum": 95, "maximum": 10203},
     "values": [95, 99, 100, 999, 1000, 9999, 10000, 10203, 10199],
     "refused": ["94¦", "1020¦4", "1021¦0", "8¦", "¦0"]},
    {"schema": {"type": "number", "minimum": 0, "maximum": 1},
     "values": [0, 1, 0.5, 0.125, 0.001, 0.99],
     "refused": ["¦-1", "1.0¦1", "¦2", "1¦0", "0¦1", "0.¦"], "outside": ["0¦e1", "1¦E0", "¦-0", "¦-0.0"]},
    {"schema": {"type": "number", "exclusiveMinimum": -12.5, "exclusiveMaximum": 100},
     "values": [0, -12, -12.499, 99.999, 99, 10.5, -0.001, -1, 9.25],
     "refused": ["10¦0", "-12.¦5", "-12.¦50", "-1¦3", "-12.¦6", "-9¦9", "1¦e5"]},
    {"schema": {"type": ["number", "null"], "minimum": -3.25, "maximum": -1.5},
     "values": [-3.25, -1.5, -2, -2.999, -3, -3.2, -1.75, None],
     "refused": ["¦1", "-3.2¦6", "-3.25¦1", "-1¦", "-1.¦4", "-¦0", "-¦4", "-1.¦"]},
    {"schema": {"type": "number", "exclusiveMinimum": 0.1, "minimum": 0.05},
     "values": [0.11, 0.1001, 1, 25, 123456789.5], "refused": ["0.1¦", "0.10¦", "0.¦0", "¦-1", "0¦"]},
    {"schema": True, "values": [1, None, "x", [1, {}], {"a": 2}, False], "refused": ["[¦,]", "nul¦"]},
    {"schema": {"anyOf": [{"type": "array", "items": {"type": "integer"}, "maxItems": 2},
                          {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}, "minItems": 3}]},
     "values": [[], [1], [1, 2], [[], [1], [2, 3]], [[1], [2], [3], []]],
     "refused": ["[1, 2¦, 3]", "[[1], [2]¦]", "[1, ¦[2]]", "[[1], ¦2]"]},
]

LEAVES = [0, 1, -3, 1.5, 121, 10 ** 6, "", "a", "ab", "circle", "red", "漢字abc", None, True, False, [], {}, [1],
          {"a": 1}]


def changed(value, rng):
    """The value with one part replaced, removed or added."""
    value = copy.deepcopy(value)
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        if rng.random() < 0.25:
            del value[key]
        elif rng.random() < 0.2:
            value[rng.choice(["zz", "x1", "other"])] = rng.choice(LEAVES)
        else:
            value[key] = changed(value[key], rng)
        return value
    if isinstance(value, list) and rng.random() < 0.8:
        if value and rng.random() < 0.5:
            at = rng.randrange(len(value))
            value[at] = changed(value[at], rng)
        elif value and rng.random() < 0.4:
            del value[rng.randrange(len(value))]
        else:
            value.insert(rng.randrange(len(value) + 1), copy.deepcopy(rng.choice(value or LEAVES)))
        return value
    if isinstance(value, str) and rng.random() < 0.6:
        return value + rng.choice(["", "x", "é", "\\", "漢"]) if rng.random() < 0.7 else value[1:]
    if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.7:
        return value + rng.choice([-100, -10, -2, -1, 1, 2, 9, 90])
    return copy.deepcopy(rng.choice(LEAVES))


def is_json(text):
    """The value of a text without repeated keys, or None if it is not JSON that UTF-8 can hold."""
    def pairs(items):
        if len({k for k, _ in items}) != len(items):
            raise ValueError("repeated")
        return dict(items)
    try:
        value = json.loads(text, object_pairs_hook=pairs)
        json.dumps(value, ensure_ascii=False).encode()
        return (value,)
    except ValueError:
        return None


def has_constants(schema):
    return '"enum"' in json.dumps(schema) or '"const"' in json.dumps(schema)


def spellings(case, value):
    yield json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not has_constants(case["schema"]):
        yield json.dumps(value, ensure_ascii=False)
        yield " " + json.dumps(value, ensure_ascii=False, separators=(",", ": "))
    if case.get("escaped"):
        yield json.dumps(value)


def vectors():
    rng = random.Random(5)
    for case in CASES:
        validator = jsonschema.Draft202012Validator(case["schema"])
        accept, refuse = [], []
        for value in case["values"]:
            assert validator.is_valid(value), (case["schema"], value)
            accept += spellings(case, value)
        for marked in case["refused"]:
            text = marked.replace(MARK, "")
            value = is_json(text)
            assert marked.count(MARK) <= 1 and not (value and validator.is_valid(value[0])), (case["schema"], marked)
            at = marked.find(MARK)
            refuse.append([text, len((marked[:at] if at >= 0 else marked).encode())])
        for marked in case.get("outside", []):
            text = marked.replace(MARK, "")
            value = is_json(text)
            assert marked.count(MARK) == 1 and value and validator.is_valid(value[0]), (case["schema"], marked)
            refuse.append([text, len(marked[:marked.find(MARK)].encode())])
        seen = set(accept)
        for _ in range(0 if case.get("exact") else 150):
            value = changed(rng.choice(case["values"]), rng)
            for _ in range(rng.choice([0, 0, 1, 2])):
                value = changed(value, rng)
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            longest = 12 if "imum" in json.dumps(case["schema"]) else 18
            if text in seen or any(len(digits) > longest for digits in re.findall(r"\d+", text)):
                continue
            seen.add(text)
            (accept.append(text) if validator.is_valid(value) else refuse.append([text, -1]))
        yield {"schema": json.dumps(case["schema"], ensure_ascii=False), "accept": accept, "refuse": refuse}


def check_walks(file):
    count = 0
    for line in pathlib.Path(file).read_text(encoding="utf-8").splitlines():
        walk = json.loads(line)
        value = is_json(walk["text"])
        if not value or not jsonschema.Draft202012Validator(json.loads(walk["schema"])).is_valid(value[0]):
            sys.exit(f"not valid against {walk['schema']}: {walk['text']}")
        count += 1
    print(f"{count} texts are valid")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--walks", help="a file of lines {\"schema\": text, \"text\": text}")
    o = options.parse_args()
    if o.walks:
        return check_walks(o.walks)
    cases = list(vectors())
    OUT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases)
    OUT.write_text('{"cases": [\n' + lines + "\n]}\n", encoding="utf-8")
    print(f"{len(cases)} schemas, {sum(len(c['accept']) for c in cases)} texts accepted, "
          f"{sum(len(c['refuse']) for c in cases)} refused")


if __name__ == "__main__":
    main()
