"""What a killed engine leaves beside a state in a folder, so that nobody can read it: a file with nothing in it.

The engine keeps each file's attributes beside it, in a file that it makes empty and writes then. Killed in between, it
says `failed to load checkpoint: EOF` from then on; where there is none, it goes on without (getAttrs and setAttrs in
gocloud.dev/blob/fileblob).
"""

from pathlib import Path

_OF_RUNS = ("*.attrs", "stacks/**/*.attrs", "locks/**/*.attrs")
"""What a run reads: the backend's own, states and locks."""


def drop_empty_sidecars(backend: str) -> None:
    """Take them away, of a backend that is a folder. An engine that writes one at this moment goes on without it."""
    if not backend.startswith("file://"):
        return
    folder = Path(backend.removeprefix("file://")) / ".pulumi"
    for pattern in _OF_RUNS:
        for path in folder.glob(pattern):
            try:
                if path.stat().st_size == 0:
                    path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue  # its file was replaced at this moment
