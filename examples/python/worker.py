"""Works the external queue `words`: counts the words of a text.

    NATS_URL=nats://127.0.0.1:4222 worker.py

A text that is no string is refused for ever. One that holds "fail" fails, as if
something that the work needs were away; "busy" asks for another attempt soon, and
"later" puts the job off once. `seconds_each` makes each word take so long.
"""

import asyncio
import base64
import collections
import json
import os
import sys

import nats
from nats.errors import Error

from enqueue import envelope

QUEUE = "words"
# The first that has a job is asked first.
CONSUMERS = [f"{QUEUE}-high", QUEUE, f"{QUEUE}-low"]
# What an envelope has at least: docs/schemas/envelope.schema.json.
REQUIRED = ["id", "kind", "version", "time", "cause", "attempt", "payload"]
# A message that nobody spoke of for 10 s is delivered again.
HEARTBEAT = 3
# A message that came so often without an outcome takes its worker away.
DELIVERIES = 3
# So long a pull waits where there is no job.
WAIT = 5
# Before it is tried again, when NATS is away or a consumer is not there.
PAUSE = 1


class Refused(Error):
    """A consumer is not there, or does not take our pull."""


async def count(client, job):
    """What came of a job: the outcome of docs/schemas/compute-result.schema.json."""
    payload = job["payload"] if isinstance(job["payload"], dict) else {}
    text = payload.get("text")
    if not isinstance(text, str):
        return {"refused": "text is missing, or no string"}
    if "fail" in text:
        return {"failed": "the dictionary is away"}
    if "busy" in text:
        return {"failed": "the dictionary is busy", "retry_after": "200ms"}
    if "later" in text and job["attempt"] == 1:
        return {"snoozed": "200ms"}
    words = text.split()
    if each := payload.get("seconds_each"):
        for done in range(len(words)):
            await tell_progress(client, job, done / len(words))
            await asyncio.sleep(each)
    return {"made": {"words": len(words)}}


async def tell_progress(client, job, part):
    """Tells those who watch; nothing is kept."""
    progress = {"job": job["id"], "kind": job["kind"], "attempt": job["attempt"], "progress": part}
    await client.publish(f"progress.{QUEUE}", json.dumps(progress).encode())


async def store(client, kind, payload, cause, msg_id):
    """Returns when it is on disk; the second of two with one id is stored once."""
    await client.jetstream().publish(
        f"jobs.results.{kind}",
        json.dumps(envelope(kind, payload, cause)).encode(),
        stream="JOBS",
        headers={"Nats-Msg-Id": msg_id},
    )


async def hand_in(client, job, outcome):
    result = {"queue": QUEUE, "job": job, "outcome": outcome}
    await store(client, "compute", result, job["id"], f"{job['id']}.{job['attempt']}.result")


async def hand_in_poison(client, message, why):
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
    await store(client, "poison", poison, None, f"poison.{number}")


def read(message):
    """The jobs of a message: one, or those of a pack, which is a list."""
    body = json.loads(message.data)
    jobs = body if isinstance(body, list) else [body]
    if not jobs:
        raise ValueError("its pack is empty")
    for job in jobs:
        if not isinstance(job, dict):
            raise ValueError("it is no object")
        if missing := [field for field in REQUIRED if field not in job]:
            raise ValueError(f"it has no {missing[0]}")
    return jobs


class Cancels:
    """What the admin has cancelled, and what runs."""

    def __init__(self):
        # Of jobs that others work it hears too: it remembers the last of all.
        self.asked, self.running = collections.deque(maxlen=1000), {}

    async def hear(self, message):
        word = json.loads(message.data)
        if word.get("do") == "cancel":
            self.asked.append(word["job"])
            if task := self.running.get(word["job"]):
                task.cancel()

    async def outcome(self, job, work):
        """What comes of the work, or that it was cut off."""
        task = self.running[job["id"]] = asyncio.create_task(work)
        if job["id"] in self.asked:
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            if job["id"] not in self.asked:
                raise  # It is this program that is stopped.
            return "cancelled"
        finally:
            del self.running[job["id"]]


async def work(client, message, cancels):
    """Does the work, hands in the result, and only then acknowledges."""
    try:
        jobs = read(message)
    except ValueError as error:
        await hand_in_poison(client, message, error)
        jobs = []
    for job in jobs:
        if message.metadata.num_delivered > DELIVERIES:
            outcome = {"lost": "its worker went away"}
        else:
            outcome = await cancels.outcome(job, count(client, job))
        await hand_in(client, job, outcome)
    await message.ack_sync()


async def heartbeat(message):
    while True:
        await asyncio.sleep(HEARTBEAT)
        await message.in_progress()


async def pull(client, names, **how):
    """Asks each consumer for a message, until the first has come; gives what came."""
    found, told = {}, asyncio.Queue()

    async def ask(name):
        async def answered(message):
            status = (message.headers or {}).get("Status")
            if status is None:
                found[name] = message
            told.put_nowait(status)

        subscription = await client.subscribe(client.new_inbox(), cb=answered)
        subject = f"$JS.API.CONSUMER.MSG.NEXT.JOBS.{name}"
        await client.publish(subject, json.dumps({"batch": 1} | how).encode(), subscription.subject)
        return subscription

    asked = [await ask(name) for name in names]
    statuses = []
    try:
        while not found and len(statuses) < len(names):
            statuses.append(await asyncio.wait_for(told.get(), WAIT + PAUSE))
    except asyncio.TimeoutError:
        pass  # The connection was another one: the pulls of before are forgotten.
    # Who has gone is handed nothing; what is under way until then comes still.
    await asyncio.gather(*(subscription.drain() for subscription in asked))
    # 404: no message. 408: none came in time.
    if not found and (wrong := set(statuses) - {"404", "408"}):
        raise Refused(f"the status {wrong}")
    return [found[name] for name in names if name in found]


async def take(client):
    """The next message, of the highest priority that has one; rarely others with it."""
    while True:
        for name in CONSUMERS:
            if found := await pull(client, [name], no_wait=True):
                return found
        if found := await pull(client, CONSUMERS, expires=WAIT * 1_000_000_000):
            return found


async def work_next(client, cancels):
    messages = await take(client)
    beating = [asyncio.create_task(heartbeat(message)) for message in messages]
    try:
        for message, beats in zip(messages, beating):
            await work(client, message, cancels)
            beats.cancel()
    finally:
        for beats in beating:
            beats.cancel()


async def main():
    client = await nats.connect(os.environ["NATS_URL"], max_reconnect_attempts=-1)
    cancels = Cancels()
    await client.subscribe("control.workers", cb=cancels.hear)
    while True:
        try:
            await work_next(client, cancels)
        except Error as error:
            # NATS is away, or Hearth's worker makes a consumer anew, which has the same name.
            # What was not acknowledged comes again.
            print(f"the work goes on in {PAUSE} s: {error!r}", file=sys.stderr, flush=True)
            await asyncio.sleep(PAUSE)


if __name__ == "__main__":
    asyncio.run(main())
