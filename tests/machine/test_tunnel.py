"""A Machine's part in a tunnel, read by the programs it is for: systemd, nftables, the kernel's routes, Python."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from hdinfra.machine.apps.origin_lock import for_cloudflare_only
from hdinfra.machine.apps.tunnel import HOME, METRICS, TOKEN_PATH, token_file, uplinks_script, with_tunnel
from hdinfra.machine.cloud_init import all_files, cloud_config, description_digest, user_data_bytes
from hdinfra.machine.firewall import ruleset
from hdinfra.machine.first_boot import sample_first_boot
from hdinfra.machine.machine import Machine
from hdinfra.machine.roles import machine_of
from hdinfra.model.failover.cloudflare_networks import cloudflare_networks
from hdinfra.model.failover.cloudflare_spec import TunnelPlan
from hdinfra.model.typed import validated
from tests.machine.debian import Debian, planned

NORTH = {"name": "north", "interface": "north", "address": "192.0.2.2", "gateway": "192.0.2.1"}
SOUTH = {"name": "south", "interface": "south", "address": "2001:db8::2", "gateway": "2001:db8::1"}
PLAN = validated(
    TunnelPlan,
    {
        "tunnel": "paris",
        "package": {"url": "https://pkg.example.com/cloudflared.deb", "sha256": "d" * 64},
        "uplinks": [NORTH, SOUTH],
    },
)
TOKEN = base64.b64encode(json.dumps({"a": "a" * 32, "t": "a-tunnel", "s": "c2VjcmV0"}).encode()).decode()
EXPOSURE = 15
"""In tenths, as `systemd-analyze security --threshold` takes it; a unit that says nothing of rights has 96."""


@pytest.fixture
def connected() -> Machine:
    return with_tunnel(machine_of("india", planned("load-balancer")), PLAN)


@pytest.fixture
def place(debian: Callable[[str], Debian], connected: Machine) -> Iterator[Debian]:
    """A running Debian with the files of a machine in a tunnel; afterwards it is what it was."""
    found = debian("load-balancer")
    own = {file.path for file in all_files(connected)} - {file.path for file in all_files(found.machine)}
    _lay(found, connected)
    yield replace(found, machine=connected)
    found.run("rm", "-rf", *sorted(own), HOME, "/var/lib/hdinfra/tunnel-package", "/usr/bin/cloudflared")
    found.run("nft", "delete", "table", "inet", "hdinfra")
    _lay(found, found.machine)


def _lay(place: Debian, machine: Machine) -> None:
    for mode in (0o644, 0o755):
        place.put({file.path: file.content for file in all_files(machine) if file.mode == mode}, mode)


def test_systemd_takes_the_units(place: Debian) -> None:
    place.put({"/usr/bin/cloudflared": "#!/bin/sh\n"}, 0o755)
    names = [unit.name for unit in place.machine.units if "tunnel" in unit.name or "uplinks" in unit.name]
    assert len(names) == 8
    names.remove("hdinfra-tunnel@.service")
    code, words = place.run("systemd-analyze", "verify", "--man=no", *names)
    assert (code, [line for line in words.splitlines() if "hdinfra" in line]) == (0, []), words


def test_connectors_have_no_rights(place: Debian) -> None:
    place.run("sh", "-c", "cp /etc/systemd/system/hdinfra-tunnel@.service /tmp/hdinfra-tunnel@north.service")
    words = ("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}")
    assert place.run(*words, "/tmp/hdinfra-tunnel@north.service")[0] == 0


def test_the_token_is_in_no_argument_no_environment_and_no_description(connected: Machine) -> None:
    (unit,) = [unit for unit in connected.units if unit.name == "hdinfra-tunnel@.service"]
    lines = (unit.content or "").splitlines()
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert "--token-file ${CREDENTIALS_DIRECTORY}/token" in start and "--token " not in start
    assert f"LoadCredential=token:{TOKEN_PATH}" in lines
    assert not [line for line in lines if line.startswith("Environment=")]
    assert TOKEN_PATH not in {file.path for file in connected.files}
    told = token_file(TOKEN)
    assert (told.mode, told.owner, told.path) == (0o600, "root", TOKEN_PATH)
    assert TOKEN not in cloud_config(connected)
    assert description_digest(connected) != description_digest(machine_of("india", planned("load-balancer")))


def test_every_uplink_has_a_connector_of_its_own(connected: Machine) -> None:
    texts = {file.path: file.content for file in connected.files}
    for index, uplink in enumerate(PLAN.uplinks):
        told = f"TUNNEL_EDGE_BIND_ADDRESS={uplink.address}\nTUNNEL_METRICS=127.0.0.1:{METRICS + index}\n"
        assert texts[f"{HOME}/{uplink.name}.env"] == told
        assert f"hdinfra-tunnel@{uplink.name}.service" in {unit.name for unit in connected.units if unit.enabled}


def test_nft_takes_the_rules_and_they_open_7844_to_cloudflare_alone(place: Debian) -> None:
    rules = ruleset(place.machine.firewall)
    place.put({"/etc/hdinfra/firewall.nft": rules})
    assert place.run("nft", "-f", "/etc/hdinfra/firewall.nft") == (0, "")
    before = ruleset(machine_of("india", planned("load-balancer")).firewall)
    added = [line.strip() for line in rules.splitlines() if line not in before.splitlines()]
    assert [line for line in added if "accept" in line] == [
        "ip daddr . tcp dport @tunnels4 accept",
        "ip6 daddr . tcp dport @tunnels6 accept",
        "ip daddr @tunnel_hosts4 udp dport 7844 accept",
        "ip6 daddr @tunnel_hosts6 udp dport 7844 accept",
    ]
    for version in (4, 6):
        edges = [str(address) for address in cloudflare_networks().tunnels if address.version == version]
        for name, elements in (("tunnel_hosts", edges), ("tunnels", [f"{edge} . 7844" for edge in edges])):
            words = ("nft", "get", "element", "inet", "hdinfra", f"{name}{version}")
            assert place.run(*words, f"{{ {', '.join(elements)} }}")[0] == 0
            other = (
                elements[0].replace("7844", "443") if name == "tunnels" else ("192.0.2.9", "2001:db8::9")[version == 6]
            )
            assert place.run(*words, f"{{ {other} }}")[0] != 0


def says(place: Debian, command: str, words: str) -> bool:
    """Whether these words are among what it says."""
    return place.run("sh", "-c", f'{{ {command}; }} 2>&1 | grep -qF -- "{words}"')[0] == 0


def test_what_speaks_from_an_uplink_leaves_by_it_or_not_at_all(place: Debian) -> None:
    """Two uplinks; then one is cut. The other carries on, and nothing of the first one leaves by it."""
    links = "".join(
        f"ip link add {link['interface']} type veth peer name far-{link['name']}; "
        f"ip link set far-{link['name']} up; ip link set {link['interface']} up; "
        f"ip addr add {link['address']}/{24 if link is NORTH else 64} dev {link['interface']} nodad; "
        for link in (NORTH, SOUTH)
    )
    by = "ip addr add 192.0.2.130/25 dev south; ip route add default via 192.0.2.129 dev south onlink"
    code, said = place.run("sh", "-ec", links.replace("nodad; ", "; ", 1) + by)
    assert code == 0, said
    for _ in range(2):  # once more changes nothing
        assert place.run("/usr/lib/hdinfra/uplinks") == (0, "")
    assert place.run("sh", "-c", "test $(ip rule | grep -c 700) = 1 && test $(ip -6 rule | grep -c 700) = 1")[0] == 0
    assert leaves(place, "198.41.192.7", "192.0.2.2", "north")
    assert leaves(place, "2606:4700:a0::1", "2001:db8::2", "south")
    assert place.run("sh", "-c", "ip link set north down; ip link set north up") == (0, "")
    assert not leaves(place, "198.41.192.7", "192.0.2.2", "north"), "the kernel remembers; what is this timer for?"
    assert place.run("/usr/lib/hdinfra/uplinks") == (0, "")
    assert leaves(place, "198.41.192.7", "192.0.2.2", "north"), "a cable that is back is used again"
    assert place.run("ip", "link", "del", "north")[0] == 0
    place.run("sh", "-c", "ip -6 rule del priority 7002")
    assert place.run("/usr/lib/hdinfra/uplinks")[0] == 1, "it says that one is gone"
    assert place.run("sh", "-c", "ip addr add 192.0.2.2/32 dev lo")[0] == 0  # the address alone, as if it were kept
    assert leaves(place, "2606:4700:a0::1", "2001:db8::2", "south")
    assert leaves(place, "198.41.192.7", "192.0.2.130", "south"), "others still leave by it"
    assert not says(place, "ip route get 198.41.192.7 from 192.0.2.2", " dev ")
    assert place.run("ip", "route", "get", "198.41.192.7", "from", "192.0.2.2")[0] == 2, "the kernel has no way"
    place.run("sh", "-c", "ip link del south; ip addr flush dev lo to 192.0.2.2; ip rule flush table 7001")


def leaves(place: Debian, to: str, source: str, interface: str) -> bool:
    """Whether the kernel chooses that interface."""
    return says(place, f"ip route get {to} from {source}", f" dev {interface} ")


def test_a_package_that_is_not_the_pinned_one_is_not_installed(place: Debian) -> None:
    deb = "cd /tmp && rm -rf pkg && mkdir -p pkg/DEBIAN pkg/usr/bin && printf '#!/bin/sh\\n' > pkg/usr/bin/cloudflared"
    fields = {"Package": "cloudflared", "Version": "1", "Architecture": "all", "Maintainer": "a test <a@example.com>"}
    control = "".join(f"{key}: {value}\\n" for key, value in {**fields, "Description": "a stand-in"}.items())
    made = f"{deb} && printf '{control}' > pkg/DEBIAN/control && dpkg-deb --build pkg one.deb >/dev/null"
    code, said = place.run("sh", "-ec", f"{made}; sha256sum one.deb")
    assert code == 0, said
    right = said.split()[0]
    place.run("rm", "-rf", "/var/lib/hdinfra/tunnel-package", "/usr/bin/cloudflared")
    for pinned, ends in (("e" * 64, 1), (right, 0)):
        place.put({f"{HOME}/package.json": json.dumps({"url": "file:///tmp/one.deb", "sha256": pinned})})
        code, said = place.run("/usr/lib/hdinfra/tunnel-package")
        assert code == ends, said
        assert place.run("test", "-e", "/usr/bin/cloudflared")[0] == ends
        assert ends == 0 or f"gave {right}, pinned is {pinned}; nothing was installed" in said
    place.run("rm", "/tmp/one.deb")
    assert place.run("/usr/lib/hdinfra/tunnel-package")[0] == 0, "what is installed is not fetched again"


@pytest.mark.parametrize("text", ["", "no token", base64.b64encode(b'{"a": "b"}').decode(), TOKEN[:-4]])
def test_what_is_no_token_is_not_kept(place: Debian, text: str) -> None:
    place.run("rm", "-f", TOKEN_PATH)
    given = f"printf '%s' '{text}' | tunnel-token"
    assert place.run("sh", "-c", given)[0] == 1
    assert says(place, given, "that is no tunnel's token")
    assert place.run("test", "-e", TOKEN_PATH)[0] == 1


def test_a_token_is_kept_for_root_alone_and_connectors_are_begun_anew(place: Debian) -> None:
    place.put({"/tmp/systemctl/systemctl": '#!/bin/sh\necho "$@" >> /tmp/systemctl/asked\n'}, 0o755)
    code, said = place.run("sh", "-c", f"printf '%s' '{TOKEN}' | PATH=/tmp/systemctl:$PATH tunnel-token")
    assert code == 0, said
    assert says(place, f"stat -c '%a %U' {TOKEN_PATH}", "600 root")
    assert place.run("sh", "-c", f"printf '%s\\n' '{TOKEN}' | cmp - {TOKEN_PATH}")[0] == 0
    asked = "".join(f"restart hdinfra-tunnel@{name}.service\\n" for name in ("north", "south"))
    assert place.run("sh", "-c", f"printf '{asked}' | cmp - /tmp/systemctl/asked")[0] == 0
    place.run("rm", "-rf", TOKEN_PATH, "/tmp/systemctl")


METRICS_SERVER = """
import http.server, json

