"""Has a page of the browser listen to events, until the server has gone.

usage: events_page.py URL PID SCREENSHOT

Says on standard output what the page shows: first when three events have come, then when the
server, which has the number PID, was told to drain. Leaves a picture of the page.
"""

import asyncio
import os
import signal
import sys

from browser import browse

# Resolves with what the page shows, as soon as this holds.
WAIT = """new Promise((resolve) => {
    const look = () => {
        const state = document.getElementById("state").textContent;
        const events = [...document.querySelectorAll("#events li")];
        if (%s) {
            resolve(`${state}: ${events.slice(0, 3).map((event) => event.value).join(" ")}`);
        } else {
            setTimeout(look, 20);
        }
    };
    look();
})"""


async def listen(browser, url, pid, screenshot):
    """Has a page listen."""
    page = await browser.open(url)
    print(await browser.evaluate(page, WAIT % "events.length >= 3"))
    await browser.take_picture(page, screenshot)
    os.kill(pid, signal.SIGINT)
    print(await browser.evaluate(page, WAIT % "state != 'listening'"))


URL, PID, SCREENSHOT = sys.argv[1:]
asyncio.run(browse(lambda browser: listen(browser, URL, int(PID), SCREENSHOT)))
