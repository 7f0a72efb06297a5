"""The base images of deploy/Dockerfile, played by this machine where none can be pulled.

The Debian image is made by debootstrap; on it, with this machine's certificates and
settings for the package registries, its Rust and Go play the builder images. Nothing of
this machine gets into the Dockerfile.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from engine import install

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
REGISTRY_SETTINGS = re.compile(
    r"(https?_proxy|no_proxy|GOPROXY|GOSUMDB|GONOSUMDB|GOPRIVATE|GOFLAGS|CARGO_(NET|HTTP|REGIST|SOURCE)\w*)$",
    re.IGNORECASE,
)


def provide(engine, dockerfile):
    """Sees to every base image that `dockerfile` names; says how each came."""
    pins = dict(re.findall(r"^ARG (\w+)=(\S+)", dockerfile.read_text(), re.MULTILINE))
    slim = f"debian:{pins['DEBIAN']}"
    makers = {
        slim: lambda: debian(engine, slim),
        f"golang:{pins['GO']}": lambda: golang(engine, slim, f"golang:{pins['GO']}"),
        f"rust:{pins['RUST']}": lambda: rust(engine, slim, f"rust:{pins['RUST']}"),
    }
    return ", ".join(f"{image} {provide_one(engine, image, make)}" for image, make in makers.items())


def provide_one(engine, image, make):
    """Takes the image that is there, pulls it, or makes its stand-in."""
    if engine.docker("image", "inspect", image, check=False).returncode == 0:
        return "is there"
    if engine.docker("pull", "--quiet", image, check=False, timeout=900).returncode == 0:
        return "pulled"
    return make()


def debian(engine, image):
    """A minimal Debian, without the documentation that the slim image leaves out too."""
    install("debootstrap", "debootstrap")
    suite = image.split(":")[1].split("-")[0]
    with tempfile.TemporaryDirectory() as root:
        subprocess.run(
            ["debootstrap", "--variant=minbase", suite, root], check=True, capture_output=True
        )
        left_out = ["var/cache/apt/archives/*.deb", "var/lib/apt/lists/*", "usr/share/doc/*",
                    "usr/share/man/*", "usr/share/locale/*"]
        tar = subprocess.Popen(
            ["tar", "-C", root, *(f"--exclude=./{path}" for path in left_out), "-cf", "-", "."],
            stdout=subprocess.PIPE,
        )
        engine.docker("import", "--change", 'CMD ["bash"]', "-", image, stdin=tar.stdout)
        tar.wait()
    return "made by debootstrap"


def golang(engine, slim, image):
    """The official Go image: Go in /usr/local/go, modules in /go."""
    settings = json.loads(output("go", "env", "-json", "GOROOT", "GOPROXY", "GOSUMDB"))
    root = settings.pop("GOROOT")
    path = "/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    env = {**settings, "GOTOOLCHAIN": "local", "GOPATH": "/go", "PATH": path}
    copy = "mkdir -p /usr/local/go && tar -C /toolchain -cf - . | tar -C /usr/local/go -xf -"
    play(engine, slim, image, root, copy, env)
    return f"played by {output('go', 'version').split()[2]}"


def rust(engine, slim, image):
    """The official Rust image: cargo's home in /usr/local/cargo."""
    root = output("rustc", "--print", "sysroot")
    path = "/usr/local/cargo/bin:/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    env = {"CARGO_HOME": "/usr/local/cargo", "PATH": path}
    copy = (
        "mkdir -p /usr/local/rust /usr/local/cargo"
        " && tar -C /toolchain --exclude=./share -cf - . | tar -C /usr/local/rust -xf -"
        " && if [ -f /machine/config.toml ]; then cp /machine/config.toml /usr/local/cargo/; fi"
    )
    play(engine, slim, image, root, copy, env)
    return f"played by rustc {output('rustc', '--version').split()[1]}"


def play(engine, slim, image, toolchain, copy, env):
    """Makes `image` from `slim`, a compiler for C, this machine's toolchain and settings."""
    env = {**{k: v for k, v in os.environ.items() if REGISTRY_SETTINGS.match(k)}, **env}
    packages = "ca-certificates curl gcc g++ git libc6-dev make pkg-config"
    script = (
        "set -e; apt-get update -qq; "
        f"DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends {packages}; "
        "rm -rf /var/lib/apt/lists/*; cp /machine/ca-certificates.crt /etc/ssl/certs/; " + copy
    )
    name = "hearth-stand-in"
    engine.docker("rm", "-f", name, check=False)
    with tempfile.TemporaryDirectory() as machine:
        gather(Path(machine))
        engine.docker(
            "run", "--name", name, "-v", f"{toolchain}:/toolchain:ro", "-v", f"{machine}:/machine:ro",
            slim, "sh", "-c", script, timeout=900,
        )
    changes = [f"--change=ENV {key}={json.dumps(value)}" for key, value in env.items()]
    engine.docker("commit", *changes, '--change=CMD ["bash"]', name, image)
    engine.docker("rm", name)


def gather(directory):
    """Copies what this machine's builds need to reach the registries."""
    shutil.copy(CERTIFICATES, directory / CERTIFICATES.name)
    cargo_home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    if (cargo_home / "config.toml").exists():
        shutil.copy(cargo_home / "config.toml", directory / "config.toml")


def output(*command):
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
