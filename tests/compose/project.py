"""The site in containers: brings docker-compose.yml up unchanged and talks to it."""

import json
import os
import random
import secrets
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
import zlib
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

from engine import wait_for

SERVICES = ("web", "worker", "cron", "nats", "minio")


class Site:
    """One compose project of its own name, port and network."""

    def __init__(self, engine, root, work):
        self.engine, self.root, self.work = engine, root, work
        self.project = f"hearth-test-{os.getpid()}"
        self.port = free_port()
        self.settings = {
            "SITE_PORT": str(self.port),
            "SITE_NET": f"172.31.{random.randrange(100, 250)}",
        }
        self.token = None

    def compose(self, *args, **options):
        """`docker compose ARGS` of this project."""
        base = ["compose", "--project-directory", str(self.root), "--project-name", self.project,
                "--env-file", str(self.work / ".env")]
        env = {**self.settings, **options.pop("env", {})}
        return self.engine.docker(*base, *args, env=env, **options)

    def write_env(self):
        """Writes .env as the operator does, in a copy of the files that it takes."""
        (self.work / "deploy").mkdir()
        for name in ("deploy/docker-env", ".env.example"):
            (self.work / name).write_bytes((self.root / name).read_bytes())
        subprocess.run(
            ["sh", "deploy/docker-env", f"http://127.0.0.1:{self.port}", "admin@example.com"],
            cwd=self.work, check=True, capture_output=True,
        )

    def up(self, *more, wait=180):
        """Brings all up and waits until every health check is green."""
        self.compose(*more, "up", "--detach", "--no-build", timeout=wait)
        wait_for("every container to be healthy", lambda: not self.unhealthy(), wait, 0.5)

    def states(self):
        """What compose says of each container, by service."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        return {row["Service"]: row for row in map(json.loads, lines)}

    def unhealthy(self):
        """The services that are not healthy now."""
        states = self.states()
        return [s for s in SERVICES if states.get(s, {}).get("Health") != "healthy"]

    def container(self, service):
        """What the engine knows of a service's container."""
        return json.loads(self.engine.docker("inspect", self.compose("ps", "-aq", service)))[0]

    def admin_token(self):
        """Takes an admin token from the web container, as the operator does."""
        said = self.compose("exec", "-T", "web", "web", "admin", "token", "--name", "compose")
        self.token = said.split()[-1]
        return self.token

    def request(self, method, path, body=None, headers=None, expect=(200, 201, 202)):
        """The JSON (or bytes) that the published port answers with."""
        headers = {"Accept": "application/json", **(headers or {})}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if isinstance(body, (dict, list)):
            body, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=body, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                status, data, kind = answer.status, answer.read(), answer.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            status, data, kind = error.code, error.read(), error.headers["Content-Type"]
        if status not in expect:
            raise RuntimeError(f"{method} {path} answered {status}: {data[:500]!r}")
        return json.loads(data) if "json" in (kind or "") else data

    def comment(self, slug, body):
        """Posts a comment; gives its id, status and cursor."""
        path = f"/api/v1/posts/{slug}/comments"
        return self.request("POST", path, {"author": "Compose", "body": body})

    def comment_bodies(self, slug):
        """The approved comments of a post."""
        page = self.request("GET", f"/api/v1/posts/{slug}/comments")
        return [comment["body"] for comment in page["items"]]

    def upload(self, data):
        """Uploads an image and gives its id."""
        mark = secrets.token_hex(8)
        head = (
            f'--{mark}\r\nContent-Disposition: form-data; name="alt"\r\n\r\nstripes\r\n'
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="stripes.png"\r\n'
            "Content-Type: image/png\r\n\r\n"
        )
        body = head.encode() + data + f"\r\n--{mark}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        return self.request("POST", "/api/v1/images", body, kind)["id"]


class Listener:
    """One SSE connection to the published port, read in the background."""

    def __init__(self, site, topic, since=None):
        self.events, self.began = [], threading.Event()
        query = urlencode({"topic": topic, **({"since": since} if since else {})})
        self.connection = HTTPConnection("127.0.0.1", site.port, timeout=120)
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {site.token}"}
        self.connection.request("GET", f"/events?{query}", headers=headers)
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise RuntimeError(f"/events answered {self.answer.status}: {self.answer.read()[:300]!r}")
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        # The first id is the place that the connection watches from.
        if not self.began.wait(20):
            self.close()
            raise TimeoutError(f"no place in the stream for {topic} within 20 s")

    def _read(self):
        event = {}
        try:
            for line in self.answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    event[name] = value
                    continue
                if "id" in event:
                    self.began.set()
                if "data" in event:
                    self.events.append((event.get("event"), event["data"], time.monotonic()))
                event = {}
        except (OSError, HTTPException):
            return  # cut off, by the server or by close()

    def wait(self, topic, text, seconds=20):
        """Waits until an event of `topic` carries `text`."""
        def seen():
            return [e for e in self.events if e[0] == topic and text in e[1]]
        return wait_for(f"{text!r} on {topic}", seen, seconds, 0.01)[0]

    def close(self):
        """Ends the connection."""
        if self.connection.sock and self.reader.is_alive():
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.reader.join()
        self.connection.close()


def striped_png(width, height):
    """A picture worth scaling: coloured stripes, as a PNG."""
    row = b"\0" + bytes(v for x in range(width) for v in (x % 256, x // 3 % 256, (x * 7) % 256))
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b""))


def free_port():
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
