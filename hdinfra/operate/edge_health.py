"""Whether anybody answers at an entrance, asked from here before users are sent there."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

from hdinfra.protocol.edge_health import HOST, PATH

_SECONDS = 3.0
_WELL_BELOW = 400


@dataclass(frozen=True, slots=True)
class Health:
    """Whether users may be sent there, and what was found."""

    well: bool
    words: str


def health_of(document: Mapping[str, Any], entrance: str, hosts: Sequence[str]) -> Health:
    """Ask each address of the entrance's places for its health, or the name elsewhere for one of these sites.

    Well is a place of which one address says so: this computer may lack IPv6, or the way to some of them.
    """
    found = next(one for one in document["entrances"] if one["name"] == entrance)
    if found["target"]:
        return _elsewhere(found["target"], hosts)
    addresses = {place["name"]: place["addresses"] for place in document["places"]}
    asked = [(place, address) for place in found["places"] for address in addresses[place]]
    with ThreadPoolExecutor(max_workers=max(len(asked), 1)) as pool:
        answers = list(pool.map(lambda one: answer_of(one[1], HOST, PATH), asked))
    well = {place for (place, _), answer in zip(asked, answers, strict=True) if answer == HTTPStatus.OK}
    silent = [
        f"{address} {answer or 'is silent'}"
        for (_, address), answer in zip(asked, answers, strict=True)
        if answer != HTTPStatus.OK
    ]
    words = f"{len(well)} of {len(found['places'])} places answer"
    return Health(bool(well), f"{words} ({', '.join(silent)})" if silent else words)


def _elsewhere(target: str, hosts: Sequence[str]) -> Health:
    """Whoever answers there must know our sites: an error page of theirs is no entrance."""
    host = hosts[0] if hosts else target
    answer = answer_of(target, host, "/")
    words = f"{target} answers {answer} for {host}" if answer else f"{target} is silent"
    return Health(0 < answer < _WELL_BELOW, words)


def answer_of(address: str, host: str, path: str, port: int = 80) -> int:
    """The status of one GET, 0 when nobody answers."""
    asked = HTTPConnection(address, port, timeout=_SECONDS)
    try:
        asked.request("GET", path, headers={"Host": host, "User-Agent": "hdinfra", "Connection": "close"})
        return asked.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        asked.close()
