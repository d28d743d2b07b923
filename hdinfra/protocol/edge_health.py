"""How an edge is asked for its own health, by whoever leads users to it."""

HOST = "edge.hdinfra.internal"
"""No site's, so that the edge answers for itself, and not a site for its visitors."""
PATH = "/healthz"
"""200 alone is well."""
