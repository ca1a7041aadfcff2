"""Opens a page in headless Chromium, light and dark, and prints what it saw as JSON.

    browser.py URL DIRECTORY

Pictures are written into the directory. Chromium is driven by its DevTools protocol over two pipes, so that
no library is needed: it reads file descriptor 3 and writes 4, messages end with a zero byte.
"""

import base64
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
DEADLINE = 120
WIDTH = 1280

# Of the colours that text has, and what is as wide and high as it should be.
LOOK = """
JSON.stringify({
  background: getComputedStyle(document.body).backgroundColor,
  colors: [...new Set([...document.querySelectorAll('body *')]
    .filter(element => element.innerText).map(element => getComputedStyle(element).color))],
  tables: [...document.querySelectorAll('table')].map(table => ({
    rows: table.querySelectorAll('tbody tr').length,
    width: table.getBoundingClientRect().width,
    height: table.getBoundingClientRect().height,
  })),
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  height: document.documentElement.scrollHeight,
})
"""


class Browser:
    """A running Chromium with one page."""

    def __init__(self, program, directory):
        # Above 3 and 4, which are the child's.
        ours = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for pair in (os.pipe(), os.pipe()) for end in pair]
        reads, self.writer, self.reader, writes = ours

        def place():
            os.dup2(reads, 3)
            os.dup2(writes, 4)

        self.process = subprocess.Popen(
            [
                program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={directory}/profile", "about:blank",
            ],
            preexec_fn=place, pass_fds=(3, 4),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self.deadline = time.monotonic() + DEADLINE
        self.number, self.session, self.rest, self.events = 0, None, b"", []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def ask(self, method, **parameters):
        """The result of a command; events that come meanwhile are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        """Until an event has come."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.next())

    def next(self):
        while b"\0" not in self.rest:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.reader], [], [], left)[0]:
                sys.exit(f"Chromium said nothing for {DEADLINE} s")
            part = os.read(self.reader, 1 << 16)
            if not part:
                sys.exit("Chromium ended")
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def close(self):
        self.process.kill()
        self.process.wait()


def look(browser, url, scheme, picture):
    """What the page is like in one scheme."""
    browser.events.clear()
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.ask("Emulation.setEmulatedMedia", features=features)
    browser.ask("Page.navigate", url=url)
    browser.wait("Page.loadEventFired")
    seen = json.loads(browser.ask("Runtime.evaluate", expression=LOOK)["result"]["value"])
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": seen["height"], "scale": 1}
    shot = browser.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    picture.write_bytes(base64.b64decode(shot["data"]))

    def told(method):
        return [event["params"] for event in browser.events if event.get("method") == method]

    seen["requests"] = [event["request"]["url"] for event in told("Network.requestWillBeSent")]
    seen["messages"] = [
        *(event["entry"]["text"] for event in told("Log.entryAdded")),
        *(str(event["args"]) for event in told("Runtime.consoleAPICalled")),
        *(str(event["exceptionDetails"]) for event in told("Runtime.exceptionThrown")),
    ]
    return seen


def main():
    url, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        sys.exit("no Chromium: install Debian's package `chromium`")
    browser = Browser(program, directory)
    try:
        for domain in ("Page", "Network", "Log", "Runtime"):
            browser.ask(f"{domain}.enable")
        browser.ask("Emulation.setDeviceMetricsOverride", width=WIDTH, height=900, deviceScaleFactor=1, mobile=False)
        schemes = ("light", "dark")
        seen = {scheme: look(browser, url, scheme, directory / f"{scheme}.png") for scheme in schemes}
    finally:
        browser.close()
    print(json.dumps(seen))


main()
