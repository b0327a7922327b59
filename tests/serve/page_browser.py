# SPDX-License-Identifier: Apache-2.0
"""Tests the web page in chromium, with the bundled model, as a person uses it.

    page_browser.py LLAVA_SERVE MODEL [--only NAME] [--pictures FOLDER]

After each test: the page asked no other server, and the console has no error. --pictures writes the pictures of
docs/web.md instead. Needs: selenium; Debian's chromium and chromium-driver.
"""
import argparse
import base64
import json
import pathlib
import re
import struct
import subprocess
import tempfile
import time

from browser import Page, Relay, Server, start_chromium
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

QUESTION = "How many shapes are there?"
STORY = "Describe the picture."
FORGET = """localStorage.clear();
  indexedDB.open("llava").onsuccess = e =>
    e.target.result.transaction("chats", "readwrite").objectStore("chats").clear().onsuccess = arguments[0];"""


class Context:
    """What a test gets: the page, the relay, and folders."""

    def __init__(self, page, relay, model, program, logs, folder):
        self.page, self.relay, self.program, self.logs, self.folder = page, relay, program, logs, folder
        self.model, self.images = model, pathlib.Path(model).resolve() / "images"

    def sent_pictures(self):
        """The files of the last request's pictures."""
        parts = [p for m in self.relay.asked[-1]["messages"] if isinstance(m["content"], list) for p in m["content"]]
        return [base64.b64decode(p["image_url"]["url"].split(",")[1]) for p in parts if p["type"] == "image_url"]

    def lines(self):
        return [json.loads(line) for file in self.logs.glob("*-conv.json") for line in file.read_text().splitlines()]

    def wait_for_lines(self, n):
        self.page.wait(lambda: len(self.lines()) >= n, 20)
        return self.lines()


def png_size(file):
    assert file.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", file[16:24])


def test_example(c):
    """An example question: its picture reaches the model, the answer and its times are shown."""
    page = c.page
    assert page.driver.title == "LLaVA" and [o.text for o in page.all("#model option")] == ["tiny", "other"]
    assert page.focused() == "question"
    page.click("#examples button")
    assert page.one("#question").get_attribute("value") == QUESTION and len(page.all("#pictures img")) == 1
    assert page.ask("") == "three"
    assert c.sent_pictures() == [(c.images / "three-shapes.png").read_bytes()]
    asked = c.relay.asked[-1]
    assert (asked["temperature"], asked["top_p"], asked["max_tokens"]) == (0.2, 0.7, 512) and asked["stream"]
    stats = page.text(".stats")
    assert re.search(r"first token after \d+\.\d\d s.* · 2 tokens · \d+ of 93 prompt tokens cached", stats), stats
    assert page.text("#spoken") == "three" and page.focused() == "question" and not page.all("#pictures img")
    page.ask("Is there a star?")
    roles = [m["role"] for m in c.relay.asked[-1]["messages"]]
    assert roles == ["user", "assistant", "user"], (roles, c.relay.asked, page.text("main"))
    cached = int(re.search(r"(\d+) of", page.all(".stats")[-1].text)[1])
    assert cached > 80, cached


