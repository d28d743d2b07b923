"""The Zone's name servers as anybody meets them: asked over DNS, here where the local cloud shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hdinfra.operate.at_once import each
from hdinfra.operate.status import Declared
from hdinfra.protocol.dns_query import DnsError, Server, ask

_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class EdgeServers:
    """`doors`: by server's name where it is asked, by what it is asked over. `leads`: by entrance the name that the
    sites' name is an alias of while it is in force."""

    alias: str
    doors: Mapping[str, Mapping[str, Server]]
    leads: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the servers, sorted."""
        return tuple(sorted(self.doors))

    def leads_to(self, server: str, entrance: str) -> bool:
        """Whether that server, over whichever door answers first, sends users to that entrance."""
        return any(self.said(door) == self.leads[entrance] for door in self.doors[server].values())

    def said(self, door: Server) -> str:
        """What the sites' name is an alias of there; empty when nobody answers."""
        try:
            found = ask(door, self.alias, "CNAME", _SECONDS).values("CNAME")
        except DnsError:
            return ""
        return found[0] if found else ""

    def rows(self) -> list[dict[str, str]]:
        """Every server over every door: what it says, and what is wrong."""
        asked = [(name, over, door) for name in self.names for over, door in self.doors[name].items()]
        return each(lambda one: self._row(*one), asked)

    def _row(self, name: str, over: str, door: Server) -> dict[str, str]:
        found = {"server": name, "over": over, "leads_to": "", "problem": ""}
        try:
            reply = ask(door, self.alias, "CNAME", _SECONDS)
        except DnsError as error:
            return {**found, "problem": str(error)}
        problem = "" if reply.authoritative and not reply.code else f"answers with code {reply.code}"
        return {**found, "leads_to": "".join(reply.values("CNAME")[:1]), "problem": problem}


def servers_of(known: Declared, document: Mapping[str, Any]) -> EdgeServers:
    """Where this computer may ask them, and what they should say."""
    published = known.dns.get("publish", {})
    domain = document["name"]
    return EdgeServers(
        alias=known.dns["alias"],
        doors={server["name"]: _doors(server, published.get(server["name"])) for server in document["servers"]},
        leads={one["name"]: one["target"] or f"{one['name']}.{domain}" for one in document["entrances"]},
    )


def _doors(server: Mapping[str, Any], published: Mapping[str, Any] | None) -> dict[str, Server]:
    if published:
        address, port = str(published["address"]), int(published["port"])
        return {"UDP": Server(address, port), "TCP": Server(address, port, tcp=True)}
    addresses = {"IPv4": server["ipv4"], "IPv6": server["ipv6"]}
    return {
        f"{protocol} over {family}": Server(address, tcp=protocol == "TCP")
        for family, address in addresses.items()
        if address
        for protocol in ("UDP", "TCP")
    }


def delegation(document: Mapping[str, Any]) -> list[str]:
    """What the parent domain has to say: the servers, and where they are, since their names lie in the domain."""
    domain = document["name"]
    names = {f"ns{number}.{domain}": server for number, server in enumerate(document["servers"], 1)}
    glue = [
        f"{name}. {kind} {server[key]}"
        for name, server in names.items()
        for kind, key in (("A", "ipv4"), ("AAAA", "ipv6"))
        if server[key]
    ]
    return [*(f"{domain}. NS {name}." for name in names), *glue]
