"""The unit with which a management machine watches: Debian's systemd takes it, and it is shut in."""

from pathlib import Path

from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import lay_files, start_container

UNIT = Path(__file__).parents[2] / "examples/watch/hdinfra-watch@.service"
EXPOSURE = 20
"""Of 100, as systemd-analyze weighs it; network access alone is 5 of them."""


def test_systemd_takes_it_and_finds_little_to_say(engine: Engine) -> None:
    place = start_container(engine, ())
    try:
        lay_files(
            place,
            {
                f"/etc/systemd/system/{UNIT.name}": UNIT.read_text(),
                "/etc/hdinfra/watch.env": "",
                "/usr/lib/sysusers.d/watch.conf": "u hdinfra - - /srv/hdinfra\n",
            },
        )
        lay_files(place, {"/srv/hdinfra/.venv/bin/hdinfra": "#!/bin/sh\n"}, 0o755)
        assert place.exec_run(["systemd-sysusers"]).exit_code == 0
        done = place.exec_run(["systemd-analyze", "verify", "--man=no", "hdinfra-watch@india.service"])
        assert (done.exit_code, done.output.decode()) == (0, "")
        unit = f"/etc/systemd/system/{UNIT.name.replace('@', '@india')}"
        lay_files(place, {unit: UNIT.read_text()})
        told = place.exec_run(["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", unit])
        assert told.exit_code == 0, told.output.decode()
    finally:
        place.remove(force=True)
