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
import tempfile
import time

import page_access
import page_choices
import page_questions
from browser import Page, Relay, Server, start_chromium

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


TESTS = [test for module in (page_questions, page_choices, page_access) for name, test in vars(module).items()
         if name.startswith("test_")]
WITH_OWN_SERVERS = [page_access.test_key, page_access.test_controller]


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
                    if test not in WITH_OWN_SERVERS:
                        c.page.check_quiet()
                    c.page.cdp("Emulation.clearDeviceMetricsOverride")
                    c.page.cdp("Emulation.setEmulatedMedia", features=[])
                    print(f"{test.__name__}: {time.monotonic() - start:.1f} s", flush=True)
            finally:
                driver.quit()


if __name__ == "__main__":
    main()
