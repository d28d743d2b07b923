"""`hdraid` on a server of one's own: laid with its base, for it has to work before any code of the role has come."""

from hdinfra.machine.bundle import raid_sources
from hdinfra.machine.machine import File, Unit
from hdinfra.machine.sources import asset

_FOLDER = "/usr/lib/hdinfra/metal"

UNITS = (
    Unit("hdinfra-raid-gone.service", content=asset("metal-raid-gone.service"), enabled=False),
    Unit("hdinfra-raid-resume.service", content=asset("metal-raid-resume.service")),
)


def raid_files() -> tuple[File, ...]:
    """The command, its modules, and the rule by which udev calls it when a disk has gone."""
    return (
        File("/usr/local/sbin/hdraid", asset("hdraid"), 0o755),
        File("/etc/udev/rules.d/71-hdinfra-raid.rules", asset("metal-raid.rules")),
        *(File(f"{_FOLDER}/{path}", text) for path, text in sorted(raid_sources().items())),
    )
