#!/usr/bin/env python3
"""The examples part of the tests: docs/schemas, examples/ and real clients of events on a
real site.

    tests/examples/run.py [SITE]

SITE is the site command, ./site where it is left out. Needs the packages of requirements.txt
here and in examples/python, and `npm ci` here and in examples/node: `./site test examples`
installs all. Ends with `N passed, N failed`.
"""

import asyncio
import copy
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from uuid import uuid4

import nats
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

ROOT = Path(__file__).resolve().parents[2]
SITE = sys.argv[1] if len(sys.argv) > 1 else ROOT / "site"
SCHEMAS = ROOT / "docs/schemas"
PYTHON = [sys.executable, str(ROOT / "examples/python")]
NODE = ["node", str(ROOT / "examples/node")]
CLIENTS = {"httpx-sse": [sys.executable, str(ROOT / "tests/examples/watch.py")],
           "eventsource": ["node", str(ROOT / "tests/examples/watch.mjs")]}
WORDS = {"role": "external", "timeout": "10s", "attempts": 2, "backoff": "100ms",
         "results": ["events.words"]}
PATIENCE = 60


def validator(path):
    schemas = [json.loads(file.read_text()) for file in SCHEMAS.glob("*.json")]
    registry = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, registry=registry)


def queues():
    return yaml.safe_load((ROOT / "deploy/queues.yml").read_text())


def wait_for(what, holds):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if found := holds():
            return found
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")


def queues_satisfy_their_schema():
    """deploy/queues.yml satisfies its schema"""
    validator(ROOT / "deploy/queues.schema.json").validate(queues())


def mistakes_in_queues_are_refused():
    """the schema refuses what the site refuses"""
    check = validator(ROOT / "deploy/queues.schema.json")
    right = {"queues": {"words": WORDS}, "periodic": {
        "tick": {"queue": "words", "kind": "count", "every": "5m"}}}
    check.validate(right)
    wrong = [("timeout", "soon"), ("attempts", 0), ("role", "nobody"), ("retries", 3),
             ("results", ["nowhere"]), ("rate", {"limit": 1}), ("timeout", "0s"),
             ("backoff", "0ms"), ("concurrency", 1001), ("batch", 0), ("attempts", 101),
             ("rate", {"limit": 0, "per": "1s"}), ("rate", {"limit": 1, "per": "0s"})]
    for key, value in wrong:
        file = copy.deepcopy(right)
        file["queues"]["words"][key] = value
        assert not check.is_valid(file), (key, value)
    for name in ("words-high", "words-low", "Words"):
        assert not check.is_valid({"queues": {name: WORDS}}), name
    clock = {"cron": "0 3 * * *", "time_zone": "Europe/Berlin", "unique_key": "tick"}
    for when, good in (({"every": "5m"}, True), (clock, True), ({}, False),
                       ({"every": "5m", "cron": "0 3 * * *"}, False), ({"cron": "0 3 * *"}, False),
                       ({"every": "5m", "time_zone": "UTC"}, False), ({"every": "0s"}, False)):
        file = copy.deepcopy(right)
        file["periodic"]["tick"] = {"queue": "words", "kind": "count"} | when
        assert check.is_valid(file) == good, when
    for key in ("role", "timeout", "attempts", "backoff"):
        file = copy.deepcopy(right)
        del file["queues"]["words"][key]
        assert not check.is_valid(file), key


class Site:
    """A site with the external queue `words`, and all that goes over its bus."""

    def __init__(self, folder):
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
        command = [SITE, verb, "--dir", self.dir, *words]
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

    def start(self, language, name):
        """Starts worker or enqueue of an example."""
        program, folder = language
        file = f"{folder}/{name}"
        return subprocess.Popen(
            [program, file], env=self.environment, stdout=subprocess.PIPE, text=True)

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