class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(open("/tmp/ready").read()) if self.path == "/ready" else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"status": 200, "readyConnections": 4, "connectorId": "x"}).encode())

http.server.HTTPServer(("127.0.0.1", PORT), Ready).serve_forever()
"""


def test_one_ready_connector_is_enough_and_each_other_one_is_named(place: Debian) -> None:
    server = METRICS_SERVER.replace("PORT", str(METRICS))
    place.put({"/tmp/metrics.py": server, "/tmp/ready": "200"})
    place.container.exec_run(["python3", "/tmp/metrics.py"], detach=True)
    asks = f"import socket; socket.create_connection(('127.0.0.1', {METRICS}))"
    again = f'for n in $(seq 100); do python3 -c "{asks}" 2>/dev/null && exit; sleep 0.1; done; exit 1'
    assert place.run("sh", "-c", again)[0] == 0
    ready = "/usr/lib/hdinfra/tunnel-ready"
    assert place.run(ready)[0] == 0
    assert says(place, ready, "<6>north: 4 connections")
    assert says(place, ready, "<3>south: does not answer")
    place.put({"/tmp/ready": "503"})
    assert place.run(ready)[0] == 1
    assert says(place, ready, "<3>north: not ready (503)")
    place.run("pkill", "-f", "/tmp/metrics.py")


def test_user_data_still_fits(connected: Machine) -> None:
    told = sample_first_boot(["a-control-1"], control=False).file()
    assert user_data_bytes(connected, (told,)) < 14_336


def test_the_ruleset_of_a_locked_origin_names_cloudflare_alone(debian: Callable[[str], Debian]) -> None:
    place, machine = debian("load-balancer"), for_cloudflare_only(machine_of("india", planned("load-balancer")))
    files = {file.path: file.content for file in machine.files if file.path.startswith("/etc/hdinfra/first/")}
    place.put({**files, "/tmp/locked.nft": ruleset(machine.firewall)})
    place.run("rm", "-f", "/etc/hdinfra/first/tunnel.nft")
    code, said = place.run("nft", "-f", "/tmp/locked.nft")
    assert code == 0, said
    assert machine.firewall.public_tcp == ()
    for version, inside, outside in ((4, "173.245.48.1", "198.51.100.1"), (6, "2400:cb00::1", "2001:db8::1")):
        words = ("nft", "get", "element", "inet", "hdinfra", f"cloudflare{version}")
        assert [place.run(*words, f"{{ {one} }}")[0] == 0 for one in (inside, outside)] == [True, False]
    place.run("sh", "-c", f"rm {' '.join(files)}")


def test_a_machine_that_opens_nothing_has_nothing_to_lock() -> None:
    with pytest.raises(ValueError, match="nothing to lock"):
        for_cloudflare_only(for_cloudflare_only(machine_of("india", planned("load-balancer"))))


def test_the_uplinks_script_is_one_table_each() -> None:
    assert uplinks_script(PLAN.uplinks).count("unreachable default") == 2
