"""Two Zones in the same accounts and regions, even with Clusters of the same names, and what both of them have."""

import base64
import copy
import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from hdinfra.model.held import Held
from hdinfra.protocol.seal import public_of
from hdinfra.testing import Graph, Recorder
from hdinfra.testing.monitor import Outputs
from tests.graph.answers import INVOKES, OUTPUTS
from tests.graph.bases import CONFIG, Base

OTHER = "other"
_LONGEST_NEST = 4
_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})(?:/\d{1,3})?(?![\w:])"
)
_TOKEN = re.compile(r"[A-Za-z0-9_+/-]{22,}")
"""128 bits in base64: nothing shorter is a secret of ours."""
_NAME = re.compile(r"\w*[nN]ame|label|bucket|key")
_FOR_URLS = str.maketrans("+/", "-_")  # RFC 4648, section 5
_ASSET = "4dabf18193072939515e22adb298388d"  # marks an asset on the engine's wire
_NO_TOKEN = re.compile(r"ECDHE-[A-Z0-9-]+|/dev/.*|projects/debian-cloud/.*|.*/computeMetadata/.*")
"""Cipher suites (RFC 5289), devices, images, and where Google's machines ask about themselves."""


@dataclass(frozen=True)
class Told:
    """One text somewhere in the inputs: of which resource, under which input, and whether as a secret."""

    type: str
    name: str
    path: str
    text: str
    secret: bool


class _OwnAnswers(dict[str, Outputs]):
    """Providers that give each Zone ids, addresses and keys of its own, as real ones do."""

    def __init__(self, zone: str, known: Mapping[str, Outputs]) -> None:
        super().__init__(known)
        self._zone = zone

    def get(self, type_: str, default: Any = None) -> Any:
        """The usual answer to a resource whose name no other Zone has."""
        answer = super().get(type_, default)

        def told(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"id": f"{self._zone}-{name}-id", **answer(f"{self._zone}-{name}", inputs)}

        return told


def _kept(zone: str, what: str) -> str:
    return base64.b64encode(hashlib.sha256(f"{what} of {zone}".encode()).digest()).decode()


def _keys(zone: str) -> dict[str, Outputs]:
    signing = _kept(zone, "signing key")
    names = ("root", "rootKey", "adminToken", "tokenHash")
    thumbprint = _kept(zone, "thumbprint").translate(_FOR_URLS).rstrip("=")
    keys = {"signingKey": signing, "signer": public_of(signing), **{name: _kept(zone, name) for name in names}}
    return {
        "hdpolicy:index:Keys": lambda *_: keys,
        "hdpolicy:index:SiteAuthority": lambda *_: {name: _kept(zone, name) for name in ("certificate", "key")},
        "hdpolicy:index:AcmeAccount": lambda *_: {"key": _kept(zone, "account key"), "thumbprint": thumbprint},
    }


def first_of(base: Base) -> Graph:
    """The Zone as its base has it."""
    return _declared(base, base.data, base.data["zone"])


def other_of(base: Base) -> Graph:
    """The same under another name, with another network and another customer's Instance."""
    data = copy.deepcopy(base.data)
    data |= {"zone": OTHER, "network": {**data.get("network", {}), "ipv4": "10.128.0.0/12"}}
    return _declared(base, data, OTHER)


def _declared(base: Base, data: Mapping[str, Any], zone: str) -> Graph:
    config = {**CONFIG, "hdinfra:namespace": f"hd-{zone}"}
    record = Recorder(stack=zone, config=config, outputs={**OUTPUTS, **_keys(zone)}, invokes=INVOKES)
    record.outputs = _OwnAnswers(zone, record.outputs)
    plan = base.plan(dict(data), Held())
    return record(lambda: base.declare(plan))


def told(graph: Graph) -> tuple[Told, ...]:
    """Every text of every input, and what is packed in it: user data, its files, certificates."""
    return tuple(
        Told(made.type, made.name, path, inner, any(path.startswith(secret) for secret in made.secrets))
        for made in graph.resources
        for path, text in _leaves(made.inputs, "")
        for inner in _unpacked(text, _LONGEST_NEST)
    )


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case Mapping():
            for key, inner in value.items():
                if key != _ASSET:
                    yield from _leaves(inner, f"{path}.{key}" if path else str(key))
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from _leaves(inner, f"{path}[{index}]")
        case str():
            yield path, value
        case _:
            return


def _unpacked(text: str, deeper: int) -> Iterator[str]:
    yield text
    for word in re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", text) if deeper else ():
        try:
            raw = base64.b64decode(word, validate=True)
            inner = (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw).decode()
        except ValueError:  # words that only look like it, digests and keys
            continue
        yield from _unpacked(inner, deeper - 1)


def addresses_of(all_told: tuple[Told, ...]) -> frozenset[IPv4Network | IPv6Network]:
    """Every address and network in it."""
    return frozenset(filter(None, (_network(word) for one in all_told for word in _ADDRESS.findall(one.text))))


def _network(word: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(word, strict=False)
    except ValueError:
        return None


def secrets_of(all_told: tuple[Told, ...]) -> frozenset[str]:
    """Whatever was secret as a whole."""
    return frozenset(one.text for one in all_told if one.secret and len(one.text) >= 16)


def tokens_of(all_told: tuple[Told, ...]) -> frozenset[str]:
    """Every word that could be a token or a key, but for digests of the code that all Zones run and for names."""
    code = {one.text for one in all_told if one.path.startswith("code.") and one.path.endswith(".sha256")}
    names = tuple({one.name for one in all_told})
    return frozenset(
        word
        for one in all_told
        for word in _TOKEN.findall(one.text)
        if re.search(r"\d", word) and word[-64:] not in code and not word.startswith(names)
        if not _NO_TOKEN.fullmatch(word)
    )


def names_of(all_told: tuple[Told, ...]) -> frozenset[tuple[str, str, str]]:
    """(type, input, name) of all that providers are asked to call something."""
    return frozenset((one.type, one.path, one.text) for one in all_told if _NAME.fullmatch(one.path))
