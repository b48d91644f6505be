"""Talks to the WebSocket example with the `websockets` package: to its echo and in its chat.

usage: websockets_talk.py ADDRESS PID

Says on standard output what it was told. In the end the server, which has the number PID, is told
to drain.
"""

import asyncio
import os
import signal
import sys

import websockets

# What the server is told to take at most, in one message.
MAX_MESSAGE = 1 << 20


def shown(message):
    """The message, or how long it is."""
    return repr(message) if len(message) < 80 else f"{type(message).__name__} of {len(message)}"


async def echo(url):
    """Messages of all kinds come back as they were sent."""
    async with websockets.connect(url, max_size=None) as socket:
        for message in (
            "héllo \U0001f44b",
            "",
            bytes(range(256)),
            "x" * 70_000,
            bytes(MAX_MESSAGE),
            ["in ", "", "fragments, ", "whole again"],
            [b"\xff" * 50_000, b"\xfe" * 50_000],
        ):
            await socket.send(message)
            answer = await socket.recv()
            whole = message if not isinstance(message, list) else type(message[0])().join(message)
            print(shown(answer), "same" if answer == whole else "other")
        await (await socket.ping("are you there?"))
        print("pong")
        await socket.close(4321, "enough")
        print(socket.close_code, repr(socket.close_reason))


async def closed(url, message, **options):
    """With which close the server answers a message."""
    async with websockets.connect(url, **options) as socket:
        try:
            await socket.send(message)
            while True:
                await socket.recv()
        except websockets.ConnectionClosed as closed:
            print(closed.rcvd.code, closed.rcvd.reason)


async def refused(url, **options):
    """With which status the server answers a handshake."""
    try:
        async with websockets.connect(url, **options):
            print("opened")
    except websockets.InvalidStatus as status:
        print(status.response.status_code, status.response.body.decode())


async def chat(url, pid):
    """Two chat, until the server goes down."""
    async with websockets.connect(url) as one:
        print("one:", await one.recv(), "/", await one.recv())
        async with websockets.connect(url) as other:
            print("other:", await other.recv(), "/", await other.recv())
            print("one:", await one.recv())
            await one.send("hello")
            await other.send(["hello ", "yourself"])
            for name, socket in (("one", one), ("other", other)):
                print(f"{name}:", *sorted([await socket.recv(), await socket.recv()]), sep=" / ")
            await one.send("x" * 3000)
            print("one:", await one.recv())
        print("one:", await one.recv())
        os.kill(pid, signal.SIGINT)
        try:
            await one.recv()
        except websockets.ConnectionClosed as closed:
            print("one:", closed.rcvd.code, closed.rcvd.reason)


async def main(address, pid):
    """Does it all."""
    await echo(f"ws://{address}/echo")
    await closed(f"ws://{address}/echo", bytes(MAX_MESSAGE + 1))
    await closed(f"ws://{address}/chat", b"bytes")
    await refused(f"ws://{address}/nowhere")
    await refused(f"ws://{address}/echo", origin="http://elsewhere.example")
    await refused(f"ws://{address}/echo", origin=f"http://{address}")
    await chat(f"ws://{address}/chat", int(pid))


asyncio.run(main(*sys.argv[1:]))
