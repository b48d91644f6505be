"""Has two pages of the browser chat with each other, by Chromium's DevTools protocol.

usage: chat_page.py URL PID SCREENSHOT

Says on standard output what the pages show: first when both have said something, then when the
server, which has the number PID, was told to drain. Leaves a picture of the first page.
"""

import asyncio
import base64
import itertools
import json
import os
import signal
import sys
import tempfile

import websockets

CHROMIUM = """chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync
    --disable-dev-shm-usage --window-size=800,600 --remote-debugging-port=0""".split()

# Resolves with what the page shows, as soon as that has these texts in it.
WAIT = """new Promise((resolve) => {
    const look = () => {
        const shown = document.body.innerText;
        if (%s.every((text) => shown.includes(text))) {
            resolve(`${document.getElementById("state").textContent}
${[...document.querySelectorAll("#log li")].map((line) => line.textContent).join("\\n")}`);
        } else {
            setTimeout(look, 20);
        }
    };
    look();
})"""


class Browser:
    """A browser that is told what to do, one command after the other."""

    def __init__(self, socket):
        self.socket = socket
        self.ids = itertools.count(1)
        self.events = []

    async def call(self, method, session=None, **params):
        """Gives a command, and waits for its result."""
        number = next(self.ids)
        command = {"id": number, "method": method, "params": params}
        if session is not None:
            command["sessionId"] = session
        await self.socket.send(json.dumps(command))
        while True:
            answer = json.loads(await self.socket.recv())
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer}"
                return answer["result"]
            self.events.append(answer)

    async def event(self, method, session):
        """Waits for an event, unless it has come already."""
        is_it = lambda event: (event.get("method"), event.get("sessionId")) == (method, session)
        while not any(map(is_it, self.events)):
            self.events.append(json.loads(await self.socket.recv()))

    async def open(self, url):
        """Opens a page, and waits until it is loaded: what it is called from then on."""
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        attached = await self.call("Target.attachToTarget", targetId=target, flatten=True)
        page = attached["sessionId"]
        await self.call("Page.enable", page)
        await self.call("Page.navigate", page, url=url)
        await self.event("Page.loadEventFired", page)
        return page

    async def wait(self, page, *texts):
        """What the page shows, as soon as these texts are in it."""
        result = await self.call(
            "Runtime.evaluate",
            page,
            expression=WAIT % json.dumps(texts),
            awaitPromise=True,
        )
        return result["result"]["value"]

    async def say(self, page, text):
        """Types a text, and sends it."""
        focus = "document.getElementById('text').focus()"
        await self.call("Runtime.evaluate", page, expression=focus)
        await self.call("Input.insertText", page, text=text)
        enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        await self.call("Input.dispatchKeyEvent", page, type="keyDown", **enter)
        await self.call("Input.dispatchKeyEvent", page, type="keyUp", **enter)


async def chat(browser, url, pid, screenshot):
    """Has two pages chat."""
    one = await browser.open(url)
    await browser.wait(one, "you are guest1")
    other = await browser.open(url)
    await browser.wait(other, "you are guest2")
    await browser.say(one, "hello, <b>world</b> & all")
    await browser.wait(other, "& all")
    await browser.say(other, "grüße \U0001f44b")
    for page in (one, other):
        print(await browser.wait(page, "& all", "grüße \U0001f44b"), end="\n\n")
    await browser.call("Page.bringToFront", one)
    picture = await browser.call("Page.captureScreenshot", one)
    with open(screenshot, "wb") as file:
        file.write(base64.b64decode(picture["data"]))
    os.kill(pid, signal.SIGINT)
    for page in (one, other):
        print(await browser.wait(page, "the server goes down"), end="\n\n")


async def main(url, pid, screenshot):
    """Starts the browser, and ends it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *CHROMIUM,
            f"--user-data-dir={profile}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            said = []
            while not said or not said[-1].startswith("DevTools listening on "):
                line = await process.stderr.readline()
                assert line, "chromium has ended: " + "\n".join(said)
                said.append(line.decode(errors="replace").strip())
            address = said[-1].removeprefix("DevTools listening on ")
            # It has more to say, which must go somewhere.
            rest = asyncio.create_task(process.stderr.read())
            async with websockets.connect(address, max_size=None) as socket:
                await chat(Browser(socket), url, int(pid), screenshot)
            rest.cancel()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


asyncio.run(main(*sys.argv[1:]))
