"""Parts of what a user writes of one website."""

from typing import Annotated

from pydantic import Field

from hdinfra.model.names import FilePath, Spec


class RateSpec(Spec):
    """What one client (an IPv4 address or an IPv6 /64) may ask of each Machine; 429 answers what comes above it."""

    per_second: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(description="Requests a second")
    burst: Annotated[int, Field(strict=True, ge=0, le=10_000)] = Field(
        default=0, description="How many requests above the rate may come at once"
    )


class CacheSpec(Spec):
    """Answers that the origin's headers allow to be kept, on each Machine's disk."""

    size_mib: Annotated[int, Field(strict=True, ge=1, le=1_024)] = 64


class HttpsSpec(Spec):
    """How the edge shows a site over TLS. A certificate of the user's own takes the place of the edge's issuer."""

    redirect: Annotated[bool, Field(strict=True)] = Field(
        default=True, description="Whether plain HTTP is answered with the way to HTTPS once there is a certificate"
    )
    hsts_seconds: Annotated[int, Field(strict=True, ge=0, le=63_072_000)] = Field(
        default=31_536_000, description="How long browsers shall ask over HTTPS only; 0: nothing is said of it"
    )
    certificate: FilePath | None = Field(default=None, description="PEM, its issuers behind it; wants `key`")
    key: FilePath | None = Field(default=None, description="The certificate's private key, PEM, not encrypted")
