"""What may change while machines run: sites, modes, backends. Typed here, rendered and applied inside the machine."""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field

from hdinfra.model.names import Host, IPAddress, IPv4, IPv6, Name, Paranoia, Port, Seconds, Spec, UrlPath
from hdinfra.model.spec import Mode

SCHEMA = 1
"""Version of the documents below; a machine that knows only an older one refuses them."""


class OriginAddress(Spec):
    """Where clean traffic goes."""

    address: IPAddress
    port: Port


class WafSite(Spec):
    """One website behind the web application firewall."""

    host: Host
    tenant: Name
    mode: Mode
    paranoia: Paranoia
    origins: tuple[OriginAddress, ...]
    health_path: UrlPath
    response_timeout_seconds: Seconds


class WafPolicy(Spec):
    """Policy of one WAF machine. `edges` alone may reach port 80 and name the client's true address."""

    app: Literal["waf"] = "waf"
    schema_version: Literal[1] = 1
    sites: tuple[WafSite, ...]
    edges: tuple[IPAddress, ...]


class Backend(Spec):
    """One WAF machine as the edge sees it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,100}$")]
    cluster: Name
    ipv4: IPv4
    ipv6: IPv6


class EdgeInstance(Spec):
    """An Instance and the machines that serve it."""

    name: Name
    backends: tuple[Backend, ...]


class EdgeSite(Spec):
    """A website and the Instance that answers for it."""

    host: Host
    instance: Name
    response_timeout_seconds: Seconds


class LoadBalancerPolicy(Spec):
    """Policy of one edge machine."""

    app: Literal["load-balancer"] = "load-balancer"
    schema_version: Literal[1] = 1
    instances: tuple[EdgeInstance, ...]
    sites: tuple[EdgeSite, ...]


class LabOriginPolicy(Spec):
    """Policy of a machine that plays a customer's web server: the sites it answers for."""

    app: Literal["lab-origin"] = "lab-origin"
    schema_version: Literal[1] = 1
    hosts: tuple[Host, ...]


PolicyDocument = Annotated[WafPolicy | LoadBalancerPolicy | LabOriginPolicy, Field(discriminator="app")]


def canonical(document: WafPolicy | LoadBalancerPolicy | LabOriginPolicy) -> str:
    """The one JSON text of a document: sorted keys, no spaces, ASCII. Its digest is its version."""
    return json.dumps(document.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def digest(document: WafPolicy | LoadBalancerPolicy | LabOriginPolicy) -> str:
    """SHA-256 of the canonical text, in hex."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()
