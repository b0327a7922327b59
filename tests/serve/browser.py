# SPDX-License-Identifier: Apache-2.0
"""Chromium, driven, and a relay before the server, which sees what the page asks and can slow its answers down. For
page_browser.py. Needs: selenium; Debian's chromium and chromium-driver."""
import http.client
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import time

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait


class Server:
    """llava-serve, whose port is on a line of its output or errors."""

    def __init__(self, *words, line=r"listen(?:s|ing) on (?:http://.*:|port )(\d+)$", ready=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LLAVA_")}
        self.process = subprocess.Popen([*map(str, words), "--port", "0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env=environment)
        self.port = int(self.wait_for(line)[1])
        if ready:
            self.wait_for(ready)

    def wait_for(self, pattern):
        for line in self.process.stdout:
            if found := re.search(pattern, line.rstrip()):
                return found
        raise AssertionError("the server ended")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def words_of(line):
    """A line of an event stream, or an event for each word: the bundled model says all of an answer at once."""
    if not line.startswith(b"data: {") or b'"content": "' not in line:
        return [line]
    chunk = json.loads(line.removeprefix(b"data: "))
    finish = chunk["choices"][0]["finish_reason"]
    words = re.findall(r"\S*\s*", chunk["choices"][0]["delta"].pop("content"))[:-1] or [""]
    lines = []
    for i, word in enumerate(words):
        chunk["choices"][0].update(delta={"content": word}, finish_reason=finish if i == len(words) - 1 else None)
        lines += [b"data: " + json.dumps(chunk).encode() + b"\n", b"\n"]
    return lines[:-1]


class Relay:
    """Passes requests on to a server, and answers word by word. `delay`: seconds before each event of a stream; `cut`:
    events before the connection is lost, or None; `asked`: the bodies of requests for answers."""

    def __init__(self, port):
        self.delay, self.cut, self.asked = 0, None, []
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/v1/chat/completions":
                    relay.asked.append(json.loads(body))
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
                kept = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "accept-encoding")}
                c.request(self.command, self.path, body or None, kept)
                r = c.getresponse()
                self.send_response(r.status)
                for name, value in r.getheaders():
                    if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                        self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                try:
                    self.pass_body(r)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                c.close()
                self.close_connection = True

            def pass_body(self, r):
                if not r.headers["content-type"].startswith("text/event-stream"):
                    self.wfile.write(r.read())
                    return
                events = 0
                for line in (piece for line in r for piece in words_of(line)):
                    if line.startswith(b"data: "):
                        if events == relay.cut:
                            return
                        events += 1
                        time.sleep(relay.delay)
                    self.wfile.write(line)

            do_GET = do_POST = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def start_chromium(folder):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for word in ("headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-dev-shm-usage",
                 "use-fake-device-for-media-stream", "use-fake-ui-for-media-stream", "window-size=1200,850",
                 f"user-data-dir={folder}/profile"):
        options.add_argument("--" + word)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.get("about:blank")
    time.sleep(0.5)
    driver.get_log("performance")  # of the browser's own first page
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    return driver


class Page:
    """The page in the browser. After each test, `check_quiet` says that it asked nobody else and had no error."""

    def __init__(self, driver, origin):
        self.driver, self.origin = driver, origin

    def open(self, query=""):
        self.driver.get(f"{self.origin}/{query}")

    def is_started(self):
        return self.js("return document.querySelectorAll('#model option').length > 0 && "
                       "document.querySelectorAll('.pane').length > 0")

    def start(self, query=""):
        self.open(query)
        self.wait(self.is_started)

    def js(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def cdp(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector):
        self.one(selector).click()

    def press(self, text, within=""):
        """Clicks the last button with this text."""
        found = [b for b in self.all(f"{within} button") if text in b.text]
        assert found, f"no button {text}"
        self.js("arguments[0].scrollIntoView()", found[-1])
        found[-1].click()

    def wait(self, condition, seconds=60):
        try:
            return WebDriverWait(self.driver, seconds, 0.05).until(lambda _: condition())
        except Exception as e:
            raise AssertionError(f"waited in vain; the page says: {self.text('body')[-600:]}") from e

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def status(self):
        return self.text("#status")

    def answers(self):
        return self.js("return [...document.querySelectorAll('.assistant .body')].map(b => b.innerText.trim())")

    def is_idle(self):
        return self.js("return document.querySelector('#stop').hidden && !document.querySelector('[aria-busy=true]')")

    def type(self, text, *keys):
        self.one("#question").send_keys(text, *keys)

    def ask(self, text):
        """Sends a question, and returns the last answer."""
        before = self.js("return document.querySelectorAll('.message').length")
        self.type(text, Keys.ENTER)
        self.wait(lambda: self.js("return document.querySelectorAll('.message').length") > before)
        self.wait(self.is_idle)
        return self.answers()[-1]

    def add_file(self, path):
        before = len(self.all("#pictures img"))
        self.one("#picture-file").send_keys(str(path))
        self.wait(lambda: len(self.all("#pictures img")) == before + 1)

    def new_chat(self):
        self.click("#new-chat")

    def choose(self, selector, value):
        self.js("const s = document.querySelector(arguments[0]); s.value = arguments[1];"
                "s.dispatchEvent(new Event('change', {bubbles: true}))", selector, value)

    def focused(self):
        return self.js("const e = document.activeElement; return e.id || e.textContent.trim()")

    def check_quiet(self, allowed=r"$^"):
        """Checks the requests and the console since the last check."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                url = message["params"].get("url") or message["params"]["request"]["url"]
                assert url.startswith((self.origin + "/", "data:", "blob:" + self.origin, "about:")), url
        for entry in self.driver.get_log("browser"):
            assert re.search(allowed, entry["message"]), entry
