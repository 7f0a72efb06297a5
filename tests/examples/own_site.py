"""A site of the tests' own, with an external queue."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import nats
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORDS = {"role": "external", "timeout": "10s", "attempts": 2, "backoff": "100ms",
         "results": ["events.words"]}
PATIENCE = 60


def queues():
    return yaml.safe_load((ROOT / "deploy/queues.yml").read_text())


def wait_for(what, holds):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if found := holds():
            return found
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")


class Site:
    """A site with the external queue `words`, and all that goes over its bus."""

    def __init__(self, command, folder):
        self.command = command
        self.dir = Path(folder) / "site"
        file = Path(folder) / "queues.yml"
        settings = queues()
        settings["queues"]["words"] = WORDS
        file.write_text(yaml.safe_dump(settings))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.site("up", "--detach", "--no-build", "--port", str(port), QUEUES_FILE=str(file))
        self.json = json.loads((self.dir / "site.json").read_text())
        self.environment = os.environ | {"NATS_URL": self.json["nats_url"]}

    def site(self, verb, *words, **variables):
        command = [self.command, verb, "--dir", self.dir, *words]
        subprocess.run(command, check=True, env=os.environ | variables)

    def api(self, path, body=None, more=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.json['admin_token']}",
                   "Content-Type": "application/json"} | (more or {})
        request = urllib.request.Request(self.json["url"] + path, data, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def insist(self, path, body):
        """Asks until the site is there to answer."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        def answered():
            try:
                return self.api(path, body, headers)
            except (urllib.error.URLError, ConnectionError) as error:
                assert getattr(error, "code", 500) >= 500, error
        return wait_for(f"an answer of {path}", answered)

    def post(self):
        """Publishes a post; gives its slug."""
        slug = f"watched-{uuid.uuid4().hex}"
        self.api("/api/v1/posts", {"slug": slug, "title": "Watched", "markdown": "Text.",
                                   "tags": [], "status": "published"})
        return slug

    def comment(self, slug, body):
        self.insist(f"/api/v1/posts/{slug}/comments", {"author": "Ada", "body": body})

    def kill_web(self):
        """Ends web by signal 9, and waits for the next one."""
        pid = lambda: json.loads((self.dir / "site.json").read_text())["pids"]["web"]
        before = pid()
        os.kill(before, signal.SIGKILL)
        wait_for("another web", lambda: pid() not in (None, before))

    @contextlib.contextmanager
    def running(self, language, name):
        """The worker of an example, which is killed at the end."""
        program, folder = language
        worker = subprocess.Popen(
            [program, f"{folder}/{name}"], env=self.environment, stdout=subprocess.PIPE, text=True)
        try:
            yield worker
        finally:
            worker.kill()
            worker.wait()

    def order(self, language, name, payload):
        """Orders a job by an example; gives its id."""
        program, folder = language
        command = [program, f"{folder}/{name}", "words", "count", json.dumps(payload)]
        done = subprocess.run(
            command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    def ended(self, job):
        """The job, once it is done or dead."""
        def over():
            listed = self.api("/api/v1/jobs?queue=words&limit=100")["items"]
            return any(it["id"] == job and it["state"] in ("done", "dead") for it in listed)
        wait_for(f"the end of {job}", over)
        return self.api(f"/api/v1/jobs/{job}")

    def consumers_are_there(self):
        return asyncio.run(self.on_bus(has_consumers))

    def stored(self):
        """Every event that is stored, and the dead jobs."""
        return asyncio.run(self.on_bus(stored))

    async def on_bus(self, ask):
        client = await nats.connect(self.json["nats_url"])
        try:
            return await ask(client.jetstream())
        finally:
            await client.close()


async def has_consumers(jetstream):
    names = {it.name for it in await jetstream.consumers_info("JOBS")}
    return {"words-high", "words", "words-low"} <= names


async def stored(jetstream):
    found = []
    for stream in ("EVENTS", "DEAD"):
        state = (await jetstream.stream_info(stream)).state
        for sequence in range(state.first_seq, state.last_seq + 1):
            message = await jetstream.get_msg(stream, sequence)
            found.append((message.subject, json.loads(message.data)))
    return found
