#!/usr/bin/env python3
"""The compose part of the tests: the project's images and docker-compose.yml on a real engine.

    tests/compose/run.py [--keep]

Prints each step with its time and ends with `N passed, N failed`. Where no Docker engine
can run it says why and skips. With --keep the site stays up after a failure.
"""

import os
import signal
import ssl
import sys
import tempfile
import time
import traceback
import urllib.request
from http.client import HTTPException
from pathlib import Path

from engine import CannotRun, Engine, wait_for
from project import Listener, SERVICES, Site, free_port, striped_png
import standins

ROOT = Path(__file__).resolve().parents[2]
SLUG = "from-a-container"


def missing_variable_is_named(site):
    """up without .env says which variable is missing"""
    done = site.engine.docker(
        "compose", "--project-directory", str(site.root), "--env-file", "/dev/null", "up", "--detach",
        check=False,
    )
    assert done.returncode, "compose started without its secrets"
    assert "is missing in .env" in done.stderr, done.stderr


def images_are_built(site):
    """the Dockerfile builds every image"""
    site.write_env()
    site.compose("--profile", "tls", "build", timeout=3600)


def site_is_healthy(site):
    """docker compose up: prepared, then every container healthy"""
    site.up()
    prepare = site.states()["prepare"]
    assert prepare["ExitCode"] == 0, prepare


def containers_are_locked_down(site):
    """no root, no capability, nothing to write but volumes, no port but web's"""
    for service in SERVICES:
        container = site.container(service)
        host, published = container["HostConfig"], container["HostConfig"]["PortBindings"] or {}
        assert container["Config"]["User"] == "hearth", service
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], service
        assert host["Memory"] and host["NanoCpus"] and host["PidsLimit"], service
        assert bool(published) == (service == "web"), (service, published)


def post_is_published(site):
    """a token from the web container publishes a post"""
    site.admin_token()
    post = {"slug": SLUG, "title": "From a container", "markdown": "Hello.", "tags": [],
            "status": "published"}
    site.request("POST", "/api/v1/posts", post)
    assert b"From a container" in site.request("GET", f"/posts/{SLUG}", headers={"Accept": "text/html"})


def comment_arrives_live(site, text="Read on the published port."):
    """a comment posted on the published port is seen live"""
    listener = Listener(site, f"comments.{SLUG}")
    posted = time.monotonic()
    site.comment(SLUG, text)
    _, _, seen = listener.wait(f"comments.{SLUG}", text)
    listener.close()
    return f"{(seen - posted) * 1000:.0f} ms"


def image_becomes_ready(site):
    """an uploaded image becomes ready, live, and its variants load"""
    cursor = site.comment(SLUG, "Before the image.")["cursor"]
    image = site.upload(striped_png(1600, 900))
    listener = Listener(site, f"images.{image}", since=cursor)
    listener.wait(f"images.{image}", "ready", 90)
    listener.close()
    ready = site.request("GET", f"/api/v1/images/{image}")
    assert ready["status"] == "ready" and ready["variants"], ready
    for variant in ready["variants"]:
        url = "/" + variant["url"].split("/", 3)[3] if "://" in variant["url"] else variant["url"]
        assert len(site.request("GET", url)) == variant["bytes"], variant
    return f"{len(ready['variants'])} variants"


def killed_container_comes_back(service):
    """The check that `service` is back and at work after a kill -9."""
    def check(site):
        before = site.container(service)
        # The engine does not restart what `docker kill` ended, so the process
        # is killed from outside, as the kernel would when memory runs out.
        os.kill(before["State"]["Pid"], signal.SIGKILL)
        def restarted():
            return site.container(service)["RestartCount"] > before["RestartCount"]
        wait_for(f"the restart of {service}", restarted, 60)
        return wait_for("comments to arrive live again", lambda: works(site, service), 90)
    check.__doc__ = f"{service} killed with -9 comes back and comments arrive live again"
    return check


def works(site, killed):
    """Whether a comment arrives live now; how fast if so."""
    try:
        return comment_arrives_live(site, f"After {killed} was killed, {time.monotonic()}.")
    except (OSError, HTTPException, RuntimeError):
        return None


