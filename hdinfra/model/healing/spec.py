"""What a user writes of healing: when it may act, how much it may change, and what it may never do."""

from typing import Annotated, Literal

from pydantic import Field

from hdinfra.model.names import Name, Spec


class HealingBudget(Spec):
    """How far healing may go before a human is asked."""

    machines: Annotated[int, Field(strict=True, ge=1, le=200)] = Field(
        default=20, description="How many Machines one heal may make"
    )
    monthly_euro: Annotated[float, Field(ge=0, le=1_000_000)] = Field(
        default=1_000, description="What these may cost a month, by the catalogue's dated estimates"
    )
    changes_per_hour: Annotated[int, Field(strict=True, ge=1, le=60)] = Field(
        default=2, description="How many heals may begin within an hour"
    )


class HealingSpec(Spec):
    """How `hdinfra watch` judges what edges and API machines see. The thresholds are those of the product's own HA."""

    act: Literal["heal", "alarm"] = Field(
        default="heal", description="`alarm`: say what would be done, and leave it to a human"
    )
    failure_threshold: Annotated[int, Field(strict=True, ge=1, le=60)] = Field(
        default=2, description="After how many looks in a row that agree a Cluster counts as lost"
    )
    recovery_threshold: Annotated[int, Field(strict=True, ge=1, le=60)] = Field(
        default=1, description="After how many good looks in a row it counts as back"
    )
    max_flaps: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(
        default=6, description="How often it may be lost and back within the window; beyond, a human decides"
    )
    flap_window_seconds: Annotated[int, Field(strict=True, ge=60, le=86_400)] = 3_600
    settle_seconds: Annotated[float, Field(ge=0, le=3_600)] = Field(
        default=12,
        description="How long a loss must last; machines report every 10 s, so by then those that live were heard",
    )
    witnesses: Annotated[int, Field(strict=True, ge=2, le=10)] = Field(
        default=2, description="How many edges and API machines outside the Cluster must agree"
    )
    keep: tuple[Name, ...] = Field(default=(), description="Clusters that are never withdrawn without a human")
    budget: HealingBudget = HealingBudget()
    webhooks: Annotated[tuple[Annotated[str, Field(pattern=r"^https?://[^\s]{1,500}$")], ...], Field(max_length=8)] = (
        Field(default=(), description="Where alarms are posted to, in Alertmanager's format (version 4)")
    )
