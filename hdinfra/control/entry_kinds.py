"""What API machines say to one another in entries: kinds, their shapes, and how many of each are kept.

`setting` (key `<scope>/<host>`): what was set for a site. `token` (key: its id): an admin token. `key` (key
`<machine>/<serial>/<key id>`): that this key was seen for a machine; with `withdrawn` as id, that none before that
serial counts. `completed` (key: a scope): settings up to `number` are served everywhere. `parcel` (key: a host): the
site's certificate as the stack sealed it. `halt` (key `<scope>/<number>`): settings of that number went wrong on
`machine`. `mesh` (key `<machine>/<version>`): a machine's public key in the mesh, and whether it does without the
version before.
"""

from collections.abc import Mapping
from typing import Any

from hdinfra.protocol.entry import Entry
from hdinfra.protocol.seal import ProtocolError

KEPT = {"setting": 20, "token": 1, "key": 16, "completed": 1, "halt": 200, "parcel": 1, "mesh": 8}
"""Of each group. Earlier settings are kept for machines that may not have the newest yet, and words on the mesh for two
versions: each is said twice, and by each of two API machines."""
_BODIES: dict[str, dict[str, Any]] = {
    "setting": {},
    "token": {"hash": str, "role": str, "tenant": str, "name": str, "expires": int | None},
    "key": {"role": str},
    "completed": {"number": int},
    "halt": {"machine": str, "reason": str},
    "parcel": {"parcel": str},
    "mesh": {"public": str, "switched": bool},
}
_PARTS = {"setting": 2, "token": 1, "key": 3, "completed": 1, "halt": 2, "parcel": 1, "mesh": 2}
_GROUPED_BY_FIRST_PART = ("key", "halt", "mesh")


def group_of(entry: Entry) -> tuple[str, str]:
    """Kind and name of the group in which the highest few are kept."""
    name = entry.key.partition("/")[0] if entry.kind in _GROUPED_BY_FIRST_PART else entry.key
    return entry.kind, name


def check_entry(entry: Entry) -> None:
    """ProtocolError `entry.shape` for what this release of the API does not know."""
    wanted = _BODIES.get(entry.kind)
    if wanted is None:
        raise ProtocolError("entry.shape", f"entries of kind `{entry.kind:.40}` are not known here")
    parts = entry.key.split("/")
    if len(parts) != _PARTS[entry.kind] or not _numbered(entry, parts):
        raise ProtocolError("entry.shape", f"`{entry.key:.80}` is no key of kind `{entry.kind}`")
    withdrawn = entry.kind == "token" and not entry.body
    if not withdrawn and not _fits(entry.body, wanted):
        raise ProtocolError("entry.shape", f"a `{entry.kind}` with {sorted(entry.body)} is not known here")


def _numbered(entry: Entry, parts: list[str]) -> bool:
    return entry.number > 0 and (entry.kind not in _GROUPED_BY_FIRST_PART or parts[1].isdecimal())


def _fits(body: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in body and isinstance(body[name], kind) for name, kind in wanted.items())
