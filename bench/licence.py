"""Time to verify one licence, beside verifying the same bytes with the bare library."""

import base64
import json
import statistics
import time
from collections.abc import Callable, Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bench.figure import Figure
from hdinfra.licence.licence import MOST_NAMES, Licence, check, issue, opened
from hdinfra.protocol.seal import new_key, public_of

NOW = 1_800_000_000
GOAL_MILLISECONDS = 5.0
TIMES = 1000


def milliseconds(work: Callable[[], object], times: int) -> float:
    """The median of so many runs."""
    taken: list[float] = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken)


def measure_licence(times: int = TIMES) -> Iterable[Figure]:
    """A licence as large as they get: as many Apps and features, names as long as may be."""
    names = tuple(f"{number:x}".rjust(32, "a") for number in range(MOST_NAMES))
    key = new_key()
    public = public_of(key)
    licence = Licence("a" * 80, names[0], names, 100_000, 0, 2**33, names, 0)
    text = issue(licence, key)
    sealed = json.loads(text)
    signature, signed = base64.b64decode(sealed["signature"]), f"hdinfra:licence\n{sealed['body']}".encode()
    raw = base64.b64decode(public)

    def verified() -> None:
        if check(opened(text, public), app=names[0], machines=1, now=NOW):
            raise AssertionError("the licence that is measured was refused")

    def bare() -> None:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, signed)

    value, baseline = milliseconds(verified, times), milliseconds(bare, times)
    yield Figure("licence-verify", round(value, 4), "ms", GOAL_MILLISECONDS, round(baseline, 4))