def example_works(language, suffix):
    """The check that a language's example orders and works jobs."""
    def check(site):
        wait_for("the consumers of words", site.consumers_are_there)
        worker = site.start(language, f"worker.{suffix}")
        try:
            order = lambda payload: site.order(language, f"enqueue.{suffix}", payload)
            good, failing = order({"text": "one two  three"}), order({"text": "fail"})
            refused = order({"text": 1})
            asked = {"queue": "words", "kind": "count", "payload": {"text": "a b"}, "priority": "high"}
            by_api = site.api("/api/v1/jobs", asked)["id"]
            assert site.ended(good)["state"] == site.ended(by_api)["state"] == "done"
            dead = site.ended(failing)
            assert dead["state"] == "dead" and len(dead["errors"]) == WORDS["attempts"], dead
            dead = site.ended(refused)
            assert dead["state"] == "dead" and dead["attempt"] == 1, dead
            assert "text is missing" in dead["reason"], dead
            results = {job: [] for job in (good, by_api, failing, refused)}
            def told():
                events = [it for subject, it in site.stored() if subject == "events.words"]
                for job in results:
                    results[job] = [it["payload"] for it in events if it["cause"] == job]
                return results[good] and results[by_api]
            wait_for("the results", told)
            assert results == {good: [{"words": 3}], by_api: [{"words": 2}],
                               failing: [], refused: []}, results
            assert worker.poll() is None, "the worker went away"
        finally:
            worker.kill()
            worker.wait()
    check.__doc__ = f"{suffix}: one job is done, one retried and dead, one refused"
    return check


def example_is_quick(language, suffix):
    """The check that an idle worker takes a job at once, of whatever priority."""
    def check(site):
        wait_for("the consumers of words", site.consumers_are_there)
        worker = site.start(language, f"worker.{suffix}")
        asked = {"queue": "words", "kind": "count", "payload": {"text": "a b"}, "priority": "low"}
        order = lambda: site.api("/api/v1/jobs", asked)["id"]
        try:
            site.ended(order())
            took = []
            for count in (1, 20):
                began = time.monotonic()
                jobs = [order() for _ in range(count)]
                wait_for("all are done", lambda: all(
                    site.api(f"/api/v1/jobs/{job}")["state"] == "done" for job in jobs))
                took.append(time.monotonic() - began)
            assert took[0] < 2 and took[1] < 10, took
            return f"({took[0]:.2f} s, and {took[1]:.2f} s for 20)"
        finally:
            worker.kill()
            worker.wait()
    check.__doc__ = f"{suffix}: a low job is done at once, and 20 of them soon"
    return check


def example_is_cut_off(language, suffix):
    """The check that a worker tells how far it is and hears that its job is cancelled."""
    def check(site):
        wait_for("the consumers of words", site.consumers_are_there)
        asked = {"queue": "words", "kind": "count", "unique_key": f"slow-{suffix}",
                 "payload": {"text": "a b c d " * 25, "seconds_each": 0.5}}
        waiting = site.api("/api/v1/jobs", asked)["id"]
        site.api(f"/api/v1/jobs/{waiting}/cancel", {})
        assert site.api(f"/api/v1/jobs/{waiting}")["state"] == "dead", "it waits for a program"
        worker = site.start(language, f"worker.{suffix}")
        try:
            slow = site.api("/api/v1/jobs", asked)["id"]
            assert slow != waiting, "its key is held"
            def progress():
                events = [it for subject, it in site.stored() if subject == "events.jobs.words"]
                told = [it["payload"] for it in events]
                told = [it for it in told if it["job"] == slow and it["state"] == "running"]
                return [it["progress"] for it in told if it.get("progress")]
            wait_for("its progress", progress)
            began = time.monotonic()
            site.api(f"/api/v1/jobs/{slow}/cancel", {})
            dead = site.ended(slow)
            assert dead["state"] == "dead" and "cancelled" in dead["reason"], dead
            took = time.monotonic() - began
            assert took < 10, took
            quick = site.order(language, f"enqueue.{suffix}", {"text": "one"})
            assert site.ended(quick)["state"] == "done"
            assert site.api(f"/api/v1/jobs/{waiting}")["state"] == "dead"
        finally:
            worker.kill()
            worker.wait()
    check.__doc__ = f"{suffix}: a job tells its progress, and is cut off when it is cancelled"
    return check


