# SPDX-License-Identifier: Apache-2.0
"""Tests of the web page for page_browser.py: looks, keyboard and screen reader; servers with a key or a controller."""
import re
import subprocess

from browser import Page, Server
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys


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
