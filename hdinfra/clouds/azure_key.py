"""The public key that Azure wants for a Linux machine, and that opens nothing: nobody has its private key."""

import base64
import hashlib
from functools import cache
from itertools import count

_PHRASE = "hdinfra: nobody logs in"
_P = 2**255 - 19
_D = -121_665 * pow(121_666, -1, _P) % _P
"""Field and constant of edwards25519 (RFC 8032, 5.1)."""
_TYPE = b"ssh-ed25519"


@cache
def nobodys_key() -> str:
    """An OpenSSH public key, the same at every run (docs/decisions, 21).

    Its point is the first SHA-256 of a phrase and a number that lies on the curve, so whoever had its private key would
    have found a discrete logarithm. Anybody can work it out again.
    """
    point = next(point for number in count() if (point := _hashed(number)) is not None)
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (_TYPE, point))
    return f"{_TYPE.decode()} {base64.b64encode(blob).decode()}"


def _hashed(number: int) -> bytes | None:
    point = hashlib.sha256(f"{_PHRASE} {number}".encode()).digest()
    y = int.from_bytes(point, "little") % 2**255
    return point if y < _P and _is_square((y * y - 1) * pow(_D * y * y + 1, -1, _P)) else None


def _is_square(number: int) -> bool:
    """Of one of them is x² = (y² - 1) / (d y² + 1), by Euler's criterion; half of all numbers are."""
    return pow(number % _P, (_P - 1) // 2, _P) == 1
