"""What travels over HTTP: every body's shape, strict and bounded."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hdinfra.control.roles import Role
from hdinfra.protocol.merge import RULES
from hdinfra.protocol.parcel import MAX_BYTES as PARCEL_BYTES
from hdinfra.protocol.seal import MAX_BYTES

LARGEST = 2**53 - 1  # what every JSON reader can hold
HOST = r"^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$"
SCOPE = r"^[a-z0-9-]{1,100}$"
SHORT = r"^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$"
IDENTITY = r"^[0-9a-f]{16}$"
MACHINE = r"^[a-z0-9-]{1,100}$"

Sealed = Annotated[str, Field(min_length=1, max_length=MAX_BYTES)]
Pem = Annotated[str, Field(min_length=1, max_length=16_384)]
Whole = Annotated[int, Field(ge=0, le=LARGEST)]
Words = Annotated[str, Field(max_length=65_536)]
ShortName = Annotated[str, Field(pattern=SHORT)]
HostName = Annotated[str, Field(pattern=HOST)]
ModeName = Literal["BYPASS", "RECORD", "MITIGATION"]
Json = dict[str, Any]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class Refused(BaseModel):
    """Every answer from 400 on."""

    error: str
    message: str


class CertifiedBody(_Body):
    """An API machine's authority and the stack's word on its key."""

    certificate: Pem
    endorsement: Annotated[str, Field(min_length=1, max_length=16_384)]


class EnrolBody(_Body):
    """A machine's token, and a request for its own key."""

    token: Annotated[str, Field(min_length=1, max_length=16_384)]
    csr: Pem


class RenewBody(_Body):
    """A request for the key that the machine has."""

    csr: Pem


class Failure(_Body):
    """The version that a machine went back from."""

    number: Whole
    settings: Whole
    reason: Words


class MeshBody(_Body):
    """A machine's place in the mesh: its public key of a version, whether it does without the one before, and which
    peers have not answered of late."""

    version: Annotated[int, Field(ge=1, le=1_000_000)]
    public: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
    switched: bool
    silent: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=500)]


class ServersSeen(_Body):
    """How many servers of a Cluster an edge knows, and how many it sees up."""

    up: Annotated[int, Field(ge=0, le=100_000)]
    all: Annotated[int, Field(ge=0, le=100_000)]


class PoolsBody(_Body):
    """At an edge with pools in order: by Instance the one that takes users."""

    chosen: Annotated[dict[ShortName, ShortName], Field(max_length=500)]


class ReportBody(_Body):
    """A machine's word on itself."""

    number: Whole
    settings: Whole
    digest: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    serving: bool
    failed: Failure | None
    drained: bool
    overrides: Annotated[dict[HostName, ModeName], Field(max_length=2_000)]
    code: Annotated[str, Field(pattern=r"^([0-9a-f]{16}|[0-9a-f]{64})?$")]
    problems: Annotated[list[Words], Field(max_length=100)]
    certificates: Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$")] = ""
    profile: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    mesh: MeshBody | None = None
    failover: PoolsBody | None = None
    clusters: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,100}$")], ServersSeen], Field(max_length=480)
    ] = Field(default={}, description="What an edge sees of each Cluster; nothing of other machines")


class PublishBody(_Body):
    """A release that the stack has signed."""

    release: Sealed


class ParcelBody(_Body):
    """A site's certificate that the stack has sealed."""

    parcel: Annotated[str, Field(min_length=1, max_length=PARCEL_BYTES)]


class SettingsBody(_Body):
    """All that the API shall own of a site; what is left out is the stack's again."""

    mode: ModeName | None = None
    paranoia: Annotated[int, Field(ge=1, le=4)] | None = None
    exclusions: Annotated[list[Annotated[int, Field(ge=RULES[0], le=RULES[1])]], Field(max_length=64)] | None = None


class TokenBody(_Body):
    """An admin token to be made."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@ -]{0,63}$")]
    tenant: Annotated[str, Field(pattern=r"^(\*|[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?)$")]
    role: Annotated[Role, Field(strict=False)]
    expires_in_seconds: Annotated[int, Field(ge=1, le=315_360_000)] | None = None


class VersionAnswer(BaseModel):
    """Which API this is."""

    version: str
    api: str
    zone: str


class ReadyAnswer(BaseModel):
    """`reason` is there when it is not ready."""

    ready: bool
    reason: str | None = None


class BootstrapAnswer(BaseModel):
    """Keys that wait for the stack's signature."""

    csr: str
    key: str
    token: Json
    proof: str


class CertificateAnswer(BaseModel):
    """PEM: the machine's, then its authority's."""

    certificate: str


class NowAnswer(BaseModel):
    """This machine's clock, in seconds since 1970."""

    now: float


class EndpointShape(BaseModel):
    """Where an API machine is."""

    name: str
    ipv4: str
    ipv6: str
    port: int


class SyncAnswer(BaseModel):
    """`releases`, `settings` and `parcels` are missing when `etag` is what the machine has seen, `parcels` (by site the
    number) also where none is for it, `mesh` (public keys as their API machines sealed them) where it is in none, and
    `endpoints` (of all API machines) when no `control` release has named them yet."""

    now: float
    etag: str
    endpoints: list[EndpointShape] | None = None
    releases: list[str] | None = None
    settings: list[dict[str, str]] | None = None
    parcels: dict[str, int] | None = None
    mesh: list[dict[str, str]] | None = None


class StatementsAnswer(BaseModel):
    """`ledger` changes when this machine has lost its memory: then `last` counts from 1 again."""

    ledger: str
    last: int
    releases: list[str]
    entries: list[dict[str, str]]


class NumberAnswer(BaseModel):
    """Under which number it is known."""

    number: int


class ParcelsAnswer(BaseModel):
    """By site the number of what was sealed last."""

    numbers: dict[str, int]


class ParcelAnswer(BaseModel):
    """As the stack signed it."""

    parcel: str


class PoliciesAnswer(BaseModel):
    """The newest release of every scope, without documents."""

    policies: list[Json]


class PolicyAnswer(_Answer):
    """A scope's newest release, merged with its settings. `ignored`: settings that break a ceiling."""

    scope: str
    release: Json
    sealed: str
    document: Json
    ignored: list[str]
    settings: list[Json]


class HistoryAnswer(BaseModel):
    """Newest first."""

    history: list[Json]


class MachinesAnswer(BaseModel):
    """All machines that are known, by name."""

    machines: list[Json]


class SerialAnswer(BaseModel):
    """The serial up to which no enrolment of a machine is believed."""

    serial: int


class SitesAnswer(BaseModel):
    """Sites with the settings that hold."""

    sites: list[Json]


class TokensAnswer(BaseModel):
    """Tokens without their secret."""

    tokens: list[Json]


class MadeTokenAnswer(BaseModel):
    """`token` is shown this once."""

    id: str
    token: str
    name: str
    tenant: str
    role: Role
    expires: int | None


class AuditAnswer(BaseModel):
    """Newest first."""

    audit: list[Json]


class AlarmsAnswer(BaseModel):
    """Oldest first."""

    alarms: list[Json]
