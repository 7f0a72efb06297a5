"""Watches a post's comments with httpx-sse, and prints what comes.
    python3 watch.py URL SLUG [CURSOR]
"""

import asyncio
import json
import sys

import httpx
from httpx_sse import aconnect_sse


def say(**what):
    print(json.dumps(what), flush=True)


async def watch(url, slug, since=""):
    place, pause = since, 1.0
    async with httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(10, read=60)) as client:
        while True:
            headers = {"Last-Event-ID": place} if place else {}
            asked = {"params": {"topic": f"comments.{slug}"}, "headers": headers}
            try:
                async with aconnect_sse(client, "GET", "/events", **asked) as source:
                    source.response.raise_for_status()
                    say(open=True)
                    async for event in source.aiter_sse():
                        place = event.id or place
                        pause = pause if event.retry is None else event.retry / 1000
                        await tell(client, slug, event)
            except httpx.TransportError:
                pass  # The site is away: it is asked again after the pause.
            await asyncio.sleep(pause)


async def tell(client, slug, event):
    if event.event == f"comments.{slug}":
        say(comment=event.json()["payload"]["body"], id=event.id)
    elif event.event == "reset":
        answer = await client.get(f"/api/v1/posts/{slug}/comments")
        say(reset=[comment["body"] for comment in answer.json()["items"]])


asyncio.run(watch(*sys.argv[1:]))
