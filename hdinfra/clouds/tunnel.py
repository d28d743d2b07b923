"""A tunnel as components hand it on; beside the SDK that makes one, which costs seconds to import."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, slots=True)
class TunnelHandle:
    """`address`: where the edge, and nobody else, reaches it. `token`: what a connector shows; a secret from birth."""

    id: pulumi.Output[str]
    address: pulumi.Output[str]
    token: pulumi.Output[str]
