"""The installer's image with a server's order in it, as a BMC reads it: nothing of it is written to a disk of ours."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from hdinfra.plugins.kind import PluginError
from hdinfra.protocol.installer_image import Manifest, read_manifest
from hdinfra.protocol.order import Order, OrderError, framed, unpacked

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Medium:
    """The image at `path`, of which `frame` lies over the bytes from `offset` on."""

    path: Path
    size: int
    offset: int
    frame: bytes = field(repr=False)

    @classmethod
    def of(cls, folder: str, order: bytes) -> Self:
        """Of the image in that folder, whose bytes must be what its manifest says; reads it once (a second or two)."""
        manifest = _manifest(folder)
        path = Path(folder, manifest.iso)
        try:
            with path.open("rb") as image:
                found = hashlib.file_digest(image, "sha256").hexdigest()
        except OSError as error:
            raise PluginError(f"The installer's image cannot be read: {error}\nfix: {_BUILD}") from error
        if found != manifest.sha256:
            raise PluginError(
                f"The installer's image {path} was changed after it was built: its SHA-256 is {found[:16]}…, its "
                f"manifest says {manifest.sha256[:16]}…\nfix: {_BUILD}"
            )
        return cls(path, path.stat().st_size, manifest.order_offset, _framed(order))

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`."""
        with self.path.open("rb") as image:
            image.seek(start)
            while start < end and (chunk := image.read(min(_CHUNK, end - start))):
                yield self._overlaid(start, chunk)
                start += len(chunk)

    def _overlaid(self, start: int, chunk: bytes) -> bytes:
        first, last = max(start, self.offset), min(start + len(chunk), self.offset + len(self.frame))
        if first >= last:
            return chunk
        over = self.frame[first - self.offset : last - self.offset]
        return chunk[: first - start] + over + chunk[last - start :]


_BUILD = "build it again with `hdinfra metal image FOLDER`, and write that folder as `image`"


def check_image(folder: str, order: bytes) -> None:
    """What a preview can know: there is an image, and the order is one that fits into it."""
    _manifest(folder)
    _framed(order)
    order_in(order)


def order_in(order: bytes) -> Order:
    """What those bytes say; PluginError when they are no order."""
    try:
        return unpacked(order)
    except OrderError as error:
        raise PluginError(f"`order` is {error}\nfix: write what `hdinfra.machine.metal.order.order` gives") from error


def _manifest(folder: str) -> Manifest:
    try:
        return read_manifest(Path(folder))
    except OrderError as error:
        raise PluginError(f"{error}\nfix: {_BUILD}") from error


def _framed(order: bytes) -> bytes:
    try:
        return framed(order)
    except OrderError as error:
        raise PluginError(f"The order cannot travel in the image: {error}") from error
