"""The programs of examples/, which order jobs and work them."""

import asyncio
import json
import time
from uuid import uuid4

from own_site import WORDS, wait_for


def example_works(language, suffix):
    """The check that a language's example orders and works jobs."""
    def check(site):
        wait_for("the consumers of words", site.consumers_are_there)
        with site.running(language, f"worker.{suffix}") as worker:
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
    check.__doc__ = f"{suffix}: one job is done, one retried and dead, one refused"
    return check


def example_is_quick(language, suffix):
    """The check that an idle worker takes a job at once, of whatever priority."""
    def check(site):
        wait_for("the consumers of words", site.consumers_are_there)
        asked = {"queue": "words", "kind": "count", "payload": {"text": "a b"}, "priority": "low"}
        order = lambda: site.api("/api/v1/jobs", asked)["id"]
        with site.running(language, f"worker.{suffix}"):
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
        with site.running(language, f"worker.{suffix}"):
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
    check.__doc__ = f"{suffix}: a job tells its progress, and is cut off when it is cancelled"
    return check


def example_chooses_its_pause(language, suffix):
    """The check that a worker's wishes for another attempt are heard."""
    def check(site):
        with site.running(language, f"worker.{suffix}"):
            order = lambda text: site.order(language, f"enqueue.{suffix}", {"text": text})
            busy, later = order("busy"), order("later")
            dead, done = site.ended(busy), site.ended(later)
            assert dead["state"] == "dead" and len(dead["errors"]) == WORDS["attempts"], dead
            assert all("busy" in error["error"] for error in dead["errors"]), dead
            assert done["state"] == "done" and done["attempt"] == 2 and done["errors"] == [], done
            assert done["result"] == {"bytes": 11, "value": {"words": 1}}, done
    check.__doc__ = f"{suffix}: one job asks for its pause, one is put off and its result is shown"
    return check


def example_goes_on(language, suffix):
    """The check that a language's example survives a message that is no job."""
    def check(site):
        dead = lambda: {it["id"] for it in site.api("/api/v1/jobs?queue=words&state=dead")["items"]}
        before = dead()
        with site.running(language, f"worker.{suffix}") as worker:
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
    check.__doc__ = f"{suffix}: a message that is no job is kept as dead, and the program goes on"
    return check


def example_resumes(language, suffix):
    """The check that a language's example goes on when its consumers are made anew."""
    def check(site):
        wait_for("the consumers of words", site.consumers_are_there)
        with site.running(language, f"worker.{suffix}") as worker:
            order = lambda: site.order(language, f"enqueue.{suffix}", {"text": "one"})
            assert site.ended(order())["state"] == "done"
            for name in ("words-high", "words", "words-low"):
                asyncio.run(site.on_bus(lambda bus: bus.delete_consumer("JOBS", name)))
            wait_for("the consumers made anew", site.consumers_are_there)
            assert site.ended(order())["state"] == "done"
            assert worker.poll() is None, "the worker went away"
    check.__doc__ = f"{suffix}: the program goes on when its consumers are made anew"
    return check
