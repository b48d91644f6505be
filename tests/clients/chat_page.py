"""Has two pages of the browser chat with each other, by Chromium's DevTools protocol.

usage: chat_page.py URL PID SCREENSHOT

Says on standard output what the pages show: first when both have said something, then when the
server, which has the number PID, was told to drain. Leaves a picture of the first page.
"""

import asyncio
import json
import os
import signal
import sys

from browser import browse

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


async def wait(browser, page, *texts):
    """What the page shows, as soon as these texts are in it."""
    return await browser.evaluate(page, WAIT % json.dumps(texts))


async def say(browser, page, text):
    """Types a text, and sends it."""
    await browser.evaluate(page, "document.getElementById('text').focus()")
    await browser.call("Input.insertText", page, text=text)
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
    await browser.call("Input.dispatchKeyEvent", page, type="keyDown", **enter)
    await browser.call("Input.dispatchKeyEvent", page, type="keyUp", **enter)


async def chat(browser, url, pid, screenshot):
    """Has two pages chat."""
    one = await browser.open(url)
    await wait(browser, one, "you are guest1")
    other = await browser.open(url)
    await wait(browser, other, "you are guest2")
    await say(browser, one, "hello, <b>world</b> & all")
    await wait(browser, other, "& all")
    await say(browser, other, "grüße \U0001f44b")
    for page in (one, other):
        print(await wait(browser, page, "& all", "grüße \U0001f44b"), end="\n\n")
    await browser.take_picture(one, screenshot)
    os.kill(pid, signal.SIGINT)
    for page in (one, other):
        print(await wait(browser, page, "the server goes down"), end="\n\n")


URL, PID, SCREENSHOT = sys.argv[1:]
asyncio.run(browse(lambda browser: chat(browser, URL, int(PID), SCREENSHOT)))
