"""The installer image as it lies in a folder, and copies of it that carry a server's order."""

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from hdinfra.protocol.order import FRAME_BYTES, OrderError, framed

MANIFEST = "manifest.json"
_CHUNK = 1_048_576


@dataclass(frozen=True, slots=True)
class Manifest:
    """What lies beside an image. `iso` is its file's name and `sha256` its digest as built, `order_offset` where in it
    orders go, `kernel` the Debian package, `suite` Debian's release, `packages` what no first boot has to fetch."""

    iso: str
    sha256: str
    order_offset: int
    order_bytes: int
    kernel: str
    suite: str
    packages: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """In JSON's own types."""
        return {**asdict(self), "packages": list(self.packages)}

    def text(self) -> str:
        """As the file has it."""
        return json.dumps(self.as_json(), indent=2) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Of the image in that folder; OrderError `image.none` when it has none that we can use."""
    try:
        found = json.loads((folder / MANIFEST).read_text())
        manifest = Manifest(**{**found, "packages": tuple(found["packages"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OrderError("image.none", f"{folder} has no installer image of this release: {error}") from error
    if manifest.order_bytes != FRAME_BYTES:
        raise OrderError(
            "image.release", f"its orders have {manifest.order_bytes:,} bytes, ours {FRAME_BYTES:,}; build it again"
        )
    return manifest


def write_ordered(folder: Path, packed: bytes, target: Path) -> None:
    """Write to `target` the folder's image with that order in it, whole or not at all, readable for its owner alone:
    an order holds a machine's first token. OrderError `image.changed` when the image is not as it was built."""
    manifest, frame = read_manifest(folder), framed(packed)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # 0600
    try:
        with os.fdopen(handle, "wb") as file, (folder / manifest.iso).open("rb") as image:
            if (found := _copied(image, file)) != manifest.sha256:
                raise OrderError("image.changed", f"{manifest.iso} has SHA-256 {found[:16]}..., not its manifest's")
            file.seek(manifest.order_offset)
            file.write(frame)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _copied(source: BinaryIO, target: BinaryIO) -> str:
    total = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        total.update(chunk)
        target.write(chunk)
    return total.hexdigest()
