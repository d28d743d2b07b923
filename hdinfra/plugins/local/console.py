"""Talking to a machine from outside: run a command, put a file, read what it logged."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from docker.models.containers import Container

from hdinfra.plugins.local.engine import WORLD_FAILURES


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


def run(container: Container, argv: Sequence[str]) -> Ran:
    """Runs it as root; its own deadline must end it (`timeout`), for the engine has no way to."""
    code, streams = container.exec_run(list(argv), demux=True)
    out, err = streams if isinstance(streams, tuple) else (streams, None)
    return Ran(code if code is not None else -1, _text(out), _text(err))


def put(container: Container, files: Mapping[str, str | bytes], mode: int = 0o600) -> None:
    """Writes files by absolute path, running or not; folders on the way are made for root alone to write."""
    heap = io.BytesIO()
    with tarfile.open(fileobj=heap, mode="w") as tar:
        for path, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    container.put_archive("/", heap.getvalue())


def evidence(container: Container) -> str:
    """The last lines of cloud-init's log and of the failed units' journals, or why there are none."""
    script = (
        "echo '--- cloud-init-output.log'; tail -n 20 /var/log/cloud-init-output.log;"
        "for unit in $(systemctl list-units --failed --plain --no-legend | cut -d' ' -f1); do"
        ' echo "--- $unit"; journalctl --no-pager -o cat -n 10 -u "$unit"; done'
    )
    try:
        ran = run(container, ["timeout", "10", "sh", "-c", script])
        return f"{ran.out}{ran.err}".strip()
    except WORLD_FAILURES:
        return container.logs(tail=20).decode(errors="replace").strip() or "the machine left no log"


def _text(data: object) -> str:
    return data.decode(errors="replace") if isinstance(data, bytes) else ""
