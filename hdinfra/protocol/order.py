"""What a server of one's own is told before anything is on its disks: an order, framed so that our installer refuses
one that is torn or was never written, at a place of fixed size in the installer's image."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

FRAME_BYTES = 4 * 1_048_576
"""The place in the image, whole: a machine's files and its seed are under 1 MiB, first policies included."""
_MAGIC = b"hdinfra order 1\n"
_HEAD_BYTES = len(_MAGIC) + len(f"{0:012d} {'':064}\n")


class OrderError(ValueError):
    """Not an order, or not a whole one. `code` is stable, the text says what was found."""

    # Not a ProtocolError: what seals needs cryptography, which the installer has no use for.
    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Order:
    """`server` is a ServerPlan as JSON, `seed` what cloud-init is told (NoCloud), `laid` the files that lie on the disk
    before anything starts, by absolute path with their modes. `overwrite`: serial numbers of disks that may be
    overwritten whatever is on them; `wipe`: every disk of the order may, for who writes an order by hand."""

    server: Mapping[str, Any]
    seed: Mapping[str, bytes]
    laid: Mapping[str, tuple[bytes, int]]
    wipe: bool = False
    overwrite: tuple[str, ...] = ()

    def packed(self) -> bytes:
        """A tar: root's, without dates, the same bytes for the same order everywhere."""
        members = {
            "order.json": (json.dumps(self._leave()).encode(), 0o644),
            "server.json": (json.dumps(self.server, sort_keys=True, indent=1).encode(), 0o644),
            **{f"seed/{name}": (content, 0o600) for name, content in self.seed.items()},
            **{f"root{path}": found for path, found in self.laid.items()},
        }
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path, (content, mode) in sorted(members.items()):
                member = tarfile.TarInfo(path)
                member.size, member.mode = len(content), mode
                archive.addfile(member, io.BytesIO(content))
        return buffer.getvalue()

    def _leave(self) -> dict[str, object]:
        # An installer of before that name is told nothing it knows, and so overwrites nothing.
        return {"wipe": self.wipe} | ({"overwrite": sorted(self.overwrite)} if self.overwrite else {})


def unpacked(packed: bytes) -> Order:
    """The order in that tar; OrderError `order.shape` when it is none."""
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            found = dict(_member(archive, member) for member in archive.getmembers())
        told, server = (json.loads(found.pop(name)[0]) for name in ("order.json", "server.json"))
        wipe, overwrite = told["wipe"], told.get("overwrite", [])
    except (tarfile.TarError, KeyError, ValueError, TypeError) as error:
        raise OrderError("order.shape", f"not an order, or one of another release: {error}") from error
    if not (isinstance(wipe, bool) and isinstance(server, dict) and _are_names(overwrite)):
        raise OrderError("order.shape", "an order has a server, and says which disks may be overwritten")
    seed = {path.removeprefix("seed/"): content for path, (content, _) in found.items() if path.startswith("seed/")}
    laid = {path.removeprefix("root"): file for path, file in found.items() if path.startswith("root/")}
    return Order(server, seed, laid, wipe, tuple(overwrite))


def order_id(packed: bytes) -> str:
    """By which an installed server knows what it was installed from: SHA-256, in hexadecimal."""
    return hashlib.sha256(packed).hexdigest()


def framed(packed: bytes) -> bytes:
    """Exactly what is written over the image's place; OrderError `order.too-long` when it does not fit."""
    most = FRAME_BYTES - _HEAD_BYTES
    if len(packed) > most:
        raise OrderError("order.too-long", f"an order of {len(packed):,} bytes; the image has room for {most:,}")
    return _frame(f"{len(packed):012d} {order_id(packed)}\n".encode() + packed)


def unwritten() -> bytes:
    """What the place holds until somebody writes an order there."""
    return _frame(f"{0:012d} {'-' * 64}\n".encode())


def unframed(frame: bytes) -> bytes:
    """The order written there; OrderError `order.none` for an image as built, `order.torn` for half of one."""
    if not frame.startswith(_MAGIC):
        raise OrderError("order.torn", "no order begins here; the image is damaged")
    length, _, digest = frame[len(_MAGIC) : _HEAD_BYTES].decode("ascii", "replace").strip().partition(" ")
    if digest == "-" * 64:
        raise OrderError("order.none", "no order was written into this image, so it installs nothing")
    packed = frame[_HEAD_BYTES : _HEAD_BYTES + int(length)] if length.isdigit() else b""
    if order_id(packed) != digest:
        raise OrderError("order.torn", "the order was written only in part; write it again")
    return packed


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _frame(content: bytes) -> bytes:
    return (_MAGIC + content).ljust(FRAME_BYTES, b"\0")


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, tuple[bytes, int]]:
    """Files only, and none that leads out of where orders are unpacked."""
    content = archive.extractfile(member) if member.isreg() else None
    if content is None or ".." in PurePosixPath(member.name).parts or member.name.startswith("/"):
        raise OrderError("order.shape", f"`{member.name}` has no place in an order")
    return member.name, (content.read(), member.mode & 0o7777)
