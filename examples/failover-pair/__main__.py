"""What `pulumi up` runs."""

from program import declare

declare()
