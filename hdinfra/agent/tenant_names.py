"""What a tenant is called on a machine: safe for users, units, sockets and files, and never two alike. Pure."""

import hashlib

_LONGEST = 27
"""Characters; with `hdt-` before them they make the 31 of a user's name."""


def key_of(tenant: str) -> str:
    """The tenant in one word. Tenants' names have neither `_` nor capitals, so no name can be made to look like
    another one's key. A hyphen would nest the tenant's slice in that of the tenant before it."""
    if len(tenant) <= _LONGEST:
        return tenant.replace("-", "_")
    return f"{tenant[:10].replace('-', '_')}H{hashlib.sha256(tenant.encode()).hexdigest()[:16]}"


def user_of(tenant: str) -> str:
    """Its Unix user and group."""
    return f"hdt-{key_of(tenant)}"
