"""A real Docker engine: the one that runs, or one started for the test."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

COMPOSE = "v2.40.3"
LAYERS_KEPT = "12GB"
SITE_SETTINGS = ("SITE_", "S3_", "OFFSITE_", "NATS_", "SMTP_", "MAIL_", "QUEUES_", "COMPOSE_")


class CannotRun(Exception):
    """This machine can run no Docker engine; the message says why."""


def cache_dir() -> Path:
    """Where downloads and layers are kept between runs, as `./site` has it."""
    for value, below in (
        (os.environ.get("HEARTH_CACHE"), ""),
        (os.environ.get("XDG_CACHE_HOME"), "hearth"),
        (os.environ.get("HOME"), ".cache/hearth"),
    ):
        if value:
            return Path(value) / below
    return Path(tempfile.gettempdir()) / "hearth-cache"


class Engine:
    """Runs `docker` against one engine; stops the engine when it started it."""

    def __init__(self):
        self.home = cache_dir() / "docker"
        self.run_dir = self.home / "run"
        self.run_dir.mkdir(parents=True, exist_ok=True)
        # Settings of another site in the caller's environment are not this one's.
        own = {k: v for k, v in os.environ.items() if not k.startswith(SITE_SETTINGS)}
        self.env = {**own, "DOCKER_CLI_HINTS": "false", "BUILDKIT_PROGRESS": "plain"}
        self.process = None
        self.lock = None

    def docker(self, *args, check=True, timeout=600, stdin=None, env=None):
        """The output of `docker ARGS`; on failure its last lines are the error."""
        done = subprocess.run(
            ["docker", *args], env={**self.env, **(env or {})}, timeout=timeout,
            stdin=stdin or subprocess.DEVNULL, capture_output=True, text=True,
        )
        if check and done.returncode:
            said = (done.stderr + done.stdout).strip().splitlines()
            raise RuntimeError(f"docker {' '.join(args[:6])} failed:\n  " + "\n  ".join(said[-25:]))
        return done if not check else done.stdout.strip()

    def answers(self) -> bool:
        """Whether an engine is there."""
        return bool(shutil.which("docker")) and self.docker("info", check=False).returncode == 0

    def start(self):
        """Takes the engine that runs, or starts one; says which."""
        if self.answers():
            return "is running already"
        if os.geteuid():
            raise CannotRun("no Docker engine runs here and only root can start one")
        install("dockerd", "docker.io")
        self.lock = open(self.home / "lock", "w", encoding="utf-8")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.env["DOCKER_HOST"] = f"unix://{self.run_dir}/docker.sock"
        if self.answers():
            return "is left over from an earlier test"
        self._launch()
        return "started"

    def _launch(self):
        log_path = self.run_dir / "dockerd.log"
        command = [
            "dockerd", "--data-root", f"{self.home}/data", "--exec-root", f"{self.run_dir}/exec",
            "--pidfile", f"{self.run_dir}/dockerd.pid", "--host", self.env["DOCKER_HOST"],
        ]
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                last = log_path.read_text(errors="replace").splitlines()[-5:]
                self.stop()
                raise CannotRun("the Docker engine does not start here:\n  " + "\n  ".join(last))
            time.sleep(0.2)

    def stop(self):
        """Stops the engine that this test started or took over, and its containers."""
        if not self.lock:
            return
        self.tidy()
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.run_dir / "dockerd.pid").read_text())
            os.kill(pid, 15)
            wait_for("the engine to end", lambda: not alive(self.process, pid), 60)
        self.lock.close()
        self.lock = None

    def tidy(self):
        """Forgets images that were rebuilt, and layers beyond what the next build needs."""
        self.docker("image", "prune", "--force", check=False)
        self.docker("builder", "prune", "--force", "--keep-storage", LAYERS_KEPT, check=False)

    def add_compose(self):
        """Sees to `docker compose`; builds the pinned version when it is missing."""
        if self.docker("compose", "version", check=False).returncode == 0:
            return self.docker("compose", "version", "--short") + " is there"
        self.env["DOCKER_CONFIG"] = str(self.home / "cli")
        plugin = self.home / "cli/cli-plugins/docker-compose"
        if not plugin.exists():
            build_compose(plugin)
        return self.docker("compose", "version", "--short")


def alive(process, pid) -> bool:
    """Whether the engine's process still runs; reaps it when it is a child."""
    if process is not None:
        return process.poll() is None
    return Path(f"/proc/{pid}").exists()


def install(program, package):
    """Installs a Debian package when its program is missing."""
    if shutil.which(program):
        return
    if not shutil.which("apt-get"):
        raise CannotRun(f"{program} is missing and there is no apt-get to install {package}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
        done = subprocess.run(
            ["apt-get", *command], env={**os.environ, **quiet}, capture_output=True, text=True
        )
    if done.returncode:
        raise CannotRun(f"{package} cannot be installed: {done.stderr.strip()[-300:]}")


def build_compose(plugin):
    """Builds Docker Compose from its Go module (`go install` refuses it)."""
    if not shutil.which("go"):
        raise CannotRun("docker compose is missing, and so is Go to build it")
    plugin.parent.mkdir(parents=True, exist_ok=True)
    module = "github.com/docker/compose/v2"
    flags = f"-s -w -X {module}/internal.Version={COMPOSE}"
    with tempfile.TemporaryDirectory() as directory:
        for command in (
            ["mod", "init", "compose"],
            ["get", f"{module}/cmd@{COMPOSE}"],
            ["build", "-trimpath", "-ldflags", flags, "-o", f"{plugin}.new", f"{module}/cmd"],
        ):
            subprocess.run(["go", *command], cwd=directory, check=True, capture_output=True)
    os.rename(f"{plugin}.new", plugin)


def wait_for(what, ready, seconds, pause=0.2):
    """Waits until `ready()` gives something true, and gives that."""
    deadline = time.monotonic() + seconds
    while True:
        got = ready()
        if got:
            return got
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(pause)
