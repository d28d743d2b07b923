"""Bring your own licence: what a customer writes who runs our App alone, on a cloud or on machines of their own."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from hdinfra.model.names import FilePath, HttpsUrl, IPAddress, IPv4Prefix, IPv6Prefix, Name, RegionName, Spec
from hdinfra.model.publish import PublishSpec
from hdinfra.model.spec import App, Provider, SiteSpec

PublicKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""The 32 bytes of an Ed25519 public key, in base64."""


def _nobodys(value: object) -> object:
    # The library's own message repeats the value as it came, password and all.
    if isinstance(value, str) and "@" in value:
        raise ValueError(
            "an address without a user is due: user data would show the password to whoever may look at the Machine; "
            "the code is no secret, and its SHA-256 says that it is the right one"
        )
    return value


def _of_a_server(value: str) -> str:
    try:
        parts = urlsplit(value)
        found = bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, or no port that there is
        found = False
    if not found:
        raise ValueError("an address of a web server is due, such as https://code.example.com/hdinfra")
    return value


CodeUrl = Annotated[HttpsUrl, BeforeValidator(_nobodys), AfterValidator(_of_a_server)]
"""A folder on a web server, over TLS and without a user, to which a file's name is appended."""


class ByolSpec(Spec):
    """One Instance of one tenant, unmanaged: no control plane, no way in but port 80 from `edges`, no call home.

    It stands either in one data centre (`provider` and `region`) or on machines that the customer installs
    (`install: true`). It is a document of its own, never a part of a Zone.
    """

    byol: Name = Field(description="The Instance's name; its Machines are NAME-1, NAME-2 and so on")
    app: App = App.WAF
    tenant: Name = Field(description="As the licence names them")
    sites: Annotated[tuple[SiteSpec, ...], Field(max_length=2_000)] = ()
    edges: Annotated[tuple[IPAddress, ...], Field(min_length=1, max_length=500)] = Field(
        description="Who alone may reach port 80, and is believed about the visitor's address"
    )
    machines: Annotated[int, Field(strict=True, ge=1, le=200)] = 1
    licence: FilePath = Field(description="The file that the vendor issued")
    vendor_key: PublicKey = Field(description="The vendor's public key, as `hdinfra licence keygen` showed it to them")
    ledger: FilePath | None = Field(
        default=None, description="Where the stack counts its seats; left out, NAME.seats.json beside the spec"
    )
    install: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Not on a cloud: `hdinfra byol bundle` writes what the machines are installed from"
    )
    provider: Provider | None = None
    region: RegionName | None = None
    ipv4: IPv4Prefix | None = Field(default=None, description="The Machines' network; left out, the region's /21")
    ipv6: IPv6Prefix | None = Field(default=None, description="The Machines' network; left out, a unique local /64")
    code_url: CodeUrl | None = Field(
        default=None,
        description="The folder of a web server with what `hdinfra byol code` wrote, asked by each Machine at its "
        "first boot alone; left out, the code comes in user data, for which most clouds have no room",
    )
    publish: PublishSpec | None = Field(
        default=None, description="Where the local cloud shows the first Machine; the next has the next port"
    )
    vcpu: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    memory_mib: Annotated[int, Field(strict=True, ge=128, le=262_144)] = 512
