"""The example of a terminal in a browser, in a real one: Chromium without a window, told what to do over its DevTools."""

import functools
import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time
import urllib.request

import wheels

wheels.need("websocket-client==1.8.0")

import websocket  # noqa: E402

from connect_side import SECRET_NAME, serve, token  # noqa: E402
from cordon_rest import URL, create, run_check, start  # noqa: E402


class Browser:
    """A headless Chromium with one page, and a directory of its own."""

    def __init__(self, url):
        self.home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0",
                "--remote-allow-origins=*", "--no-first-run", f"--user-data-dir={self.home.name}", url,
            ], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.home.name})
        port = pathlib.Path(self.home.name, "DevToolsActivePort")
        page = until(lambda: port.exists() and self.page(port.read_text().split()[0]), "a page")
        self.tools = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=30)
        self.number = 0

    @staticmethod
    def page(port):
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list"))
        return next((page for page in pages if page["type"] == "page"), None)

    def call(self, method, **parameters):
        self.number += 1
        self.tools.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.tools.recv())
            if answer.get("id") == self.number:
                return answer["result"]

    def value(self, expression):
        return self.call("Runtime.evaluate", expression=expression)["result"].get("value")

    def press(self, *keys, modifiers=0):
        for key in keys:
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers)

    def close(self):
        self.tools.close()
        self.process.terminate()
        self.process.wait()
        self.home.cleanup()


def until(look, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"there never was {what}"
        time.sleep(0.05)
    return seen


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def terminal(directory, port, control):
    """Types into the page of the example, restarts the service meanwhile, and looks at what it shows."""
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), functools.partial(Quiet, directory=directory))
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    id = create()["id"]
    shell = start(id, "bash", "--norc", pty={"term": "dumb"}, env={"PS1": "> "}).rsplit("/", 1)[1]
    fragment = f"url={URL}&token={os.environ['CORDON_TOKEN']}&sandbox={id}&exec={shell}"
    browser = Browser(f"http://127.0.0.1:{port}/terminal.html#{fragment}")

    def shows(text):
        screen = "document.getElementById('screen').textContent"
        until(lambda: text in (browser.value(screen) or ""), f"{text!r} on the screen")

    try:
        shows("> ")
        browser.call("Runtime.evaluate", expression="document.getElementById('screen').focus()")
        browser.press(*"echo $((6*7))", "Enter")
        shows("\n42\r\n> ")
        browser.press(*"sleep 100", "Enter")
        shows("sleep 100\r\n")
        browser.press("c", modifiers=2)
        shows("^C")
        # The test kills the service now, and starts it again.
        pathlib.Path(control).touch()
        until(lambda: not os.path.exists(control), "a restarted service")
        browser.press(*"echo st''ill here", "Enter")
        shows("\nstill here\r\n> ")
        browser.press(*"exit 3", "Enter")
        until(lambda: browser.value("document.title") in ("ended: exited", "closed: 1000"), "an end")
        screen = browser.value("document.getElementById('screen').textContent")
        assert screen.count("42") == 1 and screen.count("still here") == 1, screen
    finally:
        browser.close()
        pages.shutdown()


SERVED = r'''
import asyncio, websockets
PAGE = b"""<!doctype html><meta charset=utf-8><title>loading</title><script>
(async () => {
  const who = await (await fetch("/who")).text();
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/socket");
  socket.onopen = () => socket.send("hello");
  socket.onmessage = (message) => {
    document.title = "done";
    window.seen = JSON.stringify({who, echo: message.data, address: location.href, cookie: document.cookie, referrer: document.referrer});
  };
})();
</script>"""
def plain(path, fields):
    if path == "/socket": return None
    if path == "/who": return 200, [("Content-Type", "text/plain")], fields.get("X-Verified-User-Data", "nobody").encode()
    return 200, [("Content-Type", "text/html")], PAGE
async def echo(socket):
    async for message in socket: await socket.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", 8080, process_request=lambda path, fields: asyncio.sleep(0, plain(path, fields))):
        await asyncio.Future()
asyncio.run(main())
'''


def connected():
    """A page behind a connect token: its requests and its WebSocket get through, and no script of it sees the token."""
    id = create()["id"]
    serve(id, SERVED, packages=("websockets==13.1",))
    secret, url = token(id, user_metadata='{"user": "alice"}')
    browser = Browser(f"{url}page?a=1&{SECRET_NAME}={secret}")
    try:
        until(lambda: browser.value("document.title") == "done", "a page that has everything")
        seen = json.loads(browser.value("window.seen"))
        assert seen == {"who": '{"user": "alice"}', "echo": "hello", "address": url + "page?a=1", "cookie": "", "referrer": ""}, seen
    finally:
        browser.close()


run_check(globals())
