"""Who may do what: a matrix as data."""

from enum import StrEnum
from types import MappingProxyType

ALL_TENANTS = "*"


class Role(StrEnum):
    """SYSTEM is of no tenant, or of all; the others are of one."""

    SYSTEM = "SYSTEM"
    ADMIN = "ADMIN"
    READ_WRITE = "READ-WRITE"
    READ_ONLY = "READ-ONLY"


class Action(StrEnum):
    """As it stands in the audit log."""

    PUBLISH = "policies.publish"
    READ_POLICIES = "policies.read"
    READ_MACHINES = "machines.read"
    WITHDRAW_MACHINES = "machines.withdraw"
    READ_ALARMS = "alarms.read"
    READ_SITES = "sites.read"
    SET_SITES = "sites.set"
    READ_TOKENS = "tokens.read"
    MAKE_TOKENS = "tokens.make"
    REVOKE_TOKENS = "tokens.revoke"
    READ_AUDIT = "audit.read"


_READ_ONLY = frozenset({Action.READ_SITES})
_READ_WRITE = _READ_ONLY | {Action.SET_SITES}
_ADMIN = _READ_WRITE | {Action.READ_TOKENS, Action.MAKE_TOKENS, Action.REVOKE_TOKENS, Action.READ_AUDIT}
_SYSTEM = frozenset(Action)

ALLOWED = MappingProxyType(
    {Role.SYSTEM: _SYSTEM, Role.ADMIN: _ADMIN, Role.READ_WRITE: _READ_WRITE, Role.READ_ONLY: _READ_ONLY}
)
GRANTS = MappingProxyType(
    {
        Role.SYSTEM: frozenset(Role),
        Role.ADMIN: frozenset({Role.ADMIN, Role.READ_WRITE, Role.READ_ONLY}),
        Role.READ_WRITE: frozenset[Role](),
        Role.READ_ONLY: frozenset[Role](),
    }
)
"""For which roles one may make tokens."""