def test_pictures(c):
    """Pictures by file, paste, drop and camera; several; removed; files that are no pictures."""
    page = c.page
    page.add_file(c.images / "two-circles.png")
    assert page.ask("How many circles are there?") == "two"
    assert c.sent_pictures() == [(c.images / "two-circles.png").read_bytes()]
    page.new_chat()
    paste = """
      const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0)), data = new DataTransfer();
      data.items.add(new File([bytes], "a.png", {type: "image/png"}));
      document.querySelector("#question").dispatchEvent(
        new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}))"""
    file = (c.images / "three-shapes.png").read_bytes()
    page.js(paste, base64.b64encode(file).decode())
    page.wait(lambda: len(page.all("#pictures img")) == 1)
    drop = {"items": [], "files": [str(c.images / "tall.jpg")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        page.cdp("Input.dispatchDragEvent", type=kind, x=700, y=300, data=drop)
    page.wait(lambda: len(page.all("#pictures img")) == 2)
    page.click("#camera")
    page.wait(lambda: page.js("return document.querySelector('#camera-view').videoWidth > 0"))
    page.click("#camera-take")
    page.wait(lambda: len(page.all("#pictures img")) == 3)
    page.wait(lambda: page.js("return document.querySelector('#camera-view').srcObject === null"))
    page.all("#pictures button")[1].click()  # not the tall one
    page.ask(QUESTION)
    sent = c.sent_pictures()
    assert sent[0] == file and len(sent) == 2 and min(png_size(sent[1])) >= 100, sent
    text = c.folder / "text.png"
    text.write_text("no picture")
    page.one("#picture-file").send_keys(str(text))
    page.wait(lambda: "is no picture" in page.status())
    page.js(paste.replace("image/png", "text/plain"), base64.b64encode(b"text").decode())
    assert not page.all("#pictures img")


def test_modes(c):
    """Crop, Resize, Pad, Default, as in LLaVA's web server."""
    page, wide = c.page, c.images / "wide.png"
    page.click("#parameters summary")
    for mode, size in (("Default", (150, 104)), ("Crop", (150, 104)), ("Pad", (150, 150)), ("Resize", (336, 336))):
        page.new_chat()
        page.click(f"[name=mode][value={mode}]")
        page.add_file(wide)
        page.ask("What color is the star?")
        (sent,) = c.sent_pictures()
        assert png_size(sent) == size, (mode, png_size(sent))
        assert (sent == wide.read_bytes()) == (mode in ("Default", "Crop"))
        if mode == "Pad":
            corner = page.js("""const i = new Image(); i.src = 'data:image/png;base64,' + arguments[0];
              return i.decode().then(() => {
                const k = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
                k.drawImage(i, 0, 0);
                return [0, 22, 23, 127].map(y => [...k.getImageData(2, y, 1, 1).data]); })""",
                             base64.b64encode(sent).decode())
            grey, paper = [122, 116, 104, 255], [240, 250, 240, 255]
            assert corner[:2] == [grey, grey] and corner[2] == paper and corner[3] == grey, corner
    page.click("[name=mode][value=Default]")
    big = c.folder / "big.png"
    big.write_bytes(base64.b64decode(page.js("""const k = document.createElement('canvas'); k.width = 4000;
      k.height = 3000; k.getContext('2d').fillRect(0, 0, 9, 9); return k.toDataURL().split(',')[1]""")))
    page.new_chat()
    page.add_file(big)
    page.ask("What is it?")
    assert png_size(c.sent_pictures()[0]) == (896, 672)


def test_stop(c):
    """The answer appears as it comes; Stop and Escape end it and keep it; a lost connection is told."""
    page = c.page
    page.click("#examples button")
    page.js("document.querySelector('#question').value = ''")
    whole = page.ask(STORY)
    assert len(whole.split()) > 4, whole
    for end in (lambda: page.click("#stop"), lambda: ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()):
        c.relay.delay = 0.5
        page.press("Regenerate")
        page.wait(lambda: page.answers()[-1] not in ("", "▌"))
        part = page.answers()[-1]
        assert whole.startswith(part.strip("▌")) and len(part) < len(whole), (part, whole)
        assert page.focused() == "stop" and not page.one("#send").is_enabled()
        end()
        page.wait(page.is_idle, 2)
        assert "You stopped the answer." in page.answers()[-1] and page.focused() == "question"
    c.relay.delay, c.relay.cut = 0, 2
    page.press("Regenerate")
    page.wait(page.is_idle)
    assert "The connection was lost" in page.answers()[-1] and page.all(".failure")
    c.relay.cut = None
    error = page.js("const {answer} = await import('/page/api.js');"
                    "return answer({x: 'x'.repeat(33 << 20)}).catch(e => e.message)")
    assert error.startswith("The pictures of this chat are too large"), error
    assert page.ask(QUESTION)  # the answer that failed is left out of the next question
    roles = [m["role"] for m in c.relay.asked[-1]["messages"]]
    assert roles in (["user"], ["user", "assistant", "user"]), roles


def test_branches(c):
    """Another answer and an edited question are branches, between which one can go."""
    page = c.page
    page.click("#examples button")
    assert page.ask("") == "three"
    page.press("Regenerate")
    page.wait(page.is_idle)
    assert "2/2" in page.text(".assistant .branches")
    page.press("Edit")
    box = page.one(".message textarea")
    assert box.get_attribute("value") == QUESTION
    box.clear()
    box.send_keys("Is there a star?", Keys.ENTER)
    page.wait(lambda: page.is_idle() and page.answers() == ["yes"])
    assert len(c.sent_pictures()) == 1 and len(c.relay.asked[-1]["messages"]) == 1
    assert "2/2" in page.text(".user .branches")
    page.click(".user .branches [aria-label='Earlier version']")
    assert page.answers() == ["three"] and QUESTION in page.text(".user") and "2/2" in page.text(".assistant .branches")
    page.click(".assistant .branches [aria-label='Earlier version']")
    assert "1/2" in page.text(".assistant .branches")
    page.ask("Is there a circle?")
    page.driver.refresh()  # chats are kept
    page.wait(page.is_started)
    page.click("#chats .title")
    assert len(page.answers()) == 2 and "1/2" in page.text(".assistant .branches")
    page.press("✕", "#chats")
    assert not page.all("#chats li") and not page.answers()


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


def luminance(colour):
    parts = [int(p) / 255 for p in re.findall(r"\d+", colour)[:3]]
    r, g, b = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_looks(c):
    """Light and dark: text contrasts with its ground. A phone: nothing is cut off, and the menu opens."""
    page = c.page
    page.click("#examples button")
    page.ask("")
    grounds = {}
    for scheme in ("light", "dark"):
        page.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for selector in ("body", ".user", ".stats", "#send", "#side", "#chats .title", "#question", ".who",
                         "#new-chat"):
            text, ground = page.js("""let e = document.querySelector(arguments[0]);
              const text = getComputedStyle(e).color;
              while (getComputedStyle(e).backgroundColor === 'rgba(0, 0, 0, 0)') e = e.parentElement;
              return [text, getComputedStyle(e).backgroundColor]""", selector)
            low, high = sorted((luminance(text), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, selector, text, ground)
            grounds[scheme, selector] = luminance(ground)
    assert grounds["dark", "body"] < 0.1 < 0.8 < grounds["light", "body"]
    page.cdp("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    assert page.js("return document.documentElement.scrollWidth") <= 360
    cut = page.js("return [...document.querySelectorAll('main button, main textarea, header *, .message')]"
                  ".filter(e => e.offsetParent && e.getBoundingClientRect().right > 361).map(e => e.outerHTML)")
    assert not cut, cut
    assert not page.one("#side").is_displayed()
    page.click("#menu")
    assert page.one("#side").is_displayed() and page.one("#menu").get_attribute("aria-expanded") == "true"
    assert page.js("return document.documentElement.scrollWidth") <= 360
    page.click("#chats .title")
    assert page.one("main").is_displayed() and page.answers() == ["three"]
    assert page.ask("Is there a star?") == "yes"


def test_keyboard(c):
    """Everything can be reached and named without a mouse."""
    page, keys = c.page, lambda *k: ActionChains(c.page.driver).send_keys(*k).perform()
    page.js("document.body.tabIndex = -1; document.body.focus()")
    keys(Keys.TAB)
    assert page.focused() == "Go to the question"
    keys(Keys.ENTER)
    assert page.focused() == "question"
    keys("How many")
    ActionChains(page.driver).key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
    keys("shapes?")
    assert page.one("#question").get_attribute("value") == "How many\nshapes?"
    keys(Keys.ENTER)
    page.wait(lambda: page.is_idle() and page.answers())
    seen = []
    page.js("document.querySelector('.skip').focus()")
    while page.focused() not in seen[:1] and len(seen) < 60:
        seen.append(page.focused())
        outline = page.js("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", seen[-1]
        if page.focused() == "Regenerate":
            break
        keys(Keys.TAB)
    assert {"new-chat", "compare", "model", "export", "import", "Edit", "Regenerate"} <= set(seen), seen
    keys(Keys.ENTER)
    page.wait(lambda: page.is_idle() and "2/2" in page.text(".assistant"))
    tree = page.cdp("Accessibility.getFullAXTree")["nodes"]
    needs = {"button", "textbox", "combobox", "slider", "radio", "image", "link", "dialog", "group", "region", "form"}
    for node in tree:
        kind = node.get("role", {}).get("value")
        if kind in needs and not node["ignored"]:
            assert node.get("name", {}).get("value"), node
    kinds = {node.get("role", {}).get("value") for node in tree if not node["ignored"]}
    assert {"main", "complementary", "banner", "status", "heading", "list", "form"} <= kinds, kinds


def test_key(c):
    """A server with a key: the page asks for it, again after a wrong one, and keeps it in the tab."""
    c.page.check_quiet()
    with Server(c.program, "serve", "--model-path", c.model, "--model-name", "tiny", "--api-key", "secret",
                ready="ready$") as server:
        page = Page(c.page.driver, f"http://127.0.0.1:{server.port}")
        page.open()
        for key in ("wrong", "secret"):
            page.wait(lambda: page.one("#key-dialog").is_displayed() and page.focused() == "key")
            page.one("#key").send_keys(key, Keys.ENTER)
        page.wait(page.is_started)
        assert not page.one("#log-note").is_displayed()
        page.click("#examples button")
        assert page.ask("") == "three" and "Upvote" not in page.text("main")
        page.check_quiet(r"status of 401 \(Unauthorized\)$")
        page.start()
        assert not page.one("#key-dialog").is_displayed()
        page.check_quiet()


def test_controller(c):
    """`llava web`: the same page, for models behind a controller."""
    c.page.check_quiet()
    with Server(c.program, "controller") as controller:
        url = f"http://127.0.0.1:{controller.port}"
        with Server(c.program, "worker", "--model-path", c.model, "--model-name", "llava-v1.5-tiny",
                    "--no-register", line=r"on port (\d+)$") as worker:
            register = [c.program, "register-worker", "--controller", url, "--worker-name",
                        f"http://127.0.0.1:{worker.port}"]
            subprocess.run(register, check=True)
            with Server(c.program, "web", "--controller", url) as web:
                page = Page(c.page.driver, f"http://127.0.0.1:{web.port}")
                page.start("?model=llava-v1.5-tiny")
                page.click("#examples button")
                assert page.ask("") == "three"
                assert re.fullmatch(r"first token after \d+\.\d\d s · \d+\.\d\d s in all", page.text(".stats"))
                page.add_file(c.images / "two-circles.png")
                assert page.ask("How many circles are there?")
                page.check_quiet()
            page.ask("And now?")  # the server is gone
            assert page.text(".failure") == "The server does not answer."
            page.check_quiet("ERR_CONNECTION_REFUSED")


def take_pictures(c, folder):
    """The pictures of docs/web.md."""
    page = c.page

    def take(name, width, height, scheme, mobile=False):
        page.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        page.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.js("for (const pane of document.querySelectorAll('.pane')) pane.scrollTop = pane.scrollHeight")
        time.sleep(0.5)
        picture = base64.b64decode(page.cdp("Page.captureScreenshot", format="png")["data"])
        assert len(picture) < 150_000, (name, len(picture))
        (folder / name).write_bytes(picture)

    page.cdp("Emulation.setDeviceMetricsOverride", width=1100, height=860, deviceScaleFactor=1, mobile=False)
    page.click("#examples button")
    page.ask("")
    page.ask("Is there a star?")
    take("web.png", 1100, 860, "light")
    take("web-phone.png", 380, 720, "dark", mobile=True)
    page.cdp("Emulation.setDeviceMetricsOverride", width=1100, height=700, deviceScaleFactor=1, mobile=False)
    page.choose("#compare", "hidden")
    page.click("#examples button:last-child")
    page.ask("")
    take("web-two-models.png", 1100, 700, "dark")


TESTS = [test_example, test_pictures, test_modes, test_stop, test_branches, test_votes, test_two_models, test_files,
         test_looks, test_keyboard, test_key, test_controller]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--only", help="the name of one test, such as pictures")
    parser.add_argument("--pictures", type=pathlib.Path, help="write the pictures of docs/web.md into this folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        logs = folder / "logs"
        with Server(args.program, "serve", "--model-path", args.model, "--model-name", "tiny", "--model-path",
                    args.model, "--model-name", "other", "--log-folder", logs, ready="ready$") as server, \
                Relay(server.port) as relay:
            driver = start_chromium(folder)
            try:
                c = Context(Page(driver, relay.origin), relay, args.model, args.program, logs, folder)
                if args.pictures:
                    c.page.start()
                    return take_pictures(c, args.pictures)
                for test in TESTS:
                    if args.only and test.__name__ != f"test_{args.only}":
                        continue
                    start = time.monotonic()
                    c.page.start()
                    driver.execute_async_script(FORGET)
                    c.page.start()
                    test(c)
                    if test not in (test_key, test_controller):  # they have servers of their own
                        c.page.check_quiet()
                    c.page.cdp("Emulation.clearDeviceMetricsOverride")
                    c.page.cdp("Emulation.setEmulatedMedia", features=[])
                    print(f"{test.__name__}: {time.monotonic() - start:.1f} s", flush=True)
            finally:
                driver.quit()


if __name__ == "__main__":
    main()
