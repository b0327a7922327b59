# SPDX-License-Identifier: Apache-2.0
"""Answers of a form that the request gives: JSON of a schema, any JSON object, one of some texts."""
import concurrent.futures
import json

from openai_server import request, text_of

SEEN = {"type": "object", "properties": {
    "shape": {"enum": ["circle", "star", "triangle"]}, "count": {"type": "integer", "minimum": 0, "maximum": 20},
    "is_red": {"type": "boolean"}, "names": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
    "note": {"type": "string", "maxLength": 12}}, "required": ["shape", "count", "is_red", "names", "note"],
    "additionalProperties": False}


def check_seen(text):
    seen = json.loads(text)
    assert list(seen) == list(SEEN["properties"]), seen
    assert seen["shape"] in ("circle", "star", "triangle") and type(seen["count"]) is int and 0 <= seen["count"] <= 20
    assert type(seen["is_red"]) is bool and type(seen["note"]) is str and len(seen["note"]) <= 12
    assert type(seen["names"]) is list and len(seen["names"]) <= 3 and set(seen["names"]) <= {"a", "b"}
    return seen


def test_structured(server):
    asked = {"type": "json_schema", "json_schema": {"name": "seen", "schema": SEEN, "strict": True}}
    any_tokens = {"temperature": 5.0, "top_k": 0, "seed": 3}
    compiled = server.metric("llava_response_formats_compiled_total")
    greedy = server.chat(response_format=asked, max_tokens=300)["choices"][0]
    check_seen(greedy["message"]["content"])
    assert greedy["finish_reason"] == "stop"
    # Several answers of random tokens, whole and in chunks, with their log-probabilities.
    fields = {"response_format": asked, "max_tokens": 300, "n": 4, "logprobs": True, **any_tokens}
    whole = server.chat(**fields)["choices"]
    texts = [c["message"]["content"] for c in whole]
    assert len({check_seen(t)["note"] for t in texts}) > 1 and {c["finish_reason"] for c in whole} == {"stop"}
    chunks = server.chunks(**fields)
    assert [text_of(chunks, i) for i in range(4)] == texts
    for i, c in enumerate(whole):
        streamed = [t for k in chunks if k["choices"][0]["index"] == i and k["choices"][0]["logprobs"]
                    for t in k["choices"][0]["logprobs"]["content"]]
        assert streamed == c["logprobs"]["content"]
        written = bytes(b for t in streamed for b in t["bytes"] or ()).decode()
        assert written.strip() == texts[i]
    # The schema was compiled once, and its text without white space is the same schema.
    server.chat(guided_json=json.dumps(SEEN, separators=(",", ":")), max_tokens=3)
    assert server.metric("llava_response_formats_compiled_total") == compiled + 1
    # Limits and stop texts end it early, and say so.
    cut = server.chat(response_format=asked, max_tokens=4)["choices"][0]
    assert cut["finish_reason"] == "length" and greedy["message"]["content"].startswith(cut["message"]["content"])
    stopped = server.chat(response_format=asked, stop=["\"count"], max_tokens=300)["choices"][0]
    assert stopped["finish_reason"] == "stop"
    assert stopped["message"]["content"] == greedy["message"]["content"].split("\"count")[0].strip()
    assert json.loads(server.chat(guided_json=SEEN, ignore_eos=True)["choices"][0]["message"]["content"])
    # Any JSON object. An answer that ends by itself is one; one that the limit cuts off need not be.
    ended = [c for c in server.chat(response_format={"type": "json_object"}, max_tokens=40, n=8,
                                    **any_tokens)["choices"] if c["finish_reason"] == "stop"]
    assert ended and all(type(json.loads(c["message"]["content"])) is dict for c in ended)
    # One of some texts, where the model would say another one.
    assert server.chat(guided_choice=["two", "three"])["choices"][0]["message"]["content"] == "three"
    for choices in (["zwei", "drei"], ["so many shapes", "so few"], ["\u00e4\u00f6", "\u4e09\u3064"]):
        assert server.chat(guided_choice=choices)["choices"][0]["message"]["content"] in choices
        reply = server.post("/v1/completions", {"prompt": "USER: What is", "guided_choice": choices})[1]
        assert reply["choices"][0]["text"] in choices and reply["choices"][0]["finish_reason"] == "stop"
    # A schema whose masks would take seconds is an error of its own request.
    slow = {"anyOf": [{"type": "object", "properties": {"a": {"$ref": "#"}, f"b{i}": {"$ref": "#"}}}
                      for i in range(2000)]}
    with concurrent.futures.ThreadPoolExecutor(1) as other:
        running = other.submit(server.chat, max_tokens=200, ignore_eos=True)
        status, reply = server.post("/v1/chat/completions", request(guided_json=slow))
        assert status == 400 and "fewer alternatives" in reply["error"]["message"], (status, reply)
        assert running.result()["usage"]["completion_tokens"] == 200
