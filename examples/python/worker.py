"""Works the external queue `words`: counts the words of a text.

    NATS_URL=nats://127.0.0.1:4222 worker.py

A text that is no string is refused for ever; one that holds "fail" fails, as if
something that the work needs were away.
"""

import asyncio
import base64
import json
import os
import sys

import nats
from nats.errors import Error, TimeoutError

from enqueue import envelope

QUEUE = "words"
# The first that has a job is asked first.
CONSUMERS = [f"{QUEUE}-high", QUEUE, f"{QUEUE}-low"]
# A message that nobody spoke of for 10 s is delivered again.
HEARTBEAT = 3
# A message that came so often without an outcome takes its worker away.
DELIVERIES = 3
# Before it is tried again, when NATS is away or a consumer is not there.
PAUSE = 1


def count(payload):
    """What came of a job: the outcome of docs/schemas/compute-result.schema.json."""
    text = payload.get("text") if isinstance(payload, dict) else None
    if not isinstance(text, str):
        return {"refused": "text is missing, or no string"}
    if "fail" in text:
        return {"failed": "the dictionary is away"}
    return {"made": {"words": len(text.split())}}


async def hand_in(jetstream, job, outcome):
    """Returns when the result is on disk; the second of two is known by its id."""
    result = envelope("compute", {"queue": QUEUE, "job": job, "outcome": outcome}, job["id"])
    await jetstream.publish(
        "jobs.results.compute",
        json.dumps(result).encode(),
        stream="JOBS",
        headers={"Nats-Msg-Id": f"{job['id']}.{job['attempt']}.result"},
    )


async def hand_in_poison(jetstream, message, why):
    """Has Hearth keep what is no job, with its bytes, as a dead one."""
    known = message.metadata
    # The time tells one life of the stream from another.
    number = f"{known.stream}.{known.sequence.stream}.{int(known.timestamp.timestamp())}"
    poison = {
        "message": number,
        "queue": QUEUE,
        "kind": message.subject.split(".")[2],
        "body": base64.b64encode(message.data[:600_000]).decode(),
        "reason": f"the message is no job: {why}",
    }
    await jetstream.publish(
        "jobs.results.poison",
        json.dumps(envelope("poison", poison)).encode(),
        stream="JOBS",
        headers={"Nats-Msg-Id": f"poison.{number}"},
    )


async def heartbeat(message):
    while True:
        await asyncio.sleep(HEARTBEAT)
        await message.in_progress()


async def work(jetstream, message):
    """Does the work, hands in the result, and only then acknowledges."""
    beating = asyncio.create_task(heartbeat(message))
    try:
        body = json.loads(message.data)
        jobs = body if isinstance(body, list) else [body]  # a pack is a list
        if not jobs:
            raise ValueError("its pack is empty")
        for job in jobs:
            lost = message.metadata.num_delivered > DELIVERIES
            outcome = {"lost": "its worker went away"} if lost else count(job["payload"])
            await hand_in(jetstream, job, outcome)
    except (ValueError, KeyError, TypeError) as error:
        await hand_in_poison(jetstream, message, error)
    finally:
        beating.cancel()
    await message.ack_sync()


async def pull(subscriptions):
    """The next message, of the highest priority that has one."""
    while True:
        for subscription in subscriptions:
            try:
                return (await subscription.fetch(1, timeout=0.2))[0]
            except TimeoutError:
                continue


async def main():
    client = await nats.connect(os.environ["NATS_URL"], max_reconnect_attempts=-1)
    jetstream = client.jetstream()
    # Hearth's worker makes the consumers; ours only binds to them.
    subscriptions = [
        await jetstream.pull_subscribe_bind(consumer=name, stream="JOBS") for name in CONSUMERS
    ]
    while True:
        try:
            await work(jetstream, await pull(subscriptions))
        except Error as error:
            # NATS is away, or Hearth's worker makes a consumer anew, which has the same name.
            # What was not acknowledged comes again.
            print(f"the work goes on in {PAUSE} s: {error!r}", file=sys.stderr, flush=True)
            await asyncio.sleep(PAUSE)


if __name__ == "__main__":
    asyncio.run(main())
