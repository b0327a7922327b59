# SPDX-License-Identifier: Apache-2.0
"""The load of bench/serving.py: what clients ask in each scenario, and a closed loop of clients that measures the
answers of a server with OpenAI's API.

A client asks its next question as soon as it has the answer to the last one. Every question is streamed. Its time to
first token is from before the connection is made to the first event with text; times between tokens are those between
events with text.
"""
import base64
import dataclasses
import http.client
import json
import math
import random
import threading
import time

QUESTIONS = ("What is in this picture?", "Which colours are there?", "How many objects do you see?",
             "What is in the middle?", "Is it bright or dark?", "What is on the left?", "Describe the picture.",
             "What would you see behind it?")
SYSTEM = "Answer as a careful guide."
RULE = "Rule {}: if a visitor asks about room {}, say what hangs there, who made it and when, and name the way to it. "


@dataclasses.dataclass
class Reply:
    """One answer. Times are in seconds."""
    error: str = ""
    begun: float = 0
    first: float = 0  # the first token, after `begun`
    gaps: list = dataclasses.field(default_factory=list)
    seconds: float = 0
    prompt: int = 0
    cached: int = 0
    made: int = 0
    text: str = ""


def picture_part(path):
    kind = "png" if path.suffix == ".png" else "jpeg"
    return {"type": "image_url",
            "image_url": {"url": f"data:image/{kind};base64," + base64.b64encode(path.read_bytes()).decode()}}


def about(picture, question):
    return [{"role": "system", "content": SYSTEM},
            {"role": "user", "content": [picture, {"type": "text", "text": question}]}]


def new_pictures(take_picture, count):
    """(a) Every question is about a picture that the server has not seen."""
    return [[about(picture_part(take_picture()), QUESTIONS[i % len(QUESTIONS)])] for i in range(count)]


def same_pictures(take_picture, count):
    """(b) Four questions about each picture, in an order that is shuffled and always the same."""
    pictures = [picture_part(take_picture()) for _ in range(max(1, count // 4))]
    asked = [[about(p, q)] for p in pictures for q in QUESTIONS[:4]]
    random.Random(1).shuffle(asked)
    return asked


def chats(rules):
    """(c) Conversations of two questions without a picture, behind a long system prompt that all have in common."""
    def made(_, count):
        system = "".join(RULE.format(i + 1, 100 + i) for i in range(rules))
        return [[[{"role": "system", "content": system},
                  {"role": "user", "content": f"I am in room {100 + i % rules}. {QUESTIONS[i % len(QUESTIONS)]}"}],
                 "What should I see next?"] for i in range(max(1, count // 2))]
    return made


def greeting(messages):
    """The same without a question, to warm the server with; a picture remains."""
    said = messages[-1]["content"]
    hello = "Good morning."
    return [*messages[:-1], {"role": "user", "content": hello if isinstance(said, str) else
                             [*said[:-1], {"type": "text", "text": hello}]}]


def ask(port, messages, new_tokens, fields=None):
    """Asks one question and returns its Reply. `fields`: more fields of the request, or other values."""
    body = {"messages": messages, "max_tokens": new_tokens, "temperature": 0, "ignore_eos": True, "stream": True,
            "stream_options": {"include_usage": True}, **(fields or {})}
    reply, last, usage = Reply(begun=time.monotonic()), None, None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1200)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            reply.error = f"status {response.status}: {response.read(500).decode(errors='replace')}"
            return reply
        for line in response:
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            now, event = time.monotonic(), json.loads(line[6:])
            if "error" in event:
                reply.error = json.dumps(event["error"])
                return reply
            usage = event.get("usage") or usage
            text = "".join(c["delta"].get("content") or "" for c in event["choices"])
            if not text:
                continue
            if last is None:
                reply.first = now - reply.begun
            else:
                reply.gaps.append(now - last)
            last = now
            reply.text += text
    except (OSError, http.client.HTTPException, json.JSONDecodeError) as failed:
        reply.error = f"{type(failed).__name__}: {failed}"
        return reply
    finally:
        connection.close()
        reply.seconds = time.monotonic() - reply.begun
    if usage is None or last is None:
        reply.error = "no text" if usage else "no usage"
        return reply
    reply.prompt, reply.made = usage["prompt_tokens"], usage["completion_tokens"]
    reply.cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    if body["ignore_eos"] and reply.made != new_tokens:
        reply.error = f"{reply.made} tokens instead of {new_tokens}"
    return reply


def converse(port, conversation, new_tokens):
    """Asks the questions of a conversation, each with the answers before it, and returns their replies."""
    messages, *later = conversation
    replies = [ask(port, messages, new_tokens)]
    for question in later:
        if replies[-1].error:
            break
        messages = messages + [{"role": "assistant", "content": replies[-1].text},
                               {"role": "user", "content": question}]
        replies.append(ask(port, messages, new_tokens))
    return replies


def run(port, conversations, clients, new_tokens):
    """Lets `clients` clients take conversations until all are over. Returns the replies and the seconds of it all."""
    waiting, replies, lock = list(reversed(conversations)), [], threading.Lock()

    def client():
        while True:
            with lock:
                if not waiting:
                    return
                conversation = waiting.pop()
            answered = converse(port, conversation, new_tokens)
            with lock:
                replies.extend(answered)

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    start = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return replies, time.monotonic() - start


def percentile(values, share):
    """The smallest value that at least this share of all values does not exceed."""
    if not values:
        return 0.0
    return sorted(values)[math.ceil(share * len(values)) - 1]


def summary(replies, seconds):
    """The figures of one run. Answers with an error count only as errors."""
    good = [r for r in replies if not r.error]
    gaps = [g for r in good for g in r.gaps]
    first = [r.first for r in good]
    prompt = sum(r.prompt for r in good)
    return {"requests": len(replies), "errors": len(replies) - len(good),
            "messages": sorted({r.error for r in replies if r.error})[:3], "seconds": seconds,
            "requests/s": len(good) / seconds, "tokens/s": sum(r.made for r in good) / seconds,
            "ttft_p50": percentile(first, 0.5), "ttft_p95": percentile(first, 0.95),
            "gap_p50": percentile(gaps, 0.5), "gap_p95": percentile(gaps, 0.95),
            "prompt_tokens": prompt / max(1, len(good)), "cached": sum(r.cached for r in good) / max(1, prompt)}
