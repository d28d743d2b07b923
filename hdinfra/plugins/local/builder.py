"""Builds machine images on the engine itself, once per content: a shared system layer, then a role's packages."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import docker
from docker.errors import ImageNotFound, NotFound
from docker.models.containers import Container

from hdinfra.plugins.kind import Call, PluginError
from hdinfra.plugins.local import recipe
from hdinfra.plugins.local.engine import WORLD_FAILURES, Engine, file_lock
from hdinfra.plugins.local.limits import ulimits

_PULL_SECONDS = 60
_SILENCE_SECONDS = 15
_DEBOOTSTRAP_SECONDS = 600
_INSTALL_SECONDS = 900
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def ensure_image(engine: Engine, packages: Sequence[str], call: Call) -> str:
    """The tag of an image with these packages; built when missing, and only once however many ask."""
    tag, system = recipe.role_tag(packages), recipe.system_tag()
    if image_exists(engine, tag):
        return tag
    with file_lock(_lock_of(system)):
        if not image_exists(engine, system):
            _build_layer(engine, _base(engine, call), system, recipe.system_script(), call)
    with file_lock(_lock_of(tag)):
        if not image_exists(engine, tag):
            _build_layer(engine, system, tag, recipe.role_script(packages), call)
    return tag


def image_exists(engine: Engine, tag: str) -> bool:
    """Whether the engine holds it."""
    try:
        engine.client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def _lock_of(tag: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "hdinfra" / f"{tag.replace('/', '-').replace(':', '-')}.lock"


def _base(engine: Engine, call: Call) -> str:
    repository, tag = recipe.PULLED_BASE
    name = f"{repository}:{tag}"
    if image_exists(engine, name) or _pulled(engine, repository, tag, call):
        return name
    if os.geteuid() == 0 and shutil.which("debootstrap"):
        return _bootstrapped(engine, call)
    raise PluginError(
        f"no base for machine images: `{name}` cannot be pulled, and building one needs root and `debootstrap`.\n"
        f"fix: let the engine reach a registry (`pull {name}` shows why it does not), or as root "
        "`apt-get install debootstrap` and run again"
    )


def _pulled(engine: Engine, repository: str, tag: str, call: Call) -> bool:
    call.progress(f"pulling {repository}:{tag}")
    deadline = time.monotonic() + _PULL_SECONDS
    # A registry that answers shows progress all the time; one that does not must not hold us up.
    impatient = docker.DockerClient(base_url=engine.url, timeout=_SILENCE_SECONDS)
    try:
        for _ in impatient.api.pull(repository, tag=tag, stream=True):
            call.check_cancelled()
            if time.monotonic() > deadline:
                return False
    except WORLD_FAILURES:
        return False
    finally:
        impatient.close()
    return image_exists(engine, f"{repository}:{tag}")


def _bootstrapped(engine: Engine, call: Call) -> str:
    call.progress(f"the registry does not answer: building Debian {recipe.RELEASE} with debootstrap (half a minute)")
    # Not /tmp, which may be memory.
    with tempfile.TemporaryDirectory(prefix="hdinfra-base-", dir="/var/tmp") as folder:
        root = Path(folder) / "root"
        log = Path(folder) / "log"
        _run(["debootstrap", "--variant=minbase", recipe.RELEASE, str(root)], log, call)
        return _imported(engine, root)


def _run(argv: list[str], log: Path, call: Call) -> None:
    with log.open("wb") as talk:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=talk, stderr=talk)  # noqa: S603 - our own argument list
    try:
        ended = call.wait_for(lambda: process.poll() is not None, within=_DEBOOTSTRAP_SECONDS, every=0.2)
    finally:
        process.kill()
        process.wait()
    if not ended or process.returncode:
        raise PluginError(_explained("building Debian with debootstrap", log.read_text(errors="replace")))


def _imported(engine: Engine, root: Path) -> str:
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:  # noqa: S603, S607
        answer = engine.client.api.import_image_from_stream(tar.stdout, repository="hdinfra/base")
    # Both engines answer with lines of JSON, the last of which carries the image's id.
    image: str = json.loads(answer.strip().splitlines()[-1])["status"]
    return image


def _build_layer(engine: Engine, base: str, tag: str, script: str, call: Call) -> None:
    call.progress(f"building {tag}: installing packages (about half a minute)")
    container = engine.client.containers.create(
        base,
        command=["/bin/sh", "-c", script],
        name=f"hdinfra-build-{uuid.uuid4().hex[:12]}",
        network_mode="host",
        ulimits=ulimits(engine.url),
        environment={name: os.environ[name] for name in _PROXIES if name in os.environ},
        labels={recipe.CACHE_LABEL: "build"},
    )
    try:
        container.start()
        _wait_installed(container, tag, call)
        repository, _, version = tag.rpartition(":")
        changes = [f"LABEL {recipe.CACHE_LABEL}=image", 'CMD ["/sbin/init"]']
        container.commit(repository=repository, tag=version, changes=changes)
    finally:
        _discard(container)


def _wait_installed(container: Container, tag: str, call: Call) -> None:
    def ended() -> bool:
        container.reload()
        return container.status in {"exited", "dead", "stopped"}

    done = call.wait_for(ended, within=_INSTALL_SECONDS, every=0.5)
    if not done or container.attrs["State"]["ExitCode"] != 0:
        raise PluginError(_explained(f"building the image {tag}", container.logs(tail=40).decode(errors="replace")))


def _discard(container: Container) -> None:
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return


def _explained(what: str, log: str) -> str:
    tail = "\n".join(log.strip().splitlines()[-15:])
    if "No space left on device" in log:
        reason, fix = "the disk is full", "free some space (`df -h` shows where) and run again"
    elif any(sign in log for sign in ("Failed to fetch", "Could not resolve", "Unable to connect", "Failed getting")):
        reason, fix = "Debian's package registry does not answer", "check the network (or http_proxy) and run again"
    else:
        reason, fix = "the installation failed", "mend what the lines above name and run again"
    return f"{what}: {reason}. Its last lines:\n{tail}\nfix: {fix}"
