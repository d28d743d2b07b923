"""One question to one name server (RFC 1035), so that machines and operators see what users are answered.

Resolvers are left out on purpose: what is asked here is what this server says now, not what somebody remembers.
"""

import secrets
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

PORT = 53
_TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "AAAA": 28}
_NAMES = {number: name for name, number in _TYPES.items()}
_IN, _OPT, _CLIENT_SUBNET = 1, 41, 8
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_IS_ANSWER, _AUTHORITATIVE, _TRUNCATED = 0x8000, 0x0400, 0x0200
_UDP_BYTES = 1232  # what passes everywhere without fragments (DNS flag day 2020)
_MOST_JUMPS = 32

Subnet = IPv4Network | IPv6Network


class DnsError(Exception):
    """No answer, or none to what was asked; the text says which."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an answer: an address, a name without its last dot, or of a SOA the serial."""

    name: str
    kind: str
    ttl: int
    value: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said. `code`: 0 is well, 3 is a name that there is not (RFC 1035, section 4.1.1)."""

    code: int
    authoritative: bool
    records: tuple[Record, ...]

    def values(self, kind: str) -> tuple[str, ...]:
        """Of that kind, sorted."""
        return tuple(sorted(record.value for record in self.records if record.kind == kind))


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask; `tcp` asks over TCP from the start."""

    address: str
    port: int = PORT
    tcp: bool = False

    @property
    def family(self) -> socket.AddressFamily:
        """By the address."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET


def ask(server: Server, name: str, kind: str, seconds: float = 2, subnet: Subnet | None = None) -> Reply:
    """Ask once; an answer too long for UDP is asked for again over TCP. DnsError within `seconds` a try.

    `kind`: A, AAAA, CNAME, NS or SOA. `subnet`: as whose resolver to ask (RFC 7871).
    """
    number = secrets.randbelow(1 << 16)
    query = _query(number, name, kind, subnet)
    try:
        found = _over_tcp(server, query, seconds) if server.tcp else _over_udp(server, query, seconds)
        if not server.tcp and _flags(found) & _TRUNCATED:
            found = _over_tcp(server, query, seconds)
    except OSError as error:
        raise DnsError(f"{server.address} port {server.port}: {error or type(error).__name__}") from error
    try:
        return _reply(found, number)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise DnsError(f"{server.address} port {server.port}: what came is no DNS message") from error


def _query(number: int, name: str, kind: str, subnet: Subnet | None) -> bytes:
    question = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.rstrip(".").split("."))
    option = _client_subnet(subnet) if subnet else b""
    extra = b"\0" + struct.pack("!HHIH", _OPT, _UDP_BYTES, 0, len(option)) + option
    return _HEADER.pack(number, 0, 1, 0, 0, 1) + question + b"\0" + struct.pack("!HH", _TYPES[kind], _IN) + extra


def _client_subnet(subnet: Subnet) -> bytes:
    address = subnet.network_address.packed[: -(-subnet.prefixlen // 8)]
    family = 1 if subnet.version == 4 else 2
    return struct.pack("!HHHBB", _CLIENT_SUBNET, 4 + len(address), family, subnet.prefixlen, 0) + address


def _over_udp(server: Server, query: bytes, seconds: float) -> bytes:
    with socket.socket(server.family, socket.SOCK_DGRAM) as door:
        door.settimeout(seconds)
        door.connect((server.address, server.port))  # so that nobody else's datagrams come in
        door.send(query)
        return door.recv(65_535)


def _over_tcp(server: Server, query: bytes, seconds: float) -> bytes:
    with socket.create_connection((server.address, server.port), timeout=seconds) as door:
        door.sendall(struct.pack("!H", len(query)) + query)
        with door.makefile("rb") as stream:
            (length,) = struct.unpack("!H", stream.read(2).ljust(2, b"\0"))
            return stream.read(length)


def _flags(message: bytes) -> int:
    return int.from_bytes(message[2:4], "big")


def _reply(message: bytes, number: int) -> Reply:
    found, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
    if found != number or not flags & _IS_ANSWER:
        raise DnsError("what came answers another question")
    at = _HEADER.size
    for _ in range(questions):
        at = _name(message, at)[1] + 4
    records = []
    for _ in range(answers):
        name, at = _name(message, at)
        kind, _, ttl, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        if kind in _NAMES:
            records.append(Record(name, _NAMES[kind], ttl, _value(message, at, length, _NAMES[kind])))
        at += length
    return Reply(flags & 0x000F, bool(flags & _AUTHORITATIVE), tuple(records))


def _value(message: bytes, at: int, length: int, kind: str) -> str:
    match kind:
        case "A":
            return str(IPv4Address(message[at : at + length]))
        case "AAAA":
            return str(IPv6Address(message[at : at + length]))
        case "SOA":
            behind = _name(message, _name(message, at)[1])[1]
            return str(struct.unpack_from("!I", message, behind)[0])
    return _name(message, at)[0]


def _name(message: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends; a pointer leads to the rest of it (RFC 1035, section 4.1.4), not in circles."""
    labels: list[str] = []
    end, jumps = 0, 0
    while length := message[at]:
        if length >= 0xC0:
            end = end or at + 2
            at = int.from_bytes(message[at : at + 2], "big") & 0x3FFF
            jumps += 1
            if jumps > _MOST_JUMPS:
                raise DnsError("a name in the answer leads in circles")
            continue
        labels.append(message[at + 1 : at + 1 + length].decode("ascii"))
        at += length + 1
    return ".".join(labels), end or at + 1
