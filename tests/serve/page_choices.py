# SPDX-License-Identifier: Apache-2.0
"""Tests of the web page for page_browser.py: votes, two models side by side, chats as files."""
import json
import re

from page_questions import QUESTION


def test_votes(c):
    """Upvote, downvote and flag reach the log, once for each answer."""
    page, before = c.page, len(c.lines())
    page.click("#examples button")
    page.ask("")
    (chat,) = c.wait_for_lines(before + 1)[before:]
    assert chat["type"] == "chat" and chat["model"] == "tiny" and len(chat["images"]) == 1
    assert [text for _, text in chat["state"]["messages"]] == [QUESTION + "\n<image>", "three"]
    assert list(c.logs.glob(f"serve_images/*/{chat['images'][0]}.jpg"))
    for i, name in enumerate(("Upvote", "Downvote", "Flag"), 2):
        if i > 2:
            page.press("Regenerate")
            page.wait(page.is_idle)
        page.press(name, ".assistant:last-child")
        page.wait(lambda: page.status() == "Thank you.")
        votes = [b for b in page.all(".assistant:last-child button") if re.search("Upvote|Downvote|Flag", b.text)]
        assert len(votes) == 3 and not any(b.is_enabled() for b in votes)
    new = [line["type"] for line in c.wait_for_lines(before + 6)[before:]]
    assert sorted(new) == ["chat"] * 3 + ["downvote", "flag", "upvote"], new


def test_two_models(c):
    """Two models side by side: their names come after the vote."""
    page, before = c.page, len(c.lines())
    page.choose("#compare", "hidden")
    page.click("#examples button")
    page.ask("")
    assert page.answers() == ["three", "three"] and {a["model"] for a in c.relay.asked[-2:]} == {"tiny", "other"}
    assert not re.search(r"tiny|other", page.text("main")) and page.one("#vote").is_displayed()
    page.ask("Is there a star?")
    assert [a["messages"][1]["content"] for a in c.relay.asked[-2:]] == ["three", "three"]
    page.press("B is better", "#vote")
    page.wait(lambda: re.search(r"A is (tiny|other), B is (tiny|other)\.", page.status()))
    assert re.search(r"Model A: (tiny|other)", page.text("#panes")) and not page.one("#vote").is_displayed()
    vote = c.wait_for_lines(before + 5)[-1]
    assert vote["type"] == "rightvote" and sorted(vote["models"]) == ["other", "tiny"]
    assert [len(s["messages"]) for s in vote["states"]] == [4, 4]
    page.choose("#compare", "two")
    assert not page.answers() and page.one("#model-b").is_displayed()
    page.ask("Hello")
    assert re.search(r"Model B: other", page.text("#panes"))
    page.choose("#compare", "one")


def test_files(c):
    """Export and import give the same chats; a hostile file gives a sentence, and its text stays text."""
    page = c.page
    page.click("#examples button")
    page.ask("")
    page.press("Regenerate")
    page.wait(page.is_idle)
    page.click("#export")
    page.wait(lambda: list(c.folder.glob("llava-chats-*.json")))
    file = next(iter(c.folder.glob("llava-chats-*.json")))
    page.wait(lambda: file.stat().st_size > 100)
    told = json.loads(file.read_text())
    page.press("✕", "#chats")
    page.one("#import-file").send_keys(str(file))
    page.wait(lambda: page.answers() == ["three"])
    assert "2/2" in page.text(".assistant .branches")
    markup = "<img src=x onerror=\"document.title='wrong'\"><script>document.title='wrong'</script>"
    chat = told["chats"][0]
    chat["title"] = chat["nodes"][0]["text"] = chat["models"][0] = markup
    for node in chat["nodes"][1:]:
        node["answers"][0].update(model=markup,
                                  text=f"{markup}\n\n# A *b* **c** `d`\n- e\n- f\n\n1. g\n```\n{markup}\n```")
    hostile = c.folder / "hostile.json"

    def give(value):
        hostile.write_text(value if isinstance(value, str) else json.dumps(value))
        page.one("#import-file").send_keys(str(hostile))

    give(told)
    page.wait(lambda: markup in page.text(".user"))
    assert page.answers()[0].count(markup) == 2 and not page.all("main .body img[src=x], main script")
    assert len(page.all(".assistant .body li")) == 3 and page.text(".assistant pre") == markup
    assert page.text(".assistant em") == "b" and page.driver.title == "LLaVA"
    count = len(page.all("#chats li"))
    for change in ({"pictures": ["https://example.org/a.png"]}, {"pictures": ["data:image/svg+xml;base64,AAAA"]},
                   {"parent": 5}, {"role": "assistant"}, {"text": None}):
        spoiled = json.loads(json.dumps(told))
        spoiled["chats"][0]["nodes"][0].update(change)
        page.js("document.querySelector('#status').textContent = ''")
        give(spoiled)
        page.wait(lambda: page.status().startswith("The file cannot be read"))
    for text in ("{", "[]", '{"format": "llava-chats", "version": 1, "chats": [null]}'):
        page.js("document.querySelector('#status').textContent = ''")
        give(text)
        page.wait(lambda: page.status().startswith("The file "))
    assert len(page.all("#chats li")) == count
