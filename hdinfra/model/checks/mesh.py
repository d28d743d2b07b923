"""The mesh: its keys go forward one version at a time, and every cloud's firewall can name a machine's peers."""

from collections.abc import Iterator, Sequence

from hdinfra.model.held import Held
from hdinfra.model.mesh import PLANES, PORTS
from hdinfra.model.numbering import Seat
from hdinfra.model.refusal import Refusal
from hdinfra.model.regions import Catalogue
from hdinfra.model.spec import ZoneSpec


def check_mesh(spec: ZoneSpec, held: Held) -> Iterator[Refusal]:
    """`mesh.version-down` and `mesh.version-step`."""
    mesh, before = spec.network.mesh, held.mesh
    if mesh is None or before is None or before.version <= mesh.version <= before.version + 1:
        return
    if mesh.version < before.version:
        rule, why = "mesh.version-down", "keys that were left would count again"
    else:
        rule, why = (
            "mesh.version-step",
            "old and new keys hold side by side for one step alone, and the mesh would break",
        )
    yield Refusal(
        "network.mesh.version",
        rule,
        f"Version {mesh.version} is asked for, and {before.version} is held; {why}.",
        f"write `version: {before.version + 1}` for new keys, or `version: {before.version}` to keep those in use",
    )


def check_peers(spec: ZoneSpec, seats: Sequence[Seat], catalogue: Catalogue) -> Iterator[Refusal]:
    """`mesh.peers`: a cloud's firewall can name everybody who sends to a machine of the mesh, at both ports."""
    if spec.network.mesh is None:
        return
    told: set[tuple[str, str]] = set()
    for seat in seats:
        peers = sum(other.role in PLANES.get(seat.role, ()) and other.place != seat.place for other in seats)
        limit = catalogue.providers[seat.region.provider].firewall_sources
        if len(PORTS) * peers > limit and (seat.place, seat.role) not in told:
            told.add((seat.place, seat.role))
            yield Refusal(
                "network.mesh",
                "mesh.peers",
                f"`{seat.name}` has {peers:,} peers in the mesh, each at {len(PORTS)} ports; a firewall of "
                f"`{seat.region.provider}` names {limit:,} addresses of one family.",
                "split the Zone in two, or drop `mesh`",
            )
