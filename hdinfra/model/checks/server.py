"""A server of one's own, before anything is installed on it: disks that mirror one another, links that are two."""

from collections.abc import Callable, Iterator
from ipaddress import IPv6Address
from itertools import chain

from hdinfra.model.refusal import Refusal, RefusedError
from hdinfra.model.server import LONGEST_NAME, ServerPlan

_SHOW = "as `lsblk -bo NAME,SERIAL,SIZE` shows them"


def planned_server(server: ServerPlan) -> ServerPlan:
    """The same plan, which can be installed. Raises RefusedError with every refusal.

    Plans from an inventory (`hdinfra hardware check`) have been through these rules, and more.
    """
    if refusals := tuple(chain.from_iterable(check(server) for check in _CHECKS)):
        raise RefusedError(refusals)
    return server


def server_remarks(server: ServerPlan) -> tuple[str, ...]:
    """What is allowed and yet not as it might seem."""
    sizes = sorted({disk.mib for disk in (*server.disks, *server.spare_disks)})
    if len(sizes) < 2:
        return ()
    return (
        f"`{server.name}` has disks of {sizes[0]:,} to {sizes[-1]:,} MiB; it uses {sizes[0]:,} MiB of each, "
        "since a mirror is no larger than its smallest disk.",
    )


def check_name(server: ServerPlan, path: str = "name") -> Iterator[Refusal]:
    """`raid.name-length`."""
    if len(server.name) > LONGEST_NAME:
        yield Refusal(
            path,
            "raid.name-length",
            f"`{server.name}` has {len(server.name)} characters; an array called `{server.name}:root` would lose the "
            f"server's name, for which {LONGEST_NAME} characters are left, and be taken for another server's.",
            f"write a name of up to {LONGEST_NAME} characters",
        )


def check_room(server: ServerPlan, path: str = "") -> Iterator[Refusal]:
    """`raid.disk-too-small`."""
    for key in ("disks", "spare_disks"):
        for number, disk in enumerate(getattr(server, key)):
            if disk.mib < server.needed_mib:
                yield Refusal(
                    f"{path}{key}[{number}]",
                    "raid.disk-too-small",
                    f"{disk.serial} has {disk.mib:,} MiB; ESP ({server.esp_mib:,}), /boot ({server.boot_mib:,}), swap "
                    f"({server.swap_mib:,}) and the least that / takes need {server.needed_mib:,} MiB of it.",
                    f"put in a disk of {server.needed_mib:,} MiB or more, or write a smaller `swap_mib`",
                )


def _mirrors(server: ServerPlan) -> Iterator[Refusal]:
    if len(server.disks) < 2:
        yield Refusal(
            "disks",
            "raid.two-disks",
            f"`{server.name}` has {len(server.disks)} disk to mirror; when it fails, all on it is lost.",
            f"add a second one with its own serial and size, {_SHOW}",
        )
    seen: dict[str, str] = {}
    for key in ("disks", "spare_disks"):
        for number, disk in enumerate(getattr(server, key)):
            path = f"{key}[{number}]"
            # Firmware writes the same serial in capitals or not.
            if (first := seen.setdefault(disk.serial.upper(), path)) != path:
                message = f"{disk.serial} is the disk of {first} again; a disk is no mirror of itself."
                yield Refusal(path, "raid.same-disk-twice", message, f"write the other disk's serial, {_SHOW}")


def _links(server: ServerPlan) -> Iterator[Refusal]:
    if len(server.links) < 2:
        message = f"`{server.name}` has {len(server.links)} link; with its cable or its switch the server is gone."
        yield Refusal("links", "network.two-links", message, "add a port that leads to another switch")
    seen: dict[str, str] = {}
    for number, link in enumerate(server.links):
        path = f"links[{number}].mac"
        if (first := seen.setdefault(link.mac.lower(), path)) != path:
            message = f"{link.mac} is the address of {first} already; a port is no second way for itself."
            yield Refusal(
                path, "network.duplicate-mac", message, "write the other port's address, as `ip link` shows it"
            )


def _gateways(server: ServerPlan) -> Iterator[Refusal]:
    network = server.network
    for key, own, gateway in (
        ("gateway4", network.ipv4, network.gateway4),
        ("gateway6", network.ipv6, network.gateway6),
    ):
        near = gateway in own.network or (isinstance(gateway, IPv6Address) and gateway.is_link_local)
        if not near or gateway == own.ip:
            message = f"`{server.name}` is {own}, and {gateway} is no neighbour of it; it would have no way out."
            fix = f"write the router's address in {own.network}"
            yield Refusal(f"network.{key}", "host.gateway", message, fix)


_CHECKS: tuple[Callable[[ServerPlan], Iterator[Refusal]], ...] = (check_name, check_room, _mirrors, _links, _gateways)