def database_is_restored(site):
    """down, data volume removed, up: everything is there, and is backed up on"""
    for turn in ("first", "second"):
        before = site.comment_bodies(SLUG)
        assert before, "no comment to lose"
        site.compose("down", timeout=180)
        site.engine.docker("volume", "rm", f"{site.project}_data")
        site.up()
        assert "data.db: restored" in site.compose("logs", "prepare"), "nothing was restored"
        assert site.comment_bodies(SLUG) == before, site.comment_bodies(SLUG)
        comment_arrives_live(site, f"After the {turn} restore.")


def tls_is_unbuffered(site):
    """with --profile tls Caddy serves HTTPS, and events arrive as they happen"""
    port = free_port()
    site.settings |= {"SITE_URL": "https://localhost", "HTTPS_PORT": str(port),
                      "HTTP_PORT": str(free_port()), "TLS_BIND": "127.0.0.1"}
    site.up("--profile", "tls")
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    def get(path):
        return urllib.request.urlopen(f"https://localhost:{port}{path}", context=trusting, timeout=30)
    def front_page():
        try:
            return get("/").status == 200
        except OSError:
            return False
    wait_for("Caddy", front_page, 60)
    with get(f"/events?topic=comments.{SLUG}") as stream:
        site.comment(SLUG, "Through Caddy.")
        while b"Through Caddy." not in stream.readline():
            pass
        assert not stream.headers["Content-Encoding"]


def everything_goes_down(site):
    """down --volumes leaves no container, volume or network"""
    site.compose("--profile", "tls", "down", "--volumes", timeout=180)
    for kind in ("container", "volume", "network"):
        mine = ["--filter", f"label=com.docker.compose.project={site.project}"]
        left = site.engine.docker(kind, "ls", "--quiet", *(["--all"] if kind == "container" else []), *mine)
        assert not left, (kind, left)


STEPS = [
    missing_variable_is_named, images_are_built, site_is_healthy, containers_are_locked_down,
    post_is_published, comment_arrives_live, image_becomes_ready,
    *(killed_container_comes_back(service) for service in SERVICES),
    database_is_restored, tls_is_unbuffered, everything_goes_down,
]


def step(name, work):
    """Runs one step and prints how it went and how long it took."""
    began = time.monotonic()
    try:
        note, verdict, error = work(), "ok", None
    except CannotRun:
        raise
    except Exception as failure:  # any failure of a step is its result
        note, verdict, error = "", "FAILED", failure
    more = f" ({note})" if note else ""
    print(f"{verdict:6} {time.monotonic() - began:7.1f} s  {name}{more}", flush=True)
    if error is not None:
        print("       " + "".join(traceback.format_exception(error)).replace("\n", "\n       "))
    return error is None


def run_steps(engine, keep):
    """Every step in order; after one has failed only the cleaning up. Gives passed, failed."""
    with tempfile.TemporaryDirectory() as work:
        site = Site(engine, ROOT, Path(work))
        for done, check in enumerate(STEPS):
            if not step(check.__doc__.splitlines()[0], lambda check=check: check(site)):
                show_logs(site)
                if not keep:
                    engine.docker("compose", "-p", site.project, "--profile", "*", "down", "-v", check=False)
                return done, 1
    return len(STEPS), 0


def show_logs(site):
    """The last lines of every container, for whoever looks for the cause."""
    if (site.work / ".env").exists():
        done = site.compose("--profile", "tls", "logs", "--no-color", "--tail", "25", check=False)
        print(done.stdout)


def main():
    """Starts the engine, runs the steps, stops the engine."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    engine = Engine()
    passed = failed = skipped = 0
    try:
        good = (step("a Docker engine", engine.start) and step("docker compose", engine.add_compose)
                and step("the base images", lambda: standins.provide(engine, ROOT / "deploy/Dockerfile")))
        passed, failed = run_steps(engine, "--keep" in sys.argv) if good else (0, 1)
    except CannotRun as why:
        skipped = 1
        print(f"skipped: {why}")
    finally:
        if "--keep" not in sys.argv:
            engine.stop()
    print(f"{passed} passed, {failed} failed" + (", 1 skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
