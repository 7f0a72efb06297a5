"""Real clients of events, and who may watch what."""

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from own_site import ROOT, wait_for

CLIENTS = {"httpx-sse": [sys.executable, str(ROOT / "tests/examples/watch.py")],
           "eventsource": ["node", str(ROOT / "tests/examples/watch.mjs")]}


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
