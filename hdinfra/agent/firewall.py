"""What policy adds to the machine's nftables sets; the sets themselves, and all that is denied, are base."""

from collections.abc import Iterable

from .fields import Address, Network

Endpoint = tuple[Address, int]


def elements(name: str, members: Iterable[Address | Network | Endpoint]) -> str:
    """Members of the sets `<name>4` and `<name>6`: addresses, networks, or addresses with a port."""
    lines = sorted({_element(name, member) for member in members})
    return "".join(lines)


def _element(name: str, member: Address | Network | Endpoint) -> str:
    if isinstance(member, tuple):
        address, port = member
        return f"add element inet hdinfra {name}{address.version} {{ {address} . {port} }}\n"
    return f"add element inet hdinfra {name}{member.version} {{ {member} }}\n"
