"""Options of one resource, on top of those of its ground."""

from collections.abc import Sequence
from typing import Any

import pulumi


def extended(
    opts: pulumi.ResourceOptions, after: pulumi.Resource | Sequence[pulumi.Resource] = (), **more: Any
) -> pulumi.ResourceOptions:
    """These options, and what else belongs to one resource. `after`: what it waits for."""
    first = [after] if isinstance(after, pulumi.Resource) else list(after)
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=first, **more))
