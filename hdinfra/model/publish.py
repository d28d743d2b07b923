"""Where the local cloud shows machines on this computer."""

from typing import Annotated

from pydantic import Field

from hdinfra.model.names import IPv4, IPv4Address, Spec

HTTPS_ABOVE = 363
"""443 - 80: how far above its plain port an edge is shown over HTTPS."""


class PublishSpec(Spec):
    """Where the local cloud shows a machine on this computer."""

    address: IPv4 = IPv4Address("127.0.0.1")
    port: Annotated[int, Field(strict=True, ge=1024, le=65535)]


class EdgePublishSpec(PublishSpec):
    """The same for both doors of an edge."""

    https_port: Annotated[int, Field(strict=True, ge=1024, le=65535)] | None = Field(
        default=None, description="Left out, 363 above `port`, as 8443 is above 8080"
    )

    @property
    def https(self) -> int:
        """The port that shows HTTPS."""
        return self.port + HTTPS_ABOVE if self.https_port is None else self.https_port
