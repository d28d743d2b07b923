"""In a guest: a tenant that fills, floods and opens all it can is contained, and its neighbour serves on."""

from tests.machine.sync_stack import eventually
from tests.metal.guest import Guest
from tests.metal.waf_guest import SMALL_DISK_MIB, begin_deed, done_deed, ended_deed, host_of, visits

ATTACK = "/?id=1%27%20OR%20%271%27=%271"
LOGS, CACHE = "/var/log/hdinfra-tenants/acme", "/var/cache/hdinfra-tenants/acme"
QUOTA_MIB = 1024  # of the plan `free`
LOG_MIB = 320
"""More than both rotations keep; some 15 s of a tenant that writes as fast as it goes (decision 15)."""


def mebibytes(place: Guest, *folders: str) -> int:
    """What these take on the disk together."""
    return int(place.must("du", "-cm", *folders).split()[-2])


def attacked(place: Guest, tenant: str) -> str:
    """The status that an attack on its site gets."""
    asked = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {host_of(tenant)}")
    return place.must(*asked, f"http://127.0.0.1{ATTACK}")


def clean(place: Guest) -> None:
    place.must("sh", "-c", f"rm -rf {LOGS}/* {CACHE}/*")


def test_it_opens_no_port_at_all(place: Guest) -> None:
    assert done_deed(place, "acme", "ports", 0) == "0"


def test_a_flood_of_logs_is_cut_and_the_neighbour_serves_on(place: Guest) -> None:
    """10 GiB would take minutes; what bounds them is the quota at any moment, and the rotation after a minute."""
    begin_deed(place, "acme", "log", LOG_MIB)
    assert set(visits(place, "globex", 20)["codes"]) == {200}
    assert ended_deed(place, "acme", 120) == str(LOG_MIB)
    assert mebibytes(place, LOGS) <= QUOTA_MIB
    place.must("systemctl", "start", "hdinfra-tenants-rest", seconds=120)
    assert mebibytes(place, LOGS) <= 2 * 100
    place.must("systemctl", "start", "hdinfra-tenants-rest", seconds=120)
    assert mebibytes(place, LOGS) <= 100
    clean(place)


def test_a_tenant_that_fills_all_it_can_write_to_ends_at_its_quota(place: Guest) -> None:
    free = int(place.must("df", "--output=avail", "-BM", "/").split()[-1].rstrip("M"))
    assert free > 1.5 * QUOTA_MIB, "the disk has to be larger than what a tenant may fill"
    # Every minute it empties what is too long for a log; here the quota is what has to hold.
    place.must("systemctl", "stop", "hdinfra-tenants-rest.timer", "hdinfra-tenants-rest.service")
    begin_deed(place, "acme", "fill", 4 * QUOTA_MIB)
    try:
        assert set(visits(place, "globex", 20)["codes"]) == {200}
        written = int(ended_deed(place, "acme", 240))
        assert 0.9 * QUOTA_MIB < mebibytes(place, LOGS, CACHE) <= QUOTA_MIB
        assert written <= QUOTA_MIB + 128, "with its /tmp in memory"
        # It harms itself at most: its neighbour's log is written, and policies come into force.
        assert attacked(place, "globex") == "403"
        # nginx writes it after it has answered.
        audit = "/var/log/hdinfra-tenants/globex/www.globex.test.audit.json"
        eventually(lambda: place.run("test", "-s", audit)[0] == 0)
        place.must("hdctl", "apply", "/root/document.json", seconds=240)
        assert set(visits(place, "globex", 5)["codes"]) == {200}
    finally:
        place.must("systemctl", "start", "hdinfra-tenants-rest.timer")
        clean(place)
    # Once there is room again, all is as before.
    assert (visits(place, "acme", 3)["codes"], attacked(place, "acme")) == ([200] * 3, "403")


def test_a_tenant_cannot_take_all_inodes(place: Guest) -> None:
    """A quota of 32 MiB allows one file for every 16 KiB of it."""
    assert 2000 < int(done_deed(place, "initech", "files", 10_000)) <= SMALL_DISK_MIB * 64
    place.must("sh", "-c", "rm -f /var/cache/hdinfra-tenants/initech/empty-*")
