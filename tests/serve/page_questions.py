# SPDX-License-Identifier: Apache-2.0
"""Tests of the web page for page_browser.py: questions, pictures, answers that are stopped, asked again or edited."""
import base64
import re
import struct

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

QUESTION = "How many shapes are there?"


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
    whole = page.ask("Describe the picture.")
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
