"""How long servers and their BMCs are waited for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `power`: for a server to be off or on once its BMC was told: power supplies take their time.
    `report`: for an installed machine's first report: firmware of real servers takes 2 to 5 minutes a boot, and there
    are two boots. `silent`: for a BMC that does not answer during an installation; some start anew when media are
    inserted. `api`: for an API machine that answers. `alive`: who reported no longer ago than this runs; machines
    report each 10 s. `poll` and `look`: between questions to the management API, and to the BMC.
    """

    power: float = 120
    report: float = 2400
    silent: float = 300
    api: float = 90
    alive: float = 60
    poll: float = 5
    look: float = 15
