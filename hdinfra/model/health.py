"""What a user writes of health: when a Machine may say of itself that it serves, and what keeps it from saying so."""

from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer

from hdinfra.model.names import Spec

LoopbackUrl = Annotated[
    str,
    StringConstraints(
        pattern=r"^http://(127\.0\.0\.1|localhost)(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~-]+)*/?$", max_length=200
    ),
]
"""An address on the Machine itself: its firewall lets it ask nobody else."""


class HealthSpec(Spec):
    """When a Machine answers 200 at `/edge-health`: its programs serve, its policy is the newest, nobody drained it,
    and all of this holds."""

    latch: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Whether it answers 503 after an outage until `hdctl latch release`, or until `rejoin` answers 200",
    )
    writes: LoopbackUrl | None = Field(
        default=None,
        description="Answers 200 while writes are possible, such as http://127.0.0.1:8008/primary of Patroni",
    )
    rejoin: LoopbackUrl | None = Field(
        default=None, description="Answers 200 once the site is as new as the other again; with `latch`"
    )
    outage_seconds: Annotated[int, Field(strict=True, ge=1, le=3600)] = Field(
        # Two probes of the edge that we run, at its shortest interval, with room for one that had no answer.
        default=3,
        description="How long it must have been ill before that counts as an outage",
    )
    silence_seconds: Annotated[int, Field(strict=True, ge=2, le=86_400)] | None = Field(
        default=None,
        description="With `latch`: nobody asked for its health for so long, so it was cut off; left out, no matter",
    )
    disk_free_percent: Annotated[int, Field(strict=True, ge=0, le=90)] = Field(
        # Below this, logs and caches that are written meanwhile can fill it before anybody comes.
        default=3,
        description="Less of a disk with policy or logs than this, and it is ill",
    )
    load_per_core: Annotated[int, Field(strict=True, ge=1, le=1_000)] = Field(
        # So many turns of other programs before each of its own: an answer of many turns takes longer than the 2 s
        # that a site has. Containers share the load of all, so it is no sign of small trouble.
        default=50,
        description="More programs that want to run on each core (average of a minute) than this, and it is ill",
    )

    @model_serializer(mode="wrap")
    def _without_nothing(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in whole(self).items() if value is not None}
