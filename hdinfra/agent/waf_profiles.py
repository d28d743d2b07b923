"""Which rule groups of the OWASP Core Rule Set a site's profile has. A group is the first three digits of its rules."""

from collections.abc import Iterator, Mapping
from itertools import groupby

NONE, ALL = "none", "complete"
MACHINERY = frozenset({901, 903, 905, 949, 959, 980})
"""Set-up, exceptions, blocking and reporting: every profile needs them, and no exclusion takes them away. As in
hdinfra/protocol/merge.py, which a customer's own machine does not have."""
_PROTOCOL = frozenset({911, 913, 920, 921, 922})
_INJECTION = frozenset({932, 941, 942})
PROFILES: Mapping[str, frozenset[int]] = {
    NONE: frozenset(),
    "basic": _PROTOCOL,
    "strong": _PROTOCOL | _INJECTION,
    ALL: frozenset(range(900, 1_000)),  # also those that a later release of the Core Rule Set brings
}
"""From the fewest rules to all. Methods, scanners and HTTP itself; then commands, scripts and SQL; then PHP, files and
all the rest. The steps are alwaysdata's (its manual, "Web Application Firewall", read 2026-11)."""


def removed_rules(profile: str) -> list[str]:
    """Ranges of rule numbers that the profile does without, such as `930000-931999`."""
    kept = PROFILES[profile] | MACHINERY | {900}
    gone = [group for group in range(900, 1_000) if group not in kept]
    return [f"{first}000-{last}999" for first, last in _runs(gone)]


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        yield members[0], members[-1]
