# SPDX-License-Identifier: Apache-2.0
"""OpenAI's own client against `llava-serve serve` with the bundled model.

    openai_client.py LLAVA_SERVE MODEL      with the Python of setup.sh openai
"""
import asyncio
import base64
import pathlib
import sys

import openai

from programs import Program

PROGRAM, MODEL = sys.argv[1:3]


def picture(name="three-shapes"):
    data = base64.b64encode((pathlib.Path(MODEL) / "images" / f"{name}.png").read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def user(text, *pictures):
    return {"role": "user", "content": [*pictures, {"type": "text", "text": text}]}


SHAPES = [user("How many shapes are there?", picture())]


def test_chat(client):
    reply = client.chat.completions.create(model="tiny", messages=SHAPES)
    assert reply.choices[0].message.content == "three" and reply.choices[0].finish_reason == "stop"
    assert reply.usage.prompt_tokens == 93 and reply.usage.total_tokens == 95
    # The reply goes back as it is.
    follow = SHAPES + [reply.choices[0].message, user("Is there a star?")]
    assert client.chat.completions.create(model="tiny", messages=follow).choices[0].message.content in ("yes", "no")
    two = [user("Which image has more shapes?", picture(), picture("two-circles"))]
    assert client.chat.completions.create(model="tiny", messages=two).choices[0].message.content
    again = client.chat.completions.create(model="tiny", messages=SHAPES)
    assert again.usage.prompt_tokens_details.cached_tokens > 0


def test_stream(client):
    with client.chat.completions.create(model="tiny", messages=SHAPES, stream=True,
                                        stream_options={"include_usage": True}) as stream:
        chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "three"
    assert chunks[-1].usage.completion_tokens == 2 and chunks[-2].choices[0].finish_reason == "stop"
    with client.chat.completions.stream(model="tiny", messages=SHAPES) as stream:  # the client's own assembly
        deltas = [e.delta for e in stream if e.type == "content.delta"]
        assert stream.get_final_completion().choices[0].message.content == "".join(deltas) == "three"


def test_logprobs(client):
    reply = client.chat.completions.create(model="tiny", messages=SHAPES, logprobs=True, top_logprobs=3)
    tokens = reply.choices[0].logprobs.content
    assert len(tokens) == 2 and all(len(t.top_logprobs) == 3 for t in tokens)
    assert tokens[0].top_logprobs[0].token == tokens[0].token and tokens[0].logprob <= 0


def test_many(client):
    reply = client.chat.completions.create(model="tiny", messages=SHAPES, n=3, seed=3, temperature=2, max_tokens=5)
    assert [c.index for c in reply.choices] == [0, 1, 2]
    again = client.chat.completions.create(model="tiny", messages=SHAPES, n=3, seed=3, temperature=2, max_tokens=5)
    assert [c.message.content for c in again.choices] == [c.message.content for c in reply.choices]


def test_completions(client):
    reply = client.completions.create(model="tiny", prompt="USER: What is", max_tokens=5, logprobs=2)
    assert reply.choices[0].finish_reason == "length" and len(reply.choices[0].logprobs.tokens) == 5
    chunks = client.completions.create(model="tiny", prompt="USER: What is", max_tokens=5, stream=True)
    assert "".join(c.choices[0].text for c in chunks) == reply.choices[0].text


def test_models(client):
    assert [m.id for m in client.models.list()] == ["tiny"]
    model = client.models.retrieve("tiny")
    assert model.object == "model" and model.model_extra["context"] == 2048
    assert "image" in model.model_extra["modalities"]


def test_errors(client):
    def refused(kind, **fields):
        try:
            client.chat.completions.create(**{"model": "tiny", "messages": SHAPES, **fields})
        except kind as e:
            return e
        raise AssertionError(fields)

    assert refused(openai.BadRequestError, temperature=-1).param == "temperature"
    assert refused(openai.BadRequestError, extra_body={"foo": 1}).param == "foo"
    assert refused(openai.NotFoundError, model="other").code == "model_not_found"
    assert refused(openai.BadRequestError, messages=[user("a " * 5000)]).code == "context_length_exceeded"
    assert refused(openai.BadRequestError, messages=[user("x", {"type": "image_url", "image_url": {
        "url": "http://127.0.0.1/x.png"}})]).param == "messages[0].content[0].image_url.url"
    wrong = openai.OpenAI(base_url=client.base_url, api_key="wrong", max_retries=0)
    try:
        wrong.models.list()
        raise AssertionError("a wrong key was accepted")
    except openai.AuthenticationError as e:
        assert e.code == "invalid_api_key"


async def ask_many(url, key):
    client = openai.AsyncOpenAI(base_url=url, api_key=key)
    replies = await asyncio.gather(*(client.chat.completions.create(model="tiny", messages=SHAPES) for _ in range(8)))
    assert [r.choices[0].message.content for r in replies] == ["three"] * 8


def main():
    print("openai", openai.__version__)
    with Program([PROGRAM, "serve", "--model-path", MODEL, "--port", "0", "--api-key", "key"], "ready") as server:
        url = server.found(r"listening on (http://[\d.:]+)") + "/v1"
        client = openai.OpenAI(base_url=url, api_key="key", max_retries=0)
        for test in (test_chat, test_stream, test_logprobs, test_many, test_completions, test_models, test_errors):
            test(client)
            print(test.__name__, "passed")
        asyncio.run(ask_many(url, "key"))
        print("8 requests at one time passed")


main()
