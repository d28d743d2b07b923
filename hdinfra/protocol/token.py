"""Enrolment tokens: each names one machine, is used once, and lives a quarter of an hour unless it says otherwise."""

from dataclasses import asdict, dataclass

from hdinfra.protocol.seal import ProtocolError, seal, unseal

LIFE_SECONDS = 900
LONGEST_SECONDS = 172_800
"""Of a server that is installed by hand tomorrow; whoever holds the stack's key decides."""
_EARLY_SECONDS = 300  # how far a stack's clock may be ahead of the API machine's
_KIND = "enrolment"


@dataclass(frozen=True, slots=True)
class Token:
    """`serial` (milliseconds since 1970) tells a machine from its predecessor of the same name: the higher holds.

    `life_seconds`: up to LONGEST_SECONDS.
    """

    zone: str
    machine: str
    role: str
    serial: int
    life_seconds: int = LIFE_SECONDS

    @property
    def issued_at(self) -> float:
        """Seconds since 1970."""
        return self.serial / 1000


def issue(token: Token, key: str) -> str:
    """The token's text, the same for the same token and key: whoever holds the key can make it again to compare."""
    body = asdict(token)
    if token.life_seconds == LIFE_SECONDS:
        del body["life_seconds"]  # as tokens always were: API machines of an older bundle read them
    return seal(_KIND, body, key)


def read(text: str, public: str, zone: str, now: float) -> Token:
    """The token; ProtocolError `seal.*`, `token.foreign`, `token.expired` or `token.early`. `now` in seconds."""
    token = _token(unseal(_KIND, text, public))
    if token.zone != zone:
        raise ProtocolError("token.foreign", f"this token is for zone `{token.zone:.40}`, not for `{zone}`")
    age = now - token.issued_at
    if age > token.life_seconds:
        raise ProtocolError(
            "token.expired",
            f"the token of `{token.machine}` is {age:.0f} s old by this clock; it lived {token.life_seconds} s. "
            "Make the machine anew, or mend the clock",
        )
    if age < -_EARLY_SECONDS:
        raise ProtocolError(
            "token.early", f"the token of `{token.machine}` was issued {-age:.0f} s ahead of this clock: mend the clock"
        )
    return token


def _token(body: dict[str, object]) -> Token:
    texts = {name: body.get(name) for name in ("zone", "machine", "role")}
    serial, life = body.get("serial"), body.get("life_seconds", LIFE_SECONDS)
    if {*body, "life_seconds"} != {*texts, "serial", "life_seconds"} or not all(
        isinstance(v, str) for v in texts.values()
    ):
        raise ProtocolError("token.shape", f"a token has zone, machine, role and serial; found {sorted(body)}")
    if not isinstance(serial, int) or isinstance(serial, bool) or serial < 0:
        raise ProtocolError("token.shape", "a token's serial is a whole number")
    if not isinstance(life, int) or isinstance(life, bool) or not 0 < life <= LONGEST_SECONDS:
        raise ProtocolError("token.shape", f"a token lives 1 to {LONGEST_SECONDS} seconds")
    return Token(str(texts["zone"]), str(texts["machine"]), str(texts["role"]), serial, life)
