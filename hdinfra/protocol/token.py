"""Enrolment tokens: each names one machine, is used once, and lives a quarter of an hour."""

from dataclasses import asdict, dataclass

from hdinfra.protocol.seal import ProtocolError, seal, unseal

LIFE_SECONDS = 900
_EARLY_SECONDS = 300  # how far a stack's clock may be ahead of the API machine's
_KIND = "enrolment"


@dataclass(frozen=True, slots=True)
class Token:
    """`serial` (milliseconds since 1970) tells a machine from its predecessor of the same name: the higher holds."""

    zone: str
    machine: str
    role: str
    serial: int

    @property
    def issued_at(self) -> float:
        """Seconds since 1970."""
        return self.serial / 1000


def issue(token: Token, key: str) -> str:
    """The token's text, the same for the same token and key: whoever holds the key can make it again to compare."""
    return seal(_KIND, asdict(token), key)


def read(text: str, public: str, zone: str, now: float) -> Token:
    """The token; ProtocolError `seal.*`, `token.foreign`, `token.expired` or `token.early`. `now` in seconds."""
    token = _token(unseal(_KIND, text, public))
    if token.zone != zone:
        raise ProtocolError("token.foreign", f"this token is for zone `{token.zone:.40}`, not for `{zone}`")
    age = now - token.issued_at
    if age > LIFE_SECONDS:
        raise ProtocolError(
            "token.expired",
            f"the token of `{token.machine}` is {age:.0f} s old by this clock; it lived {LIFE_SECONDS} s. "
            "Make the machine anew, or mend the clock",
        )
    if age < -_EARLY_SECONDS:
        raise ProtocolError(
            "token.early", f"the token of `{token.machine}` was issued {-age:.0f} s ahead of this clock: mend the clock"
        )
    return token


def _token(body: dict[str, object]) -> Token:
    texts = {name: body.get(name) for name in ("zone", "machine", "role")}
    serial = body.get("serial")
    if body.keys() != {*texts, "serial"} or not all(isinstance(v, str) for v in texts.values()):
        raise ProtocolError("token.shape", f"a token has zone, machine, role and serial; found {sorted(body)}")
    if not isinstance(serial, int) or isinstance(serial, bool) or serial < 0:
        raise ProtocolError("token.shape", "a token's serial is a whole number")
    return Token(str(texts["zone"]), str(texts["machine"]), str(texts["role"]), serial)
