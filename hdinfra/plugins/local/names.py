"""Names and labels: by them everything of a stack is found again, also after a crash."""

from dataclasses import dataclass

LABEL = "hdinfra"
SPEC_LABEL = f"{LABEL}.spec"
OWN_LABELS = frozenset(f"{LABEL}.{name}" for name in ("project", "stack", "namespace", "region", "resource", "spec"))
"""Labels by which things are found again; a program may set none of them."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose a container or network is."""

    namespace: str
    project: str
    stack: str
    region: str

    def name(self, resource: str) -> str:
        """The engine's name of this resource."""
        return f"{self.namespace}-{resource}"

    def labels(self, resource: str, spec: str) -> dict[str, str]:
        """What it is labelled with; `spec` is the hash of what cannot change in place."""
        return {
            f"{LABEL}.project": self.project,
            f"{LABEL}.stack": self.stack,
            f"{LABEL}.namespace": self.namespace,
            f"{LABEL}.region": self.region,
            f"{LABEL}.resource": resource,
            SPEC_LABEL: spec,
        }

    def owns(self, labels: dict[str, str] | None) -> bool:
        """Whether something with these labels is this stack's own."""
        return (labels or {}).get(f"{LABEL}.namespace") == self.namespace
