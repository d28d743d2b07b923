"""An ordered shutdown, as this host's part of it: each service at its moment, then the host itself.

Waves keep apart by the clock alone (see hdinfra.model.power), so a service that does not stop in its time is killed.
Begun once it is carried through, also when this program is killed and started again: the beginning is written down.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .durable import write_whole
from .power import MARK, Plan, Stop
from .problems import log

_BEGUN = "run/hdinfra-power-down"
_SOON_SECONDS = 10.0
Run = Callable[[Sequence[str], float], bool]
"""Whether a program ended well within so many seconds."""


def go_down(plan: Plan, root: Path, run: Run | None = None, pause: Callable[[float], None] = time.sleep) -> None:
    """Stop everything in its order, then switch off."""
    run, begun = run or _run, _begun(root)
    log(f"the site goes down: {len(plan.stops)} services here, off after {plan.off_at:.0f} s")
    for at in sorted({stop.at for stop in plan.stops}):
        pause(max(begun + at - _now(), 0.0))
        _stop([stop for stop in plan.stops if stop.at == at], run)
    pause(max(begun + plan.off_at - _now(), 0.0))
    log("off")
    run(("systemctl", "poweroff"), _SOON_SECONDS)


def _now() -> float:
    # Goes on over everything but a boot, and nobody sets it.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _begun(root: Path) -> float:
    path = root / _BEGUN
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        now = _now()
    # Both first, then the first stop: whatever is killed now is gone on with from here.
    write_whole(root / MARK.lstrip("/"), b"\n", 0o600)
    write_whole(path, str(now).encode(), 0o600)
    return now


def _stop(stops: list[Stop], run: Run) -> None:
    units = [unit for stop in stops for unit in stop.units]
    if not units:
        return
    seconds = max(stop.seconds for stop in stops)
    log(f"stopping {', '.join(stop.service for stop in stops)}: {', '.join(units)}, {seconds:.0f} s at most")
    if not run(("systemctl", "stop", *units), seconds):
        log("not stopped in time: killed")
        run(("systemctl", "kill", "--signal=SIGKILL", *units), _SOON_SECONDS)


def _run(argv: Sequence[str], seconds: float) -> bool:
    try:
        # Argument lists of our own, never a shell.
        return subprocess.run(argv, timeout=seconds, check=False).returncode == 0  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
