"""Chromium without a window, told what to do by its DevTools protocol."""

import asyncio
import base64
import itertools
import json
import tempfile

import websockets

CHROMIUM = """chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync
    --disable-dev-shm-usage --window-size=800,600 --remote-debugging-port=0""".split()

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

    async def evaluate(self, page, expression):
        """What an expression comes to on the page, as soon as it comes to anything."""
        given = {"expression": expression, "awaitPromise": True}
        return (await self.call("Runtime.evaluate", page, **given))["result"].get("value")

    async def take_picture(self, page, path):
        """Leaves a picture of the page, as it would be in front."""
        await self.call("Page.bringToFront", page)
        picture = await self.call("Page.captureScreenshot", page)
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))


async def browse(task):
    """Starts a browser, does with it what there is to do, and ends it."""
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
                await task(Browser(socket))
            rest.cancel()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