def example_chooses_its_pause(language, suffix):
    """The check that a worker's wishes for another attempt are heard."""
    def check(site):
        worker = site.start(language, f"worker.{suffix}")
        try:
            order = lambda text: site.order(language, f"enqueue.{suffix}", {"text": text})
            busy, later = order("busy"), order("later")
            dead, done = site.ended(busy), site.ended(later)
            assert dead["state"] == "dead" and len(dead["errors"]) == WORDS["attempts"], dead
            assert all("busy" in error["error"] for error in dead["errors"]), dead
            assert done["state"] == "done" and done["attempt"] == 2 and done["errors"] == [], done
            assert done["result"] == {"bytes": 11, "value": {"words": 1}}, done
        finally:
            worker.kill()
            worker.wait()
    check.__doc__ = f"{suffix}: one job asks for its pause, one is put off and its result is shown"
    return check


def results_can_be_watched(site):
    """the admin can watch the topic of results, and nobody else"""
    url = f"{site.json['url']}/events?topic=words&wait=0"
    token = {"Authorization": f"Bearer {site.json['admin_token']}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=token)) as answer:
        assert answer.status == 200
    for headers, wrong in (({}, url), (token, url.replace("words", "nothing"))):
        try:
            urllib.request.urlopen(urllib.request.Request(wrong, headers=headers))
            raise AssertionError(f"{wrong} was answered")
        except urllib.error.HTTPError as refused:
            assert refused.code == 400, refused


def example_goes_on(language, suffix):
    """The check that a language's example survives a message that is no job."""
    def check(site):
        dead = lambda: {it["id"] for it in site.api("/api/v1/jobs?queue=words&state=dead")["items"]}
        before = dead()
        worker = site.start(language, f"worker.{suffix}")
        try:
            bare = {"id": str(uuid4()), "kind": "count", "version": 1, "attempt": 1,
                    "time": "2026-11-21T08:00:00Z", "cause": str(uuid4())}
            for body in (b"no job", b"[7]", b"[]", json.dumps(bare).encode()):
                asyncio.run(site.on_bus(lambda bus: bus.publish("jobs.words.count", body)))
            wait_for("all are dead", lambda: len(dead() - before) == 4)
            reasons = [site.api(f"/api/v1/jobs/{job}")["reason"] for job in dead() - before]
            assert all("the message is no job" in reason for reason in reasons), reasons
            assert any("it has no payload" in reason for reason in reasons), reasons
            good = site.order(language, f"enqueue.{suffix}", {"text": "one"})
            assert site.ended(good)["state"] == "done"
            assert worker.poll() is None, "the worker went away"
        finally:
            worker.kill()
            worker.wait()
    check.__doc__ = f"{suffix}: a message that is no job is kept as dead, and the program goes on"
    return check


def example_resumes(language, suffix):
    """The check that a language's example goes on when its consumers are made anew."""
    def check(site):
        wait_for("the consumers of words", site.consumers_are_there)
        worker = site.start(language, f"worker.{suffix}")
        try:
            order = lambda: site.order(language, f"enqueue.{suffix}", {"text": "one"})
            assert site.ended(order())["state"] == "done"
            for name in ("words-high", "words", "words-low"):
                asyncio.run(site.on_bus(lambda bus: bus.delete_consumer("JOBS", name)))
            wait_for("the consumers made anew", site.consumers_are_there)
            assert site.ended(order())["state"] == "done"
            assert worker.poll() is None, "the worker went away"
        finally:
            worker.kill()
            worker.wait()
    check.__doc__ = f"{suffix}: the program goes on when its consumers are made anew"
    return check


class Window:
    """A real client of events that runs, and what it has said."""

    def __init__(self, command, *words):
        self.said = []
        self.process = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.said.append(json.loads(line))

    def told(self, what):
        """What it has said of `what`."""
        return [it[what] for it in list(self.said) if what in it]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def client_resumes(name):
    """The check that a real client hears all once, in order, over a kill of web."""
    def check(site):
        slug, url = site.post(), site.json["url"]
        with Window(CLIENTS[name], url, slug) as window:
            wait_for("an open stream", lambda: window.told("open"))
            bodies = [f"comment {number}" for number in range(20)]
            for body in bodies[:10]:
                site.comment(slug, body)
            wait_for("the first comments", lambda: len(window.told("comment")) == 10)
            site.kill_web()
            for body in bodies[10:]:
                site.comment(slug, body)
            wait_for("the others", lambda: len(window.told("comment")) >= 20)
            assert len(window.told("open")) == 2, window.said
            assert window.told("comment") == bodies, window.said
            places = [int(place.rsplit("-")[-1]) for place in window.told("id")]
            assert places == sorted(set(places)), places
            assert not window.told("reset"), window.said
        with Window(CLIENTS[name], url, slug, "abc123-7") as window:
            wait_for("a reset", lambda: window.told("reset"))
            site.comment(slug, "after the reset")
            wait_for("what comes then", lambda: window.told("comment") == ["after the reset"])
            assert sorted(window.told("reset")[0]) == sorted(bodies), window.said
    check.__doc__ = f"{name}: all comments once and in order over a kill of web, and a reset"
    return check


def envelopes_satisfy_the_schema(site):
    """what the site has sent and both examples have ordered satisfies the schema"""
    check = validator(SCHEMAS / "envelope.schema.json")
    bodies = site.stored()
    for subject, body in bodies:
        errors = [error.message for error in check.iter_errors(body)]
        assert not errors, (subject, body, errors)
    subjects = {subject.split(".")[0] for subject, _ in bodies}
    assert subjects == {"events", "dead"}, subjects
    return f"{len(bodies)} envelopes"


def results_satisfy_the_schema(site):
    """each outcome satisfies the schema of results, and no other does"""
    check = validator(SCHEMAS / "compute-result.schema.json")
    job = next(body for subject, body in site.stored() if subject.startswith("dead.words."))
    for outcome in ({"made": {}}, {"failed": "x"}, {"refused": "x"}, {"lost": "x"}, "cancelled",
                    {"failed": "x", "retry_after": "30s"}, {"snoozed": "1m 30s"}):
        check.validate({"queue": "words", "job": job, "outcome": outcome})
    for outcome in ({"done": 1}, {"failed": 1}, "made", {"made": 1, "failed": "x"},
                    {"snoozed": "soon"}, {"retry_after": "1s"}):
        assert not check.is_valid({"queue": "words", "job": job, "outcome": outcome}), outcome


ALONE = [queues_satisfy_their_schema, mistakes_in_queues_are_refused]
ON_A_SITE = [example_works(PYTHON, "py"), example_works(NODE, "mjs"),
             envelopes_satisfy_the_schema, results_satisfy_the_schema,
             example_is_quick(PYTHON, "py"), example_is_quick(NODE, "mjs"),
             example_is_cut_off(PYTHON, "py"), example_is_cut_off(NODE, "mjs"),
             example_chooses_its_pause(PYTHON, "py"), example_chooses_its_pause(NODE, "mjs"),
             results_can_be_watched,
             example_goes_on(PYTHON, "py"), example_goes_on(NODE, "mjs"),
             example_resumes(PYTHON, "py"), example_resumes(NODE, "mjs"),
             client_resumes("httpx-sse"), client_resumes("eventsource")]


def passed(check, *arguments):
    began = time.monotonic()
    try:
        note = check(*arguments)
    except Exception:
        traceback.print_exc()
        print(f"FAILED  {check.__doc__}", flush=True)
        return False
    print(f"ok  {time.monotonic() - began:6.1f} s  {check.__doc__} {note or ''}".rstrip(), flush=True)
    return True


def main():
    results = [passed(check) for check in ALONE]
    with tempfile.TemporaryDirectory() as folder:
        site = Site(folder)
        try:
            results += [passed(check, site) for check in ON_A_SITE]
        finally:
            site.site("down")
    print(f"examples: {sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
