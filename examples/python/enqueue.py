"""Orders a job by publishing it to the JOBS stream.

    NATS_URL=nats://127.0.0.1:4222 enqueue.py words count '{"text": "one two"}'

Prints the job's id once NATS has it on disk.
"""

import asyncio
import json
import os
import sys
from datetime import datetime, timezone
from uuid import uuid4

import nats


def envelope(kind, payload, cause=None):
    """A first attempt, made now."""
    return {
        "id": str(uuid4()),
        "kind": kind,
        "version": 1,
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "cause": cause or str(uuid4()),
        "attempt": 1,
        "payload": payload,
    }


async def main(queue, kind, payload):
    job = envelope(kind, json.loads(payload))
    client = await nats.connect(os.environ["NATS_URL"])
    await client.jetstream().publish(
        f"jobs.{queue}.{kind}",
        json.dumps(job).encode(),
        stream="JOBS",
        # A second publish of the same attempt is stored once.
        headers={"Nats-Msg-Id": f"{job['id']}.{job['attempt']}"},
    )
    await client.close()
    print(job["id"])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
